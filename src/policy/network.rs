//! From the hosts of a profile and of `--allow` to the rules of this run.

use mcp_sandbox_platform::net::{Dns, Rule};
use mcp_sandbox_platform::{Network, quote};

use crate::error::Diagnostic;
use crate::net::{self, HostPattern, List, Refusal};
use crate::profile::{Located, Profile};

/// The network of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub network: Network,
    /// Rules that give what a person should hear of at every run.
    pub warnings: Vec<Diagnostic>,
    /// Rules that may mean more than their writer thinks.
    pub remarks: Vec<Diagnostic>,
}

/// Resolves what the profile and the flags allow and block.
///
/// # Errors
/// Every name that is allowed and could never resolve, each at its own place.
pub fn resolve(profile: &Profile) -> Result<Resolved, Vec<Diagnostic>> {
    let found = without_dns(profile);
    if !found.is_empty() {
        return Err(found);
    }
    let allow = rules(&profile.allow, List::Allow);
    let told = |lint: fn(&Rule) -> Vec<Refusal>| -> Vec<Diagnostic> {
        let all = profile.allow.iter().zip(&allow);
        all.flat_map(|(given, rule)| {
            let at = |(message, hint)| given.origin.diagnostic(message, hint);
            lint(rule).into_iter().map(at)
        })
        .collect()
    };
    let (warnings, remarks) = (told(net::warnings), told(net::remarks));
    let network = Network {
        allow,
        block: rules(&profile.block, List::Block),
        dns: profile.dns.value,
        inspect: profile.inspect.value,
    };
    Ok(Resolved {
        network,
        warnings,
        remarks,
    })
}

fn rules(patterns: &[Located<HostPattern>], list: List) -> Vec<Rule> {
    let rule = |given: &Located<HostPattern>| given.value.rule(list, given.origin.to_string());
    patterns.iter().map(rule).collect()
}

/// A rule that cannot do what it says is a mistake.
fn without_dns(profile: &Profile) -> Vec<Diagnostic> {
    let off = profile.dns.value == Dns::Off;
    let names = profile
        .allow
        .iter()
        .filter(|given| off && given.value.host.is_name());
    names
        .map(|given| {
            let message = format!(
                "{} is a name, and dns = \"off\" ({}) lets no name resolve",
                quote(&given.value.text),
                profile.dns.origin
            );
            let hint = "allow its addresses, or drop dns = \"off\"";
            given.origin.diagnostic(message, hint)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mcp_sandbox_platform::net::{Name, Verdict};

    use super::*;
    use crate::profile::{Flags, Source, load, merge};

    fn resolved(text: &str, flags: &[&str]) -> Result<Resolved, String> {
        let source = Arc::new(Source {
            name: "p.toml".into(),
            file: None,
        });
        let raw = load::load(format!("version = 1\n[network]\n{text}").as_bytes(), &source).unwrap();
        let flags = Flags {
            allow: flags.iter().map(|text| (*text).to_owned()).collect(),
            ..Flags::default()
        };
        let profile = merge::merge("p", vec![raw], None, &flags).unwrap();
        resolve(&profile).map_err(|found| found.iter().map(Diagnostic::to_string).collect())
    }

    #[test]
    fn rules_keep_their_text_and_tell_their_line() {
        let text = "allow = [\"A.com\",\n\"10.1.2.0/24:5432\"]\nblock = [\"c.com\"]";
        let network = resolved(text, &["d.com:22"]).unwrap().network;
        let told = |rules: &[Rule]| -> Vec<String> {
            let one = |rule: &Rule| format!("{} {} {} {}", rule.host, rule.ports, rule.text, rule.reason);
            rules.iter().map(one).collect()
        };
        assert_eq!(
            told(&network.allow),
            [
                "a.com 80,443 A.com p.toml:3",
                "10.1.2.0/24 5432 10.1.2.0/24:5432 p.toml:4",
                "d.com 22 d.com:22 --allow",
            ]
        );
        assert_eq!(told(&network.block), ["c.com 1-65535 c.com p.toml:5"]);
        let name = Name::parse("a.com").unwrap();
        assert_eq!(
            network.judge_name(&name, 443),
            Verdict::Allowed(&network.allow[0])
        );
    }

    #[test]
    fn nothing_written_is_nothing_allowed() {
        for text in ["", "allow = []", "block = [\"a.com\"]"] {
            assert!(resolved(text, &[]).unwrap().network.is_empty(), "{text}");
        }
    }

    #[test]
    fn names_without_name_resolution_are_refused_each_at_its_place() {
        let text = "dns = \"off\"\nallow = [\"a.com\", \"10.0.0.1\", \"*.b.com\", \"localhost:1\"]";
        let error = resolved(text, &["c.com"]).unwrap_err();
        for part in [
            "p.toml:4:10: error: \"a.com\" is a name, and dns = \"off\" (p.toml:3) lets no name resolve",
            "p.toml:4:31: error: \"*.b.com\"",
            "--allow: error: \"c.com\"",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert_eq!(error.matches("error: ").count(), 3, "{error}");
        assert!(resolved(&text.replace("\"a.com\", ", "").replace("\"*.b.com\", ", ""), &[]).is_ok());
    }

    #[test]
    fn what_a_person_should_hear_stands_at_its_place() {
        let text = "allow = [\"169.254.169.254\", \"*.com\", \"a.com\"]\nblock = [\"*.com\"]";
        let resolved = resolved(text, &["bücher.de"]).unwrap();
        let lines = |told: &[Diagnostic]| -> Vec<String> { told.iter().map(Diagnostic::warning).collect() };
        let (warnings, remarks) = (lines(&resolved.warnings), lines(&resolved.remarks));
        assert_eq!(
            (warnings.len(), remarks.len()),
            (1, 2),
            "{warnings:?} {remarks:?}"
        );
        assert!(
            warnings[0].starts_with("p.toml:3:10: warning: \"169.254.169.254\" gives the server metadata")
        );
        assert!(remarks[0].starts_with("p.toml:3:29: warning: anyone can have a name below \"com\""));
        assert!(remarks[1].starts_with("--allow: warning: \"bücher.de\" is \"xn--bcher-kva.de\""));
    }
}
