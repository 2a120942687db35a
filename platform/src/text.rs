//! Text that reaches a terminal: whatever comes from outside is quoted and its control characters escaped.

use std::ffi::OsStr;
use std::fmt::Write as _;

/// Puts `text` between double quotes, with control characters, quotes, backslashes and the Unicode
/// format characters that reorder or hide text (bidirectional marks, zero-width, tags) escaped.
/// Bytes that are not UTF-8 become `\xNN`.
pub fn quote(text: impl AsRef<OsStr>) -> String {
    let mut out = String::from('"');
    for chunk in text.as_ref().as_encoded_bytes().utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_escaped(&mut out, c));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        c if c.is_control() || hides(c) => out.extend(c.escape_unicode()),
        c => out.push(c),
    }
}

/// Characters that change what a reader sees without being seen (Unicode TR36, "Trojan Source").
fn hides(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{feff}' | '\u{e0000}'..='\u{e007f}' | '\u{61c}' | '\u{180e}' | '\u{ad}')
}

#[cfg(test)]
mod tests {
    use super::quote;
    use std::ffi::OsStr;

    #[test]
    fn plain_text_is_only_quoted() {
        assert_eq!(quote("/home/a b/ü"), "\"/home/a b/ü\"");
    }

    #[test]
    fn control_and_hiding_characters_are_escaped() {
        assert_eq!(quote("a\x1b[31m\u{202e}\"\n"), r#""a\u{1b}[31m\u{202e}\"\n""#);
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_not_utf8_are_shown() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(quote(OsStr::from_bytes(b"a\xffb")), r#""a\xffb""#);
    }
}
