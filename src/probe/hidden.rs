//! Characters that a model reads and a person does not see.

/// A kind of hidden character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hidden {
    /// U+E0000 to U+E007F spell ASCII that nothing shows (Unicode, section 23.9).
    Tag,
    /// Variation selectors 17 to 256, which can carry any byte.
    Selector,
    /// Marks that change the order in which text is shown (UAX 9).
    Bidi,
    /// The start of an escape sequence of a terminal (ECMA-48).
    Escape,
    /// Characters without width (UAX 44, Default_Ignorable_Code_Point).
    ZeroWidth,
    /// Other control characters than tabulator and line ends.
    Control,
}

/// How often a kind occurs in a text, and the first few by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: Hidden,
    pub count: usize,
    /// Such as `U+200B`, each once.
    pub characters: Vec<String>,
}

/// The characters that are named in a finding.
const MOST: usize = 4;

impl Hidden {
    pub fn words(self) -> &'static str {
        match self {
            Hidden::Tag => "tag characters, which spell text that nothing shows",
            Hidden::Selector => "variation selectors, which can carry hidden bytes",
            Hidden::Bidi => "marks that change the order in which text is shown",
            Hidden::Escape => "escape sequences of terminals",
            Hidden::ZeroWidth => "characters without width",
            Hidden::Control => "control characters",
        }
    }

    /// The kind of a character, given the one before it.
    fn of(c: char, before: Option<char>) -> Option<Self> {
        Some(match c {
            '\t' | '\n' | '\r' => return None,
            '\u{1b}' | '\u{9b}' => Hidden::Escape,
            '\u{e0000}'..='\u{e007f}' => Hidden::Tag,
            '\u{e0100}'..='\u{e01ef}' => Hidden::Selector,
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => {
                Hidden::Bidi
            }
            // Emoji are joined by it.
            '\u{200d}' if before.is_some_and(is_pictogram) => return None,
            '\u{200b}'..='\u{200d}'
            | '\u{2060}'..='\u{2064}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{1d173}'..='\u{1d17a}' => Hidden::ZeroWidth,
            c if c.is_control() => Hidden::Control,
            _ => return None,
        })
    }
}

fn is_pictogram(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{2bff}' | '\u{fe0f}' | '\u{1f000}'..='\u{1faff}')
}

/// What is hidden in a text, the worst kind first.
pub fn hidden(text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut before = None;
    let mut flag = false;
    for c in text.chars() {
        // The flags of regions are spelled with tags behind a black flag (UTS 51, ED-14a).
        flag = c == '\u{1f3f4}' || (flag && ('\u{e0020}'..='\u{e007f}').contains(&c));
        if let Some(kind) = Hidden::of(c, before).filter(|kind| !(flag && *kind == Hidden::Tag)) {
            let name = format!("U+{:04X}", u32::from(c));
            let at = found.iter().position(|one| one.kind == kind).unwrap_or_else(|| {
                let characters = Vec::new();
                found.push(Found {
                    kind,
                    count: 0,
                    characters,
                });
                found.len() - 1
            });
            found[at].count += 1;
            if found[at].characters.len() < MOST && !found[at].characters.contains(&name) {
                found[at].characters.push(name);
            }
        }
        before = Some(c);
    }
    found.sort_by_key(|one| one.kind);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_and_counted() {
        for (text, kind) in [
            ("a\u{e0041}\u{e0042}", Hidden::Tag),
            ("a\u{e0100}", Hidden::Selector),
            ("a\u{202e}b", Hidden::Bidi),
            ("\u{1b}[31mred", Hidden::Escape),
            ("a\u{200b}b\u{200d}c\u{feff}", Hidden::ZeroWidth),
            ("a\u{8}", Hidden::Control),
        ] {
            let found = hidden(text);
            assert_eq!(
                found.iter().map(|one| one.kind).collect::<Vec<_>>(),
                [kind],
                "{text:?}"
            );
        }
        let found = &hidden("\u{200b}\u{200b}\u{200c}")[0];
        assert_eq!(
            (found.count, found.characters.join(" ")),
            (3, "U+200B U+200C".into())
        );
    }

    #[test]
    fn what_people_write_is_not_hidden() {
        for text in [
            "line\n\ttab\r\n",
            "grüße 你好 שלום",
            "\u{1f468}\u{200d}\u{1f469}",
            "\u{2764}\u{fe0f}",
            "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        ] {
            assert_eq!(hidden(text), [], "{text:?}");
        }
        // A flag does not open the door for what comes later.
        assert_eq!(hidden("\u{1f3f4}x\u{e0041}").len(), 1);
    }
}
