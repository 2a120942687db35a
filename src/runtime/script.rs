//! The text of scripts: `#!` lines, env(1)'s arguments, and the lines by which shell scripts hand over.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// The kernel reads this much of a `#!` line (BINPRM_BUF_SIZE).
const MAX_LINE: usize = 256;
/// A wrapper hands over near its beginning; a long program's `exec` lines are its own matter.
const MAX_WRAPPER_LINES: usize = 120;

/// The first line of a script (execve(2)).
#[derive(Debug, PartialEq, Eq)]
pub struct Shebang {
    pub interpreter: PathBuf,
    /// Everything after the interpreter, as one argument.
    pub argument: Option<OsString>,
}

/// What env(1) is asked to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct EnvCall {
    /// The value of a `PATH=` assignment, which env searches instead.
    pub path: Option<OsString>,
    pub program: Option<OsString>,
    pub args: Vec<OsString>,
}

/// A program that a shell script replaces itself with.
#[derive(Debug, PartialEq, Eq)]
pub enum HandOver {
    /// A program by name or absolute path, and the arguments that follow it.
    Program(OsString, Vec<OsString>),
    /// A program in the script's own directory (uv's relocatable environments).
    Sibling(OsString),
}

impl Shebang {
    pub fn parse(text: &[u8]) -> Option<Self> {
        let line = text.strip_prefix(b"#!")?;
        let line = &line[..line.len().min(MAX_LINE - 2)];
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = trim(line);
        let end = line.iter().position(|byte| blank(*byte)).unwrap_or(line.len());
        let (interpreter, argument) = (&line[..end], trim(&line[end..]));
        (!interpreter.is_empty()).then(|| Shebang {
            interpreter: PathBuf::from(OsStr::from_bytes(interpreter)),
            argument: (!argument.is_empty()).then(|| OsStr::from_bytes(argument).to_owned()),
        })
    }
}

impl EnvCall {
    /// The one argument that a `#!` line passes: split only after `-S`.
    pub fn of_shebang(argument: &OsStr) -> Self {
        let bytes = argument.as_bytes();
        if let Some(rest) = split_string(bytes) {
            return Self::of_arguments(&words(rest));
        }
        Self::of_arguments(&[argument.to_owned()])
    }

    /// The arguments after `env`, as GNU and BSD read them.
    pub fn of_arguments(args: &[OsString]) -> Self {
        let mut call = EnvCall::default();
        let mut rest = args.iter();
        while let Some(word) = rest.next() {
            let bytes = word.as_bytes();
            match bytes {
                b"-u" | b"-C" | b"--unset" | b"--chdir" | b"-P" | b"-a" | b"--argv0" => {
                    rest.next();
                }
                [b'-', flags @ ..] => {
                    let string = match split_string(bytes) {
                        None if bytes == b"--split-string" || is_split_flag(flags) => {
                            rest.next().map(|next| next.as_bytes())
                        }
                        string => string,
                    };
                    if let Some(string) = string {
                        let mut all = words(string);
                        all.extend(rest.cloned());
                        return Self {
                            path: call.path,
                            ..Self::of_arguments(&all)
                        };
                    }
                }
                _ if bytes.contains(&b'=') => {
                    if let Some(value) = bytes.strip_prefix(b"PATH=") {
                        call.path = Some(OsStr::from_bytes(value).to_owned());
                    }
                }
                _ => {
                    call.program = Some(word.clone());
                    call.args = rest.cloned().collect();
                    break;
                }
            }
        }
        call
    }
}

/// The programs a shell script may replace itself with, in the order of its lines: `exec node "$basedir/x" "$@"`,
/// `'''exec' '/a long/path/python' "$0" "$@"` (pip, uv, setuptools), `":" //# ; exec node "$0" "$@"`.
pub fn hand_overs(text: &[u8]) -> Vec<HandOver> {
    text.split(|byte| *byte == b'\n')
        .take(MAX_WRAPPER_LINES)
        .filter_map(hand_over)
        .collect()
}

