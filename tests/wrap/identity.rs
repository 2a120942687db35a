//! Wrap, then unwrap, is the identity: on real-looking files, and on what random changes make of them.

use std::fs;
use std::path::{Path, PathBuf};

use mcp_sandbox::cli::PolicyArgs;
use mcp_sandbox::clients::definition::{Definition, Start};
use mcp_sandbox::clients::{find, named};
use mcp_sandbox::host::Facts;
use mcp_sandbox::wrap::plan::{self, Action, FilePlan, Wish};
use mcp_sandbox::wrap::survey::{self, Content, Kind};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

const OWN: &str = "/opt/mcp-sandbox/bin/mcp-sandbox";

/// The files, whose they are, and how many servers in them can be boxed.
const CORPUS: [(&str, &str, usize); 18] = [
    ("braces.json", "cursor", 0),
    ("claude-code.json", "claude-code", 3),
    ("claude-desktop.json", "claude-desktop", 3),
    ("codex.toml", "codex", 7),
    ("continue.yaml", "continue", 3),
    ("crlf-tabs.jsonc", "vscode", 2),
    ("duplicates.json", "cursor", 3),
    ("empty.json", "cursor", 0),
    ("empty.toml", "codex", 0),
    ("empty.yaml", "goose", 0),
    ("goose.yaml", "goose", 8),
    ("minified.json", "windsurf", 3),
    ("none.json", "gemini", 0),
    ("opencode.jsonc", "opencode", 2),
    ("remark.jsonc", "kiro", 0),
    ("vibe.toml", "vibe", 2),
    ("vscode.jsonc", "vscode", 6),
    ("zed.jsonc", "zed", 2),
];

/// One place to write files to, and the facts of a user who has nothing.
struct Desk {
    folder: tempfile::TempDir,
    facts: Facts,
    policy: PolicyArgs,
}

/// What came of a file.
#[derive(Debug)]
struct Trip {
    boxed: usize,
    /// Servers that have a command and were left all the same.
    left: usize,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut facts = Facts::gather().unwrap();
        facts.profile.home = folder.path().to_owned();
        facts.profile.config_dir = folder.path().join("config");
        facts.profile.state_dir = folder.path().join("state");
        let policy = PolicyArgs {
            profile: Some("default".into()),
            context: None,
            read: Vec::new(),
            write: Vec::new(),
            allow: Vec::new(),
            env: Vec::new(),
            cwd: None,
        };
        Desk {
            folder,
            facts,
            policy,
        }
    }

    fn file(&self, name: &str, client: &str, text: &[u8]) -> Option<(find::FoundFile, Content)> {
        let path: PathBuf = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        let file = find::file(named(client).unwrap(), path).unwrap();
        let content = survey::read(&file, Path::new(OWN)).ok()?;
        Some((file, content))
    }

    fn wrap(&self, name: &str, client: &str, text: &[u8]) -> Option<FilePlan> {
        let (file, content) = self.file(name, client, text)?;
        let wish = Wish {
            own: OWN,
            servers: &[],
            policy: &self.policy,
            project: self.folder.path(),
            facts: &self.facts,
        };
        Some(plan::wrap(file, content, Vec::new(), &wish).unwrap())
    }

    /// Boxes and unboxes a file, and checks all that must hold; none if it does not parse.
    fn trip(&self, name: &str, client: &str, text: &[u8]) -> Option<Trip> {
        let (_, content) = self.file(name, client, text)?;
        let open = content
            .servers
            .iter()
            .filter(|seen| matches!(seen.kind, Kind::Open { .. }))
            .count();
        let commands = commands(&content);
        let plan = self.wrap(name, client, text)?;
        let boxed = plan
            .rows
            .iter()
            .filter(|row| matches!(row.action, Action::Box { .. }))
            .count();
        let Some(new) = plan.text else {
            assert_eq!(boxed, 0);
            return Some(Trip { boxed, left: open });
        };
        let new = new.into_bytes();
        let again = self.wrap(name, client, &new).expect("what we write parses");
        if boxed == open {
            assert_eq!(again.text, None, "a second time changes nothing");
        }

        let (file, content) = self.file(name, client, &new)?;
        let back = plan::unwrap(file, content, plan.records, &[]);
        let text_back = back.text.expect("what was boxed is unboxed");
        assert_eq!(text_back.as_bytes(), text, "byte for byte");
        assert!(
            !back
                .rows
                .iter()
                .any(|row| row.action == Action::Unbox { exact: false })
        );

        // The same without our records: other bytes perhaps, and the same commands.
        let (file, content) = self.file(name, client, &new)?;
        let back = plan::unwrap(file, content, Vec::new(), &[])
            .text
            .expect("unboxed without a record");
        let (_, content) = self
            .file(name, client, back.as_bytes())
            .expect("what we write parses");
        assert_eq!(self::commands(&content), commands, "{back}");
        Some(Trip {
            boxed,
            left: open - boxed,
        })
    }
}

