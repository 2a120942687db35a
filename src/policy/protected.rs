//! Files that other programs execute or trust, and that a server may not change in a writable mount unless the profile
//! names them. The list is data: `protected.txt`.

use mcp_sandbox_platform::files::Pattern;
use mcp_sandbox_platform::quote;

use crate::profile::Located;

const TEXT: &str = include_str!("protected.txt");

/// All patterns but those that are named in `writable_sensitive`.
pub fn patterns(writable: &[Located<String>]) -> Vec<Pattern> {
    // What re-includes some of a pattern's matches goes with it.
    let of = |name: &str, text: &str| match text.strip_prefix('!') {
        None => covers(name, short(text)),
        Some(rest) => match rest.strip_suffix("/**") {
            Some(folder) => covers(name, short(folder)),
            None => rest.rsplit('/').next() == Some(name),
        },
    };
    let named = |pattern: &Pattern| writable.iter().any(|name| of(&name.value, &pattern.text));
    built_in().filter(|pattern| !named(pattern)).collect()
}

/// A name in `writable_sensitive`: a pattern as messages tell it, with or without the marks of its ends, or a folder that
/// patterns are about.
///
/// # Errors
/// There is no such pattern.
pub fn name(text: &str) -> Result<String, (String, String)> {
    let names: Vec<String> = built_in()
        .filter(|pattern| !pattern.text.starts_with('!'))
        .map(|pattern| short(&pattern.text).to_owned())
        .collect();
    let wanted = short(text);
    if !wanted.is_empty() && names.iter().any(|name| covers(wanted, name)) {
        return Ok(wanted.to_owned());
    }
    let near = crate::profile::did_you_mean(wanted, names.iter().map(String::as_str));
    let message = format!("{} is no file that is protected", quote(text));
    let hint = format!("{near}`mcp-sandbox why PATH` tells by which name a file is, such as \".git/hooks\"");
    Err((message, hint))
}

/// A name means its own pattern and those below the folder of that name.
fn covers(name: &str, pattern: &str) -> bool {
    let rest = pattern.strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn short(text: &str) -> &str {
    text.trim_start_matches("**/").trim_matches('/')
}

fn built_in() -> impl Iterator<Item = Pattern> {
    let lines = TEXT
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let (text, reason) = line.split_once("  ").unwrap_or((line, ""));
        Pattern {
            text: text.to_owned(),
            reason: reason.to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_line_is_a_pattern_with_a_reason() {
        let mut seen = BTreeSet::new();
        for pattern in built_in() {
            Pattern::parse(&pattern.text, "").unwrap();
            let depth = pattern.text.trim_start_matches('!').starts_with("**/");
            assert!(depth, "{} holds at any depth", pattern.text);
            let reincludes = pattern.text.starts_with('!');
            assert_eq!(reincludes, pattern.reason.is_empty(), "{}", pattern.text);
            assert!(seen.insert(pattern.text));
        }
    }

    #[test]
    fn names_have_a_short_form() {
        for text in [".git/hooks", ".git/hooks/", "**/.git/hooks/"] {
            assert_eq!(name(text).unwrap(), ".git/hooks");
        }
        assert_eq!(name(".git").unwrap(), ".git");
        assert!(name("").is_err() && name("**/").is_err());
        assert!(name(".git/hook").unwrap_err().1.contains(".git/hooks"));
        let all = patterns(&[]).len();
        let git = crate::profile::Origin::flag("test").at(name(".git").unwrap());
        let left = patterns(&[git]);
        assert!(left.iter().all(|pattern| !pattern.text.starts_with("**/.git/")));
        assert!(left.iter().any(|pattern| pattern.text == "!**/.git/HEAD"));
        let one = crate::profile::Origin::flag("test").at(name(".envrc").unwrap());
        assert_eq!(patterns(&[one]).len(), all - 1);
        let one = crate::profile::Origin::flag("test").at(name("HEAD").unwrap());
        assert_eq!(patterns(&[one]).len(), all - 3);
    }
}