/// Splits as a shell does, without expansions: blanks, single and double quotes, backslashes.
pub fn words(text: &[u8]) -> Vec<OsString> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<u8> = None;
    let mut inside = false;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        let quoted = open.is_some();
        match byte {
            _ if open == Some(byte) => open = None,
            b'\'' | b'"' if !quoted => {
                open = Some(byte);
                if !inside {
                    all.push(Vec::new());
                }
                inside = true;
            }
            _ if blank(byte) && !quoted => inside = false,
            _ => {
                let byte = if byte == b'\\' && open != Some(b'\'') {
                    bytes.next().unwrap_or(byte)
                } else {
                    byte
                };
                if !inside {
                    all.push(Vec::new());
                }
                inside = true;
                all.last_mut().expect("a word was begun").push(byte);
            }
        }
    }
    all.into_iter().map(OsString::from_vec).collect()
}

/// The simple commands of `sh -c TEXT`, as far as they can be told without running it.
pub fn simple_commands(text: &[u8]) -> Vec<Vec<OsString>> {
    let ends = |byte: &u8| matches!(byte, b';' | b'|' | b'&' | b'\n');
    let commands = text.split(ends).map(|part| {
        let all = words(part).into_iter();
        all.skip_while(|word| word == "exec" || word.as_bytes().contains(&b'='))
            .collect()
    });
    commands
        .filter(|words: &Vec<OsString>| !words.is_empty())
        .collect()
}

/// The lines `NAME="value"` and `export NAME="value"` of a shell script.
pub fn assignment(text: &[u8], name: &str) -> Option<OsString> {
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let line = trim(line);
        let line = line.strip_prefix(b"export ").unwrap_or(line);
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        words(value).into_iter().next()
    })
}

/// Whether the interpreter is a shell, whose scripts hand over by `exec`.
pub fn is_shell(interpreter: &Path) -> bool {
    let name = interpreter.file_name().unwrap_or_default();
    ["sh", "bash", "dash", "zsh", "ksh", "ash", "fish"]
        .iter()
        .any(|shell| name == *shell)
}

fn hand_over(line: &[u8]) -> Option<HandOver> {
    let line = trim(line);
    if line.first() == Some(&b'#') {
        return None;
    }
    let rest = after_exec(line)?;
    if contains(rest, b"$(dirname") {
        let at = find(rest, b")\"/")? + 3;
        return words(&rest[at..]).into_iter().next().map(HandOver::Sibling);
    }
    let mut all = words(rest).into_iter();
    let program = all.next()?;
    let usable = !program
        .as_bytes()
        .iter()
        .any(|byte| matches!(byte, b'$' | b'`' | b'>' | b'<' | b'&'));
    usable.then(|| HandOver::Program(program, all.collect()))
}

/// What follows the word `exec`, which may be quoted as polyglots do.
fn after_exec(line: &[u8]) -> Option<&[u8]> {
    let mut from = 0;
    while let Some(found) = find(&line[from..], b"exec") {
        let (start, end) = (from + found, from + found + 4);
        let before = line[..start].last();
        let clean_before =
            before.is_none_or(|byte| matches!(byte, b' ' | b'\t' | b';' | b'\'' | b'"' | b'('));
        let rest = &line[end..];
        let quotes = rest
            .iter()
            .take_while(|byte| matches!(byte, b'\'' | b'"'))
            .count();
        if clean_before && rest.get(quotes).copied().is_some_and(blank) {
            return Some(trim(&rest[quotes..]));
        }
        from = end;
    }
    None
}

/// The string of `-S string`, `-Sstring`, `-iS string` or `--split-string=string` in one argument.
fn split_string(bytes: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = bytes.strip_prefix(b"--split-string") {
        return rest.strip_prefix(b"=").or_else(|| rest.strip_prefix(b" "));
    }
    let cluster = bytes.strip_prefix(b"-").filter(|rest| !rest.starts_with(b"-"))?;
    let at = cluster
        .iter()
        .position(|byte| !matches!(byte, b'i' | b'0' | b'v'))
        .filter(|at| cluster[*at] == b'S')?;
    Some(trim(&cluster[at + 1..])).filter(|rest| !rest.is_empty())
}