fn commands(content: &Content) -> Vec<Option<Vec<String>>> {
    let servers = content.servers.iter();
    servers
        .map(
            |seen| match Definition::read(&content.doc, &seen.server.trail).start {
                Start::Command(launch) => Some(launch.argv()),
                _ => None,
            },
        )
        .collect()
}

fn corpus() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrap/corpus");
    CORPUS
        .iter()
        .map(|(name, client, _)| (*name, *client, fs::read(folder.join(name)).unwrap()))
        .collect()
}

#[test]
fn every_file_of_the_corpus_comes_back() {
    let desk = Desk::new();
    for ((name, client, text), (_, _, expected)) in corpus().into_iter().zip(CORPUS) {
        let trip = desk
            .trip(name, client, &text)
            .unwrap_or_else(|| panic!("{name} parses"));
        assert_eq!((trip.boxed, trip.left), (expected, 0), "{name}");
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let desk = Desk::new();
    for (name, text) in [
        ("a.json", &b"{\"mcpServers\": {\"a\": {\"command\": \"x\"}}"[..]),
        ("a.json", b"{\"mcpServers\": {}} {}"),
        ("a.json", b"\xff\xfe{\0}\0"),
        ("a.json", b"{\"mcpServers\": {\"a\": {\"command\": \"\xff\"}}}"),
        ("a.toml", b"[mcp_servers.a]\ncommand = \"x\"\n[mcp_servers.a]\n"),
        ("a.yaml", b"extensions:\n  a: {cmd: x\n"),
        ("a.yaml", b"extensions: {}\n---\nextensions: {}\n"),
    ] {
        let client = match name {
            "a.json" => "cursor",
            "a.toml" => "codex",
            _ => "goose",
        };
        assert!(
            desk.file(name, client, text).is_none(),
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn what_stands_in_two_places_is_left() {
    let desk = Desk::new();
    for text in [
        "extensions:\n  a: &a {cmd: mcp-server-time}\n  b: *a\n",
        "extensions:\n  a:\n    cmd: &c mcp-server-time\n  b:\n    cmd: *c\n",
        "x: &args [--local-timezone, UTC]\nextensions:\n  a: {cmd: mcp-server-time, args: *args}\n",
        "base: &base {cmd: mcp-server-time}\nextensions:\n  a:\n    <<: *base\n",
    ] {
        let plan = desk.wrap("a.yaml", "goose", text.as_bytes()).unwrap();
        assert_eq!(plan.text, None, "{text}");
        assert!(
            plan.rows.iter().all(|row| matches!(row.action, Action::Leave(_))),
            "{text}"
        );
    }
    let twice = r#"{"mcpServers": {"a": {"command": "x", "command": "y"}}}"#;
    assert_eq!(
        desk.wrap("a.json", "cursor", twice.as_bytes()).unwrap().text,
        None
    );
}

/// The tokens of JSON, without blanks and remarks.
fn tokens(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b'"' => {
                at += 1;
                while bytes[at] != b'"' {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
                at += 1;
                found.push(&text[start..at]);
            }
            b'/' if bytes[at + 1] == b'/' => at += text[at..].find('\n').unwrap_or(text.len() - at),
            b'/' => at += text[at..].find("*/").unwrap() + 2,
            b'{' | b'}' | b'[' | b']' | b',' | b':' => {
                at += 1;
                found.push(&text[start..at]);
            }
            byte if byte.is_ascii_alphanumeric() || b"+-.".contains(&byte) => {
                while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || b"+-.".contains(&bytes[at])) {
                    at += 1;
                }
                found.push(&text[start..at]);
            }
            _ => at += 1,
        }
    }
    found
}

const GAPS: [&str; 12] = [
    "",
    "",
    "",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\n\n  ",
    "\n      ",
    "/* ] } , \" */",
    "// \"args\": [\n",
    " \t ",
];

/// JSON of the same tokens with other blanks, remarks, and commas at the end.
fn respaced(text: &str, choices: &[u8]) -> String {
    let tokens = tokens(text.trim_start_matches('\u{feff}'));
    let mut out = String::new();
    let mut last = "";
    for (index, token) in tokens.iter().enumerate() {
        let choice = usize::from(choices[index % choices.len()]) + index / choices.len();
        let closes = *token == "}" || *token == "]";
        if closes && !["{", "[", ",", ""].contains(&last) && choice.is_multiple_of(5) {
            out.push(',');
        }
        out.push_str(GAPS[choice % GAPS.len()]);
        out.push_str(token);
        last = token;
    }
    out
}

/// Lines of TOML or YAML with other ends, empty lines and remarks between them.
fn relined(text: &str, choices: &[u8]) -> String {
    let end = if choices[0].is_multiple_of(2) {
        "\n"
    } else {
        "\r\n"
    };
    let mut out = String::new();
    if choices[0].is_multiple_of(3) {
        out.push('\u{feff}');
    }
    for (index, line) in text.lines().enumerate() {
        out.push_str(line);
        match choices[(index + 1) % choices.len()] % 8 {
            // A block of text begins, and what is less indented would not be part of it.
            _ if line.ends_with('|') => {}
            0 if !line.is_empty() => out.push_str("   # räumt auf: [x, \"y\"]"),
            1 => out.push_str("  "),
            2 => out.push_str(&format!("{end}{end}")),
            3 => out.push_str(&format!("{end}# - \"args\": [")),
            _ => {}
        }
        out.push_str(end);
    }
    if choices[0].is_multiple_of(5) {
        out.truncate(out.trim_end().len());
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// However JSON is laid out, every server is boxed, and the file comes back.
    #[test]
    fn json_of_any_layout_comes_back(which in any::<Index>(), choices in vec(any::<u8>(), 16..200)) {
        let corpus: Vec<_> = corpus().into_iter().filter(|(name, _, _)| name.contains(".json")).collect();
        let (name, client, text) = &corpus[which.index(corpus.len())];
        let text = respaced(std::str::from_utf8(text).unwrap(), &choices);
        let trip = Desk::new().trip(name, client, text.as_bytes());
        let trip = trip.unwrap_or_else(|| panic!("{text}"));
        prop_assert_eq!(trip.left, 0, "{}", text);
    }

    /// The same for lines.
    #[test]
    fn toml_and_yaml_of_any_lines_come_back(which in any::<Index>(), choices in vec(any::<u8>(), 16..100)) {
        let corpus: Vec<_> = corpus().into_iter().filter(|(name, _, _)| !name.contains(".json")).collect();
        let (name, client, text) = &corpus[which.index(corpus.len())];
        let text = relined(std::str::from_utf8(text).unwrap(), &choices);
        let trip = Desk::new().trip(name, client, text.as_bytes());
        let trip = trip.unwrap_or_else(|| panic!("{text}"));
        prop_assert_eq!(trip.left, 0, "{}", text);
    }

    /// Whatever is put in, cut out or doubled: what still parses comes back, and nothing panics.
    #[test]
    fn files_with_random_damage_come_back_or_are_refused(
        which in any::<Index>(),
        damage in vec((any::<Index>(), 0..5u8, "[ \t\r\n\"'{}\\[\\],:#*&!|>/\\\\ax-]{0,3}|ü|\u{2028}"), 1..4),
    ) {
        let corpus = corpus();
        let (name, client, text) = &corpus[which.index(corpus.len())];
        let mut text: Vec<char> = String::from_utf8(text.clone()).unwrap().chars().collect();
        for (place, kind, insert) in &damage {
            let at = place.index(text.len() + 1);
            let end = (at + usize::from(*kind) * 4).min(text.len());
            match kind {
                0 | 1 => drop(text.splice(at..at, insert.chars())),
                2 => drop(text.drain(at..end)),
                3 => drop(text.splice(at..end, insert.chars())),
                _ => {
                    let doubled: Vec<char> = text[at..end].to_vec();
                    drop(text.splice(at..at, doubled));
                }
            }
        }
        let text: String = text.into_iter().collect();
        Desk::new().trip(name, client, text.as_bytes());
    }
}
