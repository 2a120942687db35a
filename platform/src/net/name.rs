//! DNS names in one spelling, so that equal names are equal text.

use std::fmt;

use crate::quote;

/// A name as DNS queries carry it (RFC 1035 2.3.4): lower-case ASCII without the dot at the end, at most 253 bytes, its
/// labels 1 to 63 of letters, digits, `-` and `_`. Never something that a program reads as an IPv4 address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// What keeps a text from being a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    Empty,
    /// More than 253 bytes.
    TooLong,
    /// Two dots side by side, or one at the start.
    EmptyLabel,
    /// More than 63 bytes in one label.
    LabelTooLong(String),
    Character(char),
    /// The last label is a number, so inet_aton(3) and URL parsers read the whole as an IPv4 address.
    Number(String),
}

impl Name {
    /// The longest name, RFC 1035 less the length byte of the root.
    const MOST_BYTES: usize = 253;
    /// The longest label, RFC 1035.
    const MOST_LABEL_BYTES: usize = 63;

    /// Lower-cases ASCII and drops one dot at the end; anything else that is not canonical is refused.
    ///
    /// # Errors
    /// The first thing that no name has.
    pub fn parse(text: &str) -> Result<Name, NameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(odd) = text.chars().find(|c| !is_of_a_name(*c)) {
            return Err(NameError::Character(odd));
        }
        if text.split('.').any(str::is_empty) {
            return Err(NameError::EmptyLabel);
        }
        if let Some(long) = text.split('.').find(|label| label.len() > Self::MOST_LABEL_BYTES) {
            return Err(NameError::LabelTooLong(long.to_owned()));
        }
        if text.len() > Self::MOST_BYTES {
            return Err(NameError::TooLong);
        }
        let text = text.to_ascii_lowercase();
        match text.rsplit('.').next().filter(|last| is_number(last)) {
            Some(last) => Err(NameError::Number(last.to_owned())),
            None => Ok(Name(text)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this name lies below `suffix`, at any depth; no name lies below itself.
    pub fn is_below(&self, suffix: &Name) -> bool {
        self.0
            .strip_suffix(suffix.as_str())
            .is_some_and(|front| front.ends_with('.'))
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// A last label that makes the whole an IPv4 address (URL Standard, "ends in a number").
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("it is empty"),
            NameError::TooLong => f.write_str("it is longer than 253 bytes"),
            NameError::EmptyLabel => f.write_str("it has an empty part between dots"),
            NameError::LabelTooLong(label) => {
                write!(f, "its part {} is longer than 63 bytes", quote(label))
            }
            NameError::Character(c) => write!(f, "it holds {}", quote(c.to_string())),
            NameError::Number(last) => {
                write!(
                    f,
                    "it ends in the number {}, so programs read it as an IPv4 address",
                    quote(last)
                )
            }
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Name, NameError};

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn case_and_one_dot_at_the_end_make_no_difference() {
        for text in [
            "api.github.com",
            "API.GitHub.com",
            "api.github.com.",
            "_sip._tcp.x",
            "a--b",
            "com",
            "3com",
        ] {
            assert_eq!(name(text).as_str(), text.to_lowercase().trim_end_matches('.'));
        }
        assert_eq!(name("1.2.3.4a").as_str(), "1.2.3.4a");
        assert_eq!(name("0x.example").as_str(), "0x.example");
        assert_eq!(name("0xg").as_str(), "0xg");
    }

    #[test]
    fn what_is_no_name_is_told() {
        let long = "a".repeat(64);
        let longest = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        assert_eq!(name(&longest).as_str().len(), 253);
        let cases: &[(&str, NameError)] = &[
            ("", NameError::Empty),
            (".", NameError::Empty),
            ("..", NameError::EmptyLabel),
            ("a..", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("a..b", NameError::EmptyLabel),
            (&long, NameError::LabelTooLong(long.clone())),
            (&format!("{longest}d"), NameError::TooLong),
            ("a\0b", NameError::Character('\0')),
            ("a b", NameError::Character(' ')),
            ("a\r\n", NameError::Character('\r')),
            ("*.a", NameError::Character('*')),
            ("ü.de", NameError::Character('ü')),
            ("a\u{212a}", NameError::Character('\u{212a}')),
            ("a。b", NameError::Character('。')),
            ("user@a", NameError::Character('@')),
            ("a\\.b", NameError::Character('\\')),
            ("::1", NameError::Character(':')),
            ("127.0.0.1", NameError::Number("1".into())),
            ("127.1", NameError::Number("1".into())),
            ("2130706433", NameError::Number("2130706433".into())),
            ("0177.0.0.1.", NameError::Number("1".into())),
            ("0x7f000001", NameError::Number("0x7f000001".into())),
            ("127.0.0.0X1", NameError::Number("0x1".into())),
            ("127.0x", NameError::Number("0x".into())),
            ("a.08", NameError::Number("08".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(Name::parse(text).as_ref(), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn below_is_at_any_depth_and_never_the_name_itself() {
        let suffix = name("example.com");
        for below in ["a.example.com", "A.B.example.com."] {
            assert!(name(below).is_below(&suffix), "{below}");
        }
        for other in [
            "example.com",
            "notexample.com",
            "example.com.evil.net",
            "com",
            "a.example.co",
        ] {
            assert!(!name(other).is_below(&suffix), "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_canonical(text in "\\PC{0,40}|[a-zA-Z0-9._-]{0,20}|([a-z0-9]{1,5}\\.){0,4}[0-9x]{1,4}") {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(&Name::parse(name.as_str()).unwrap(), &name);
                prop_assert_eq!(&Name::parse(&text.to_ascii_uppercase()).unwrap(), &name);
                prop_assert!(name.as_str().parse::<std::net::IpAddr>().is_err());
                prop_assert!(!name.is_below(&name));
                let lower = text.to_ascii_lowercase();
                prop_assert_eq!(name.as_str(), lower.strip_suffix('.').unwrap_or(&lower));
            }
        }
    }
}
