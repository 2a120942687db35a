//! Names with letters beyond ASCII: to the form that DNS carries (UTS 46), refused where a reader could take them for
//! another name.

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use mcp_sandbox_platform::net::{Name, NameError};
use mcp_sandbox_platform::quote;
use unicode_security::{RestrictionLevel, RestrictionLevelDetection};

use super::Refusal;
use super::text::refused;

/// The name that a text stands for.
///
/// # Errors
/// Whatever no name has, and letters that stand for other ones or come from scripts that no language mixes.
pub fn name(text: &str, host: &str) -> Result<Name, Refusal> {
    if host
        .split('.')
        .any(|label| label.starts_with('-') || label.ends_with('-'))
    {
        return Err(refused(text, "a part of it starts or ends with a hyphen", HINT));
    }
    let plain = host.is_ascii() && !host.to_ascii_lowercase().contains("xn--");
    let ascii = match plain {
        true => host.into(),
        false => to_ascii(text, host)?,
    };
    Name::parse(&ascii).map_err(|error| refused(text, &error.to_string(), hint(&error)))
}

/// The name as its readers know it, where that differs.
pub fn unicode(name: &Name) -> Option<String> {
    let (shown, valid) =
        Uts46::new().to_unicode(name.as_str().as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
    (valid.is_ok() && shown != name.as_str()).then(|| shown.into_owned())
}

const HINT: &str = "write a name such as \"api.github.com\"";

fn hint(error: &NameError) -> &'static str {
    match error {
        NameError::Number(_) => {
            "write an IPv4 address as four decimal numbers from 0 to 255 without zeros in front, such as \"10.1.2.3\""
        }
        NameError::EmptyLabel => "write single dots, and none or one at the end",
        NameError::Character('*') => "a * stands only as the whole first part, as in \"*.example.com\"",
        NameError::Character('/') => "write the host alone, without a path",
        NameError::Character(',') => "write each host as an entry of its own",
        NameError::Character(_) => "names are made of letters, digits, hyphens and dots",
        _ => HINT,
    }
}

fn to_ascii(text: &str, host: &str) -> Result<String, Refusal> {
    const PUNYCODE: &str = "if it is really meant, write the form that DNS carries, which starts with xn--";
    let converted = Uts46::new().to_ascii(
        host.as_bytes(),
        // What is not a letter, digit, hyphen or underscore is refused with its own words after this.
        AsciiDenyList::EMPTY,
        Hyphens::CheckFirstLast,
        DnsLength::Ignore,
    );
    let Ok(ascii) = converted else {
        let why = "it is no valid international name (UTS 46)";
        return Err(refused(text, why, "look for letters that do not belong there"));
    };
    if !host.is_ascii() {
        if stands_for_another(host, &ascii) {
            let hint = format!("if {} is meant, write that", quote(ascii.as_ref()));
            return Err(refused(text, "it has characters that stand for other ones", hint));
        }
        let mut international = host.split('.').filter(|label| !label.is_ascii());
        if let Some(label) = international.find(|label| mixes_scripts(label)) {
            let why = format!("{} mixes scripts or has signs that are no letters", quote(label));
            return Err(refused(
                text,
                &why,
                format!("{PUNYCODE}: {}", quote(ascii.as_ref())),
            ));
        }
    }
    Ok(ascii.into_owned())
}

/// Full-width letters, ligatures, other dots, soft hyphens: UTS 46 reads them as something that looks different. Only
/// the difference of upper and lower case is taken.
fn stands_for_another(host: &str, ascii: &str) -> bool {
    let lowered_to_ascii = |c: char| !c.is_ascii() && c.to_lowercase().any(|lower| lower.is_ascii());
    let (unicode, _) = Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
    host.contains(lowered_to_ascii) || unicode != host.to_lowercase()
}

/// Below "highly restrictive" of UTS 39: more than one script, but for those that Chinese, Japanese and Korean mix.
fn mixes_scripts(label: &str) -> bool {
    !label
        .to_lowercase()
        .check_restriction_level(RestrictionLevel::HighlyRestrictive)
}
