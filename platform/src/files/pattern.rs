//! One line of .gitignore syntax (gitignore(5)), and what it says about folders above its matches.

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder, Glob};
use std::path::{Path, PathBuf};

/// A pattern, and the line that it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub text: String,
    /// Where it was written, or for a built-in one why it is there.
    pub reason: String,
}

impl Pattern {
    /// Reads one line.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence: it matches nothing, or is no glob.
    pub fn parse(text: &str, reason: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('!').unwrap_or(text);
        let mut parts = bare.split('/').filter(|part| !part.is_empty()).peekable();
        let nothing = parts.peek().is_none() || text.starts_with('#') || text.trim_end() != text;
        if nothing {
            return Err("matches nothing".into());
        }
        if parts.any(|part| part == "." || part == "..") {
            return Err("holds \".\" or \"..\", and matches nothing".into());
        }
        let pattern = Pattern {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        let one = std::slice::from_ref(&pattern);
        if let Err(why) = Matcher::new(one) {
            return Err(format!("is no pattern: {why}"));
        }
        match Matcher::of_ways(one, |_| true) {
            Ok(_) => Ok(pattern),
            Err(_) => Err("has a slash within {…} or behind a backslash, where none can be".into()),
        }
    }

    /// The folders on the way to what this pattern may match: its text cut before each slash. One pattern each.
    fn way(&self) -> impl Iterator<Item = Pattern> + '_ {
        let bare = self.text.strip_prefix('!').unwrap_or(&self.text);
        let anchor = if bare.starts_with("**/") { "" } else { "/" };
        let parts: Vec<&str> = bare.split('/').filter(|part| !part.is_empty()).collect();
        let cuts = 1..parts.len();
        cuts.map(move |cut| Pattern {
            text: format!("{anchor}{}", kept_blank(parts[..cut].join("/"))),
            reason: self.text.clone(),
        })
        .filter(|pattern| pattern.text != "**")
    }
}

/// A line whose last blank counts: gitignore(5) drops it without a backslash before it.
fn kept_blank(line: String) -> String {
    match line.strip_suffix(' ') {
        Some(rest) if !rest.ends_with('\\') => format!("{rest}\\ "),
        _ => line,
    }
}

/// Patterns compiled together: the last one that matches wins.
///
/// Letters match in either case. A folder may not tell cases apart (casefold of ext4, or a disk of another system), and
/// what is excluded by one spelling must not be open by another.
#[derive(Debug, Clone)]
pub struct Matcher(Gitignore);

impl Matcher {
    pub fn new(patterns: &[Pattern]) -> Result<Self, String> {
        let mut builder = GitignoreBuilder::new("");
        builder
            .case_insensitive(true)
            .map_err(|error| error.to_string())?;
        for pattern in patterns {
            let from = PathBuf::from(&pattern.reason);
            builder
                .add_line(Some(from), &pattern.text)
                .map_err(|error| error.to_string())?;
        }
        builder.build().map(Matcher).map_err(|error| error.to_string())
    }

    /// The way to what any of these patterns may match. `only` picks among the patterns' texts.
    pub fn of_ways(patterns: &[Pattern], only: impl Fn(&str) -> bool) -> Result<Self, String> {
        let ways: Vec<Pattern> = patterns
            .iter()
            .flat_map(Pattern::way)
            .filter(|pattern| only(&pattern.text))
            .collect();
        Self::new(&ways)
    }

    /// The pattern that a relative path, or else a folder above it, is matched by; none if that pattern re-includes it.
    pub fn matched(&self, path: &Path, is_folder: bool) -> Option<Pattern> {
        matching(self.decision(path, is_folder))
    }

    /// Whether no pattern matches this very path; a folder above it may be matched.
    pub fn silent(&self, path: &Path, is_folder: bool) -> bool {
        self.0.matched(path, is_folder).is_none()
    }

    /// The pattern that re-includes it.
    pub fn reincluded(&self, path: &Path, is_folder: bool) -> Option<&str> {
        match self.decision(path, is_folder) {
            Match::Whitelist(glob) => Some(glob.original()),
            _ => None,
        }
    }

    fn decision(&self, path: &Path, is_folder: bool) -> Match<&Glob> {
        let mut found = self.0.matched(path, is_folder);
        let mut above = path.parent();
        while let (true, Some(folder)) = (found.is_none(), above) {
            found = self.0.matched(folder, true);
            above = folder.parent();
        }
        found
    }

    /// Of patterns made by [`Matcher::of_ways`]: the pattern whose way the folder is on.
    pub fn leading(&self, path: &Path) -> Option<Pattern> {
        let way = matching(self.0.matched(path, true))?;
        Some(Pattern {
            text: way.reason,
            reason: "what leads there has to stay".into(),
        })
    }
}

fn matching(found: Match<&Glob>) -> Option<Pattern> {
    let Match::Ignore(glob) = found else { return None };
    Some(Pattern {
        text: glob.original().to_owned(),
        reason: glob.from().unwrap_or(Path::new("")).display().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(texts: &[&str]) -> Matcher {
        let patterns: Vec<Pattern> = texts
            .iter()
            .map(|text| Pattern::parse(text, "line").unwrap())
            .collect();
        Matcher::new(&patterns).unwrap()
    }

    #[test]
    fn lines_match_as_git_says() {
        for (texts, path, folder, expected) in [
            (&[".env"][..], ".env", false, true),
            (&[".env"], "a/b/.env", false, true),
            (&[".env"], "a/.env/b", false, true),
            (&["/.env"], "a/.env", false, false),
            (&["a/b"], "a/b", false, true),
            (&["a/b"], "c/a/b", false, false),
            (&["secrets/"], "x/secrets/y", false, true),
            (&["secrets/"], "x/secrets", false, false),
            (&["secrets/"], "x/secrets", true, true),
            (&["*.key"], "a/b.KEY", false, true),
            (&[".Env"], ".eNV", false, true),
            (&["*.key", "!pub.key"], "a/pub.key", false, false),
            (&["!pub.key", "*.key"], "a/pub.key", false, true),
            (&["secrets/", "!secrets/public"], "secrets/public/a", false, false),
            (&["secrets/", "!secrets/public"], "secrets/a", false, true),
            (&["**/.git/hooks/"], ".git/hooks/a", false, true),
            (&["**/.git/hooks/"], "a/b/.git/hooks/a", false, true),
        ] {
            let found = matcher(texts).matched(Path::new(path), folder);
            assert_eq!(found.is_some(), expected, "{texts:?} {path}");
        }
    }

    #[test]
    fn names_need_not_be_utf8() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = std::ffi::OsStr::from_bytes(b"a\xff.key");
        assert!(matcher(&["*.key"]).matched(Path::new(name), false).is_some());
    }

    #[test]
    fn lines_that_match_nothing_are_refused() {
        for text in ["", "/", "#x", "!", "a/../b", "./a", "a "] {
            assert!(Pattern::parse(text, "").is_err(), "{text:?}");
        }
        for text in ["{a", "{a/b,c}", "a\\/b"] {
            assert!(Pattern::parse(text, "").is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_way_ends_before_each_slash() {
        for (text, expected) in [
            (".env", &[][..]),
            ("secrets/", &[]),
            ("a/b/c", &["/a", "/a/b"]),
            ("!/a/*.key", &["/a"]),
            ("**/.git/hooks/", &["**/.git"]),
            ("/a /b", &["/a\\ "]),
        ] {
            let pattern = Pattern::parse(text, "").unwrap();
            let way: Vec<String> = pattern.way().map(|one| one.text).collect();
            assert_eq!(way, expected, "{text}");
        }
    }
}