/// `S`, `iS`, …: the string is the next argument.
fn is_split_flag(flags: &[u8]) -> bool {
    flags.split_last().is_some_and(|(last, rest)| {
        *last == b'S' && rest.iter().all(|flag| matches!(flag, b'i' | b'0' | b'v'))
    })
}

fn blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !blank(*byte)).unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|byte| !blank(*byte))
        .map_or(start, |last| last + 1);
    &bytes[start..end]
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    find(haystack, needle).is_some()
}

/// Bytes of a command line as the text they are.
pub fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn shebangs_are_read_as_the_kernel_does() {
        let parse = |text: &str| {
            let shebang = Shebang::parse(text.as_bytes())?;
            Some((
                shebang.interpreter.into_os_string().into_string().unwrap(),
                shebang.argument,
            ))
        };
        assert_eq!(parse("#!/bin/sh\nx"), Some(("/bin/sh".into(), None)));
        assert_eq!(parse("#! \t/bin/sh \n"), Some(("/bin/sh".into(), None)));
        assert_eq!(
            parse("#!/bin/awk -f  -v x \n"),
            Some(("/bin/awk".into(), Some("-f  -v x".into())))
        );
        assert_eq!(parse("#!\n"), None);
        assert_eq!(parse("echo"), None);
        let long = format!("#!/{}", "a".repeat(400));
        assert_eq!(parse(&long).unwrap().0.len(), MAX_LINE - 2);
    }

    #[test]
    fn env_finds_its_program() {
        let cases: [(&[&str], &str, &[&str]); 7] = [
            (&["node", "x"], "node", &["x"]),
            (&["A=1", "B=", "node"], "node", &[]),
            (&["-i", "-u", "HOME", "A=1", "node", "-i"], "node", &["-i"]),
            (&["-S", "node --flag 'a b'", "x"], "node", &["--flag", "a b", "x"]),
            (&["-iS", "A=1 node", "x"], "node", &["x"]),
            (&["--split-string=node -v"], "node", &["-v"]),
            (&["--", "node"], "node", &[]),
        ];
        for (arguments, program, rest) in cases {
            let call = EnvCall::of_arguments(&all(arguments));
            assert_eq!(
                (call.program, call.args),
                (Some(program.into()), all(rest)),
                "{arguments:?}"
            );
        }
        let call = EnvCall::of_arguments(&all(&["PATH=/a:/b", "node"]));
        assert_eq!(call.path, Some("/a:/b".into()));
        assert_eq!(EnvCall::of_arguments(&all(&["-i"])).program, None);
    }

    #[test]
    fn a_shebang_passes_env_one_argument() {
        let call = |text: &str| EnvCall::of_shebang(OsStr::new(text));
        assert_eq!(call("node").program, Some("node".into()));
        assert_eq!(call("node -x").program, Some("node -x".into()));
        assert_eq!(call("-S node -x").args, all(&["-x"]));
        assert_eq!(call("-vS node -x").program, Some("node".into()));
        assert_eq!(call("-S -i A=1 node -x").args, all(&["-x"]));
    }

    #[test]
    fn words_are_split_as_in_a_shell() {
        assert_eq!(
            words(br#"a 'b c' "d\"e" f\ g '' h"i j"k"#),
            all(&["a", "b c", "d\"e", "f g", "", "hi jk"])
        );
    }

    #[test]
    fn hand_overs_of_polyglots_and_wrappers() {
        let program = |text: &str| hand_overs(text.as_bytes()).into_iter().next();
        let node = || Some(HandOver::Program("node".into(), all(&["$0", "$@"])));
        assert_eq!(program(r#"":" //# comment; exec node "$0" "$@""#), node());
        assert_eq!(program("  exec node \"$0\" \"$@\"\n"), node());
        assert_eq!(program(r#"'''exec' node "$0" "$@""#), node());
        assert_eq!(program("# exec node"), None);
        assert_eq!(program("executor node"), None);
        assert_eq!(program("exec \"$JAVA\" x"), None);
        assert_eq!(program("exec 3>&1"), None);
    }

    #[test]
    fn commands_of_a_shell() {
        assert_eq!(
            simple_commands(b"cd /x && A=1 exec npx -y s"),
            [all(&["cd", "/x"]), all(&["npx", "-y", "s"])]
        );
    }
}
