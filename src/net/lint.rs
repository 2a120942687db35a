//! Rules that do what they say and perhaps more than their writer thinks.

use mcp_sandbox_platform::net::{Class, Host, Name, Rule, internal};
use mcp_sandbox_platform::quote;

use super::{Refusal, idn};

/// Top-level names that are nobody's on the internet: a wildcard below them stays at home (RFC 6762, RFC 8375, the
/// reserved names of RFC 2606, and what home and company routers use).
const AT_HOME: [&str; 10] = [
    "corp",
    "home",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "private",
    "test",
    "arpa",
];

/// Suffixes below which anyone can have a name within minutes. The best known of the public suffix list
/// (publicsuffix.org), which is far longer: it is a warning to people, no boundary.
const ANYONES: [&str; 40] = [
    // registries that sell names one label deeper
    "co.uk",
    "org.uk",
    "com.au",
    "com.br",
    "co.jp",
    "co.kr",
    "co.in",
    "co.za",
    "com.cn",
    "co.nz",
    "com.mx",
    "eu.org",
    // pages, functions and buckets of whoever signs up
    "amazonaws.com",
    "s3.amazonaws.com",
    "cloudfront.net",
    "azurewebsites.net",
    "blob.core.windows.net",
    "azurestaticapps.net",
    "appspot.com",
    "run.app",
    "web.app",
    "firebaseapp.com",
    "storage.googleapis.com",
    "github.io",
    "gitlab.io",
    "pages.dev",
    "workers.dev",
    "r2.dev",
    "vercel.app",
    "netlify.app",
    "herokuapp.com",
    "fly.dev",
    "onrender.com",
    "railway.app",
    "deno.dev",
    "blogspot.com",
    // tunnels to anybody's own machine
    "ngrok.io",
    "ngrok-free.app",
    "trycloudflare.com",
    "duckdns.org",
];

/// What is told at every run: a rule of `allow` that gives more than reach.
pub fn warnings(rule: &Rule) -> Vec<Refusal> {
    let Host::Addresses(net) = &rule.host else {
        return Vec::new();
    };
    let row = internal(net.addr()).filter(|row| row.net.contains(net));
    let told = row.filter(|row| row.class == Class::Metadata).map(|row| {
        let message = format!("{} gives the server {}", quote(&rule.text), row.why);
        (message, "whoever reads that can often act as this machine".into())
    });
    told.into_iter().collect()
}

/// What `check` tells about a rule of `allow`.
pub fn remarks(rule: &Rule) -> Vec<Refusal> {
    match &rule.host {
        Host::Name(name) => international(name).into_iter().collect(),
        Host::Below(suffix) => [international(suffix), anyones(rule, suffix)]
            .into_iter()
            .flatten()
            .collect(),
        Host::Addresses(net) if net.prefix_len() == 0 => {
            let message = format!("{} is every public address", quote(&rule.text));
            let hint = "internal addresses stay refused; name the hosts if you know them";
            vec![(message, hint.into())]
        }
        Host::Addresses(_) | Host::HostLoopback | Host::AnyName => Vec::new(),
    }
}

/// Letters of one script can look like those of another, so both forms are told.
fn international(name: &Name) -> Option<Refusal> {
    let message = format!(
        "{} is {} in DNS",
        quote(idn::unicode(name)?),
        quote(name.as_str())
    );
    Some((
        message,
        "make sure that it is the name you mean: other letters may look the same".into(),
    ))
}

/// Whether anyone can have a name below the suffix.
pub fn is_anyones(suffix: &Name) -> bool {
    let suffix = suffix.as_str();
    let whole_top = !suffix.contains('.') && !AT_HOME.contains(&suffix);
    whole_top || ANYONES.contains(&suffix)
}

fn anyones(rule: &Rule, suffix: &Name) -> Option<Refusal> {
    is_anyones(suffix).then(|| {
        let message = format!(
            "anyone can have a name below {}, and {} allows it",
            quote(suffix.as_str()),
            quote(&rule.text)
        );
        (
            message,
            "name the hosts, or a suffix that belongs to one owner".into(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{HostPattern, List};

    fn rule(text: &str) -> Rule {
        HostPattern::parse(text, List::Allow)
            .unwrap()
            .rule(List::Allow, "test".into())
    }

    #[test]
    fn wildcards_below_what_anyone_can_register() {
        for (text, told) in [
            ("*.com", true),
            ("*.github.io", true),
            ("*.CO.UK.", true),
            ("*.internal", false),
            ("*.github.com", false),
            ("github.io", false),
        ] {
            assert_eq!(!remarks(&rule(text)).is_empty(), told, "{text}");
        }
        assert!(
            ANYONES
                .iter()
                .all(|suffix| Name::parse(suffix).is_ok_and(|name| name.as_str() == *suffix))
        );
    }

    #[test]
    fn international_names_are_told_in_both_forms() {
        for text in ["bücher.de", "xn--bcher-kva.de", "*.BÜCHER.de"] {
            let (message, _) = &remarks(&rule(text))[0];
            assert!(
                message.contains("\"bücher.de\" is \"xn--bcher-kva.de\" in DNS"),
                "{message}"
            );
        }
        // All Cyrillic, so no mixture, and it looks like another name.
        let (message, _) = &remarks(&rule("аррӏе.com"))[0];
        assert!(message.contains("xn--80ak6aa92e.com"), "{message}");
        assert_eq!(remarks(&rule("example.com")), []);
    }

    #[test]
    fn machine_credentials_and_whole_internets_are_told() {
        for text in ["169.254.169.254", "[fd00:ec2::/64]:80"] {
            assert_eq!(warnings(&rule(text)).len(), 1, "{text}");
        }
        assert_eq!(warnings(&rule("169.254.0.0/16")), []);
        assert_eq!(warnings(&rule("10.0.0.0/8")), []);
        assert!(!remarks(&rule("0.0.0.0/0:22")).is_empty() && remarks(&rule("10.0.0.0/8")).is_empty());
    }
}
