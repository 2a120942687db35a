use super::*;

fn parse(format: Format, text: &str) -> Document {
    Document::parse(format, text).unwrap()
}

/// The text of the value behind these keys.
fn raw<'d>(doc: &'d Document, keys: &[&str]) -> &'d str {
    let mut node = &doc.root;
    for key in keys {
        node = node.get(key).unwrap_or_else(|| panic!("{key}"));
    }
    doc.raw(&node.span)
}

#[test]
fn values_have_their_bytes_in_every_format() {
    let doc = parse(
        Format::Json,
        "\u{feff}{ // ü\r\n\t\"a\": {\"b\": \"ü\\u0041\" /* x */, \"c\": [1, null,]}}",
    );
    assert_eq!(raw(&doc, &["a", "b"]), "\"ü\\u0041\"");
    assert_eq!(raw(&doc, &["a", "c"]), "[1, null,]");
    assert_eq!(doc.root.get("a").unwrap().get("b").unwrap().str(), Some("üA"));

    let doc = parse(
        Format::Toml,
        "\u{feff}# ü\r\n[a]\r\nb = 'ü' # x\r\nc = [ 1,\r\n 2 ]\r\nd.e = {f=true}\r\n",
    );
    assert_eq!(raw(&doc, &["a", "b"]), "'ü'");
    assert_eq!(raw(&doc, &["a", "c"]), "[ 1,\r\n 2 ]");
    assert_eq!(raw(&doc, &["a", "d", "e", "f"]), "true");

    let yaml = "\u{feff}# ü\r\na:\r\n  b: ü x   # y\r\n  c: \"ü\\\"x\"   # \"y\"\r\n  'd''e' : 'f''g' # '\r\n  h: [1, \"2\" ]\r\n";
    let doc = parse(Format::Yaml, yaml);
    assert_eq!(raw(&doc, &["a", "b"]), "ü x");
    assert_eq!(raw(&doc, &["a", "c"]), "\"ü\\\"x\"");
    assert_eq!(raw(&doc, &["a", "d'e"]), "'f''g'");
    assert_eq!(raw(&doc, &["a", "h"]), "[1, \"2\" ]");
    let key = &doc.root.get("a").unwrap().entries()[2];
    assert_eq!(doc.raw(&key.key_span), "'d''e'");
}

#[test]
fn what_is_malformed_has_a_place() {
    for (format, text, place) in [
        (Format::Json, "{\n  \"ü\": x\n}", (2, 8)),
        (Format::Json, "\u{feff}x", (1, 1)),
        (Format::Toml, "a = 1\nb = \n", (2, 5)),
        (Format::Yaml, "ü: 1\nb: [\n", (3, 1)),
    ] {
        let malformed = Document::parse(format, text).unwrap_err();
        assert_eq!(malformed.place, Some(place), "{text:?}: {malformed:?}");
    }
    let binary = Document::parse(Format::Json, b"{\xff}".to_vec()).unwrap_err();
    assert_eq!(binary.message, "byte 2 is not UTF-8");
}

#[test]
fn what_is_nested_deeply_is_refused_and_does_no_harm() {
    let json = "[".repeat(100_000);
    let yaml = "- ".repeat(100_000);
    let flow = "{a: ".repeat(100_000);
    let toml = format!("a = {}", "[".repeat(100_000));
    for (format, text) in [
        (Format::Json, json),
        (Format::Yaml, yaml),
        (Format::Yaml, flow),
        (Format::Toml, toml),
    ] {
        assert!(Document::parse(format, text).is_err());
    }
}

#[test]
fn a_quoted_text_is_read_alike_everywhere() {
    let text = "a\"b\\c\u{7f}\u{85}\u{2028}\u{feff}\t\n\u{1}ü";
    let word = quoted(text);
    for (format, file) in [
        (Format::Json, format!("{{\"k\": {word}}}")),
        (Format::Toml, format!("k = {word}")),
        (Format::Yaml, format!("k: {word}")),
    ] {
        assert_eq!(
            parse(format, &file).root.get("k").unwrap().str(),
            Some(text),
            "{format:?}"
        );
    }
}

#[test]
fn splices_leave_the_rest_alone() {
    let doc = parse(Format::Json, "{\"a\": 1, \"b\": 2}");
    let splice = |at: Range<usize>, with: &str| Splice {
        at,
        with: with.into(),
    };
    assert_eq!(
        doc.spliced(&[splice(14..15, "20"), splice(6..7, ""), splice(6..6, "x")]),
        "{\"a\": x, \"b\": 20}"
    );
    assert_eq!(doc.spliced(&[]), doc.text);
}
