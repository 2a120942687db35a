//! The package or program that a command line starts, behind launchers, interpreters and links.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// How a launcher names what it starts.
struct Launcher {
    program: &'static str,
    /// The sub-commands that start a package; empty if the launcher needs none.
    verbs: &'static [&'static [&'static str]],
    /// Options with a value that names the package.
    package: &'static [&'static str],
    /// Other options with a value.
    valued: &'static [&'static str],
}

/// From each tool's own `--help`.
const LAUNCHERS: [Launcher; 10] = [
    Launcher {
        program: "npx",
        verbs: &[],
        package: &["-p", "--package"],
        valued: NPM,
    },
    Launcher {
        program: "npm",
        verbs: &[&["exec"], &["x"]],
        package: &["-p", "--package"],
        valued: NPM,
    },
    Launcher {
        program: "pnpm",
        verbs: &[&["dlx"], &["exec"]],
        package: &["--package"],
        valued: &["-C", "--dir", "--filter", "-F", "--registry"],
    },
    Launcher {
        program: "pnpx",
        verbs: &[],
        package: &["--package"],
        valued: &["--registry"],
    },
    Launcher {
        program: "yarn",
        verbs: &[&["dlx"]],
        package: &["-p", "--package"],
        valued: &["--cwd"],
    },
    Launcher {
        program: "bunx",
        verbs: &[],
        package: &["-p", "--package"],
        valued: &[],
    },
    Launcher {
        program: "bun",
        verbs: &[&["x"]],
        package: &["-p", "--package"],
        valued: &["--cwd"],
    },
    Launcher {
        program: "uvx",
        verbs: &[],
        package: &["--from"],
        valued: UV,
    },
    Launcher {
        program: "uv",
        verbs: &[&["tool", "run"], &["run"]],
        package: &["--from"],
        valued: UV,
    },
    Launcher {
        program: "pipx",
        verbs: &[&["run"]],
        package: &["--spec"],
        valued: &["--with", "--python", "--pip-args", "-i", "--index-url"],
    },
];

const NPM: &[&str] = &[
    "-c",
    "--call",
    "-w",
    "--workspace",
    "--registry",
    "--cache",
    "--prefix",
    "--userconfig",
];

const UV: &[&str] = &[
    "--with",
    "-w",
    "--with-editable",
    "--with-requirements",
    "--python",
    "-p",
    "--directory",
    "--project",
    "--index",
    "--default-index",
    "--index-url",
    "-i",
    "--extra-index-url",
    "--find-links",
    "-f",
    "--constraints",
    "-c",
    "--overrides",
    "--build-constraints",
    "-b",
    "--env-file",
    "--cache-dir",
    "--config-file",
    "--extra",
    "--group",
    "--refresh-package",
    "--reinstall-package",
    "--upgrade-package",
    "-P",
    "--resolution",
    "--prerelease",
    "--exclude-newer",
    "--link-mode",
    "--color",
    "--index-strategy",
    "--keyring-provider",
];

/// Options of node and python that take a value in the next word.
const NODE: &[&str] = &[
    "-r",
    "--require",
    "--import",
    "--loader",
    "--env-file",
    "-C",
    "--conditions",
];
const PYTHON: &[&str] = &["-W", "-X", "--check-hash-based-pycs"];

/// The names under which a profile may list what `argv` starts, the most telling first.
pub fn packages(argv: &[OsString], resolve: &impl Fn(&Path) -> Option<PathBuf>) -> Vec<String> {
    let mut names = Vec::new();
    collect(argv, resolve, 4, &mut names);
    names.retain(|name| !name.is_empty());
    names
}

/// A launcher's command line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launched<'a> {
    /// The launcher's name without folder and ending.
    pub program: &'static str,
    /// As it was typed.
    pub typed: &'a OsStr,
    /// The sub-command, such as `tool run`; empty for launchers without one.
    pub verb: &'static [&'static str],
    /// What stands before the launcher: `env NAME=value …`.
    pub before: &'a [OsString],
    /// Options before the first word, each with its value. One that is none of the launcher's known ones has none.
    pub options: Vec<(&'a str, Option<&'a str>)>,
    /// The packages that options name.
    pub named: Vec<&'a str>,
    /// The first word that is no option, and all after it.
    pub words: &'a [OsString],
}

/// What a launcher is asked to start; none if `argv` starts no launcher, or one with another sub-command.
pub fn launched(argv: &[OsString]) -> Option<Launched<'_>> {
    let at = match argv.first().map(|program| program_name(program)).as_deref() {
        // Options of env(1) change what the launcher would see: such a command is left as it is.
        Some("env") => 1 + argv[1..].iter().position(|word| !text(word).contains('='))?,
        Some(_) => 0,
        None => return None,
    };
    let typed = &argv[at];
    let base = program_name(typed);
    let launcher = LAUNCHERS.iter().find(|launcher| launcher.program == base)?;
    let mut launched = Launched {
        program: launcher.program,
        typed,
        verb: &[],
        before: &argv[..at],
        options: Vec::new(),
        named: Vec::new(),
        words: &[],
    };
    let Launched { named, options, .. } = &mut launched;
    let rest = launcher.take_options(&argv[at + 1..], named, options);
    if launcher.verbs.is_empty() {
        launched.words = rest;
        return Some(launched);
    }
    launched.verb = launcher.verb(rest)?;
    launched.words = launcher.take_options(
        &rest[launched.verb.len()..],
        &mut launched.named,
        &mut launched.options,
    );
    Some(launched)
}

/// The words of `sh -c 'LAUNCHER …'`, where the shell would do nothing but start them: none of them is quoted, expanded or
/// assigned, and nothing comes before or after.
pub fn of_shell(argv: &[OsString]) -> Option<Vec<OsString>> {
    // A login shell reads the user's files first, which decide where a program is, and zsh always does.
    let (text, []) = shell_text(argv, |option| option == "-c")? else {
        return None;
    };
    if program_name(&argv[0]) == "zsh" {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || " @/._:+,-=^".contains(c);
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let words = words.strip_prefix(&["exec"]).unwrap_or(&words);
    let starts = words.first().is_some_and(|first| !first.contains('='));
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    (starts && text.chars().all(plain) && launched(&words).is_some()).then_some(words)
}

/// The launcher that a shell's text names, where the shell has to be left to start it.
pub fn behind_shell(argv: &[OsString]) -> Option<&'static str> {
    if of_shell(argv).is_some() {
        return None;
    }
    let (text, _) = shell_text(argv, |option| option.starts_with('-') && option.ends_with('c'))?;
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_./".contains(c));
    words.find_map(|word| {
        let mut launchers = LAUNCHERS.iter().map(|launcher| launcher.program);
        launchers.find(|program| program_name(OsStr::new(word)) == *program)
    })
}

/// What a shell is given to read by an option, and the words after it.
fn shell_text(argv: &[OsString], is_option: impl Fn(&str) -> bool) -> Option<(&str, &[OsString])> {
    let [shell, option, text, rest @ ..] = argv else {
        return None;
    };
    let is_shell = ["sh", "bash", "dash", "zsh"].contains(&program_name(shell).as_str());
    (is_shell && is_option(option.to_str()?)).then_some((text.to_str()?, rest))
}

/// Whether a program of this name starts packages, and fetches them first.
pub fn starts_packages(program: &str) -> bool {
    LAUNCHERS.iter().any(|launcher| launcher.program == program)
}

/// The index of the script that an interpreter is given, if `argv` starts one.
pub fn script(argv: &[OsString]) -> Option<usize> {
    let (program, rest) = argv.split_first()?;
    let valued = match interpreter(&program_name(program))? {
        Interpreter::Node => NODE,
        Interpreter::Python if rest.iter().any(|word| text(word) == "-m") => return None,
        Interpreter::Python => PYTHON,
    };
    script_in(rest, valued).map(|at| at + 1)
}

/// Launchers may start launchers (`uv run python -m …`), hence the depth.
fn collect(
    argv: &[OsString],
    resolve: &impl Fn(&Path) -> Option<PathBuf>,
    depth: usize,
    names: &mut Vec<String>,
) {
    let Some((program, rest)) = argv.split_first().filter(|_| depth > 0) else {
        return;
    };
    if let Some(words) = of_shell(argv) {
        return collect(&words, resolve, depth - 1, names);
    }
    let base = program_name(program);
    if base == "env" {
        let option = |word: &str| word.starts_with('-') || word.contains('=');
        let start = rest.iter().position(|word| !option(text(word)));
        return collect(&rest[start.unwrap_or(rest.len())..], resolve, depth - 1, names);
    }
    if let Some(launcher) = LAUNCHERS.iter().find(|launcher| launcher.program == base) {
        return push_launched(launcher, rest, resolve, depth, names);
    }
    match interpreter(&base) {
        Some(Interpreter::Node) => push_script(rest, NODE, resolve, names),
        Some(Interpreter::Python) => push_python(rest, resolve, names),
        None => {
            push_file(Path::new(program), resolve, names);
            names.push(base);
        }
    }
}

fn push_launched(
    launcher: &Launcher,
    rest: &[OsString],
    resolve: &impl Fn(&Path) -> Option<PathBuf>,
    depth: usize,
    names: &mut Vec<String>,
) {
    let before = names.len();
    let started = launcher.started(rest, names);
    match started.first() {
        Some(word) if is_launcher(text(word)) => collect(started, resolve, depth - 1, names),
        Some(word) => push_package(text(word), names),
        // Without a word the launcher runs a shell or nothing.
        None => names.truncate(before),
    }
}

enum Interpreter {
    Node,
    Python,
}

fn interpreter(base: &str) -> Option<Interpreter> {
    let version = |rest: &str| rest.chars().all(|c| c.is_ascii_digit() || c == '.');
    match base {
        "node" | "nodejs" | "bun" | "deno" | "tsx" => Some(Interpreter::Node),
        _ => base
            .strip_prefix("python")
            .is_some_and(version)
            .then_some(Interpreter::Python),
    }
}

/// Whether a launcher's word is itself a launcher and no package: `@scope/npx` is a package.
fn is_launcher(word: &str) -> bool {
    let base = program_name(OsStr::new(word));
    let known = base == "env" || LAUNCHERS.iter().any(|launcher| launcher.program == base);
    !word.starts_with('@') && (known || interpreter(&base).is_some())
}

impl Launcher {
    /// What the launcher starts: the words from the package on. Packages named by options go to `names`.
    fn started<'a>(&self, rest: &'a [OsString], names: &mut Vec<String>) -> &'a [OsString] {
        let Some(rest) = self.after_verb(rest) else {
            return &[];
        };
        let mut named = Vec::new();
        let rest = self.take_options(rest, &mut named, &mut Vec::new());
        named.iter().for_each(|package| push_package(package, names));
        rest
    }

    /// Takes the options at the front, packages that they name apart from the others, and gives what follows them.
    fn take_options<'a>(
        &self,
        rest: &'a [OsString],
        named: &mut Vec<&'a str>,
        options: &mut Vec<(&'a str, Option<&'a str>)>,
    ) -> &'a [OsString] {
        let mut at = 0;
        while let Some(word) = rest.get(at).map(|word| text(word)) {
            if word == "--" {
                return &rest[at + 1..];
            }
            if !word.starts_with('-') {
                return &rest[at..];
            }
            at += 1;
            let (option, mut value) = word
                .split_once('=')
                .map_or((word, None), |(option, value)| (option, Some(value)));
            let package = self.package.contains(&option);
            if value.is_none() && (package || self.valued.contains(&option)) {
                value = rest.get(at).map(|word| text(word));
                at += 1;
            }
            match value.filter(|_| package) {
                Some(value) => named.push(value),
                None => options.push((option, value)),
            }
        }
        &[]
    }

    fn verb(&self, rest: &[OsString]) -> Option<&'static [&'static str]> {
        let fits = |verb: &&&'static [&'static str]| {
            rest.len() >= verb.len() && verb.iter().zip(rest).all(|(one, word)| *one == text(word))
        };
        self.verbs.iter().find(fits).copied()
    }

    fn after_verb<'a>(&self, rest: &'a [OsString]) -> Option<&'a [OsString]> {
        if self.verbs.is_empty() {
            return Some(rest);
        }
        // Options may come before the verb: `npm --silent exec …`, `uv --directory X run …`.
        let mut start = 0;
        while let Some(word) = rest
            .get(start)
            .map(|word| text(word))
            .filter(|word| word.starts_with('-'))
        {
            start += 1 + usize::from(self.valued.contains(&word));
        }
        let rest = rest.get(start..)?;
        self.verb(rest).map(|verb| &rest[verb.len()..])
    }
}

/// The index of the first word that is no option and no option's value.
fn first_word(rest: &[OsString], valued: &[&str]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text(rest.get(at)?) {
            "--" => return Some(at + 1).filter(|at| *at < rest.len()),
            word if !word.starts_with('-') || word == "-" => return Some(at),
            word => at += 1 + usize::from(valued.contains(&word)),
        }
    }
}

fn push_script(
    rest: &[OsString],
    valued: &[&str],
    resolve: &impl Fn(&Path) -> Option<PathBuf>,
    names: &mut Vec<String>,
) {
    let Some(at) = script_in(rest, valued) else {
        return;
    };
    match text(&rest[at]).strip_prefix("npm:") {
        // deno names packages like this.
        Some(package) => push_package(package, names),
        None => push_file(Path::new(&rest[at]), resolve, names),
    }
}

/// The script among the words after an interpreter; `bun run FILE` and `deno run FILE` have a verb first.
fn script_in(rest: &[OsString], valued: &[&str]) -> Option<usize> {
    let at = first_word(rest, valued)?;
    if text(&rest[at]) != "run" {
        return Some(at);
    }
    first_word(&rest[at + 1..], valued).map(|next| at + 1 + next)
}

fn push_python(rest: &[OsString], resolve: &impl Fn(&Path) -> Option<PathBuf>, names: &mut Vec<String>) {
    let module = rest.iter().position(|word| text(word) == "-m");
    match (module, first_word(rest, PYTHON)) {
        (Some(at), word) if word.is_none_or(|word| at < word) => {
            let module = rest.get(at + 1).map(|word| text(word)).unwrap_or_default();
            push_package(module.split('.').next().unwrap_or_default(), names);
        }
        (_, Some(at)) => {
            push_file(Path::new(&rest[at]), resolve, names);
            names.push(program_name(&rest[at]));
        }
        _ => {}
    }
}

/// The package whose `node_modules` folder a file lies in, before or after links are followed.
fn push_file(file: &Path, resolve: &impl Fn(&Path) -> Option<PathBuf>, names: &mut Vec<String>) {
    let package = in_node_modules(file).or_else(|| in_node_modules(&resolve(file)?));
    names.extend(package);
}

/// The outermost one: what lies in the `node_modules` of a package was put there by that package, which would
/// choose its own profile with it. Folders of package managers, such as `.pnpm`, are passed through.
fn in_node_modules(file: &Path) -> Option<String> {
    let parts: Vec<&str> = file.iter().map(text).collect();
    let folders = parts
        .iter()
        .enumerate()
        .filter(|(_, part)| **part == "node_modules");
    let mut packages = folders.filter_map(|(at, _)| match &parts[at + 1..] {
        [scope, name, _, ..] if scope.starts_with('@') => Some(format!("{scope}/{name}")),
        [name, _, ..] if !name.starts_with(['.', '@']) => Some((*name).to_owned()),
        _ => None,
    });
    packages.next()
}

fn push_package(word: &str, names: &mut Vec<String>) {
    let name = without_version(word);
    names.push(name.to_owned());
    // Python takes `-`, `_`, `.` and case for the same (PEP 503).
    let normal = name.to_lowercase().replace(['_', '.'], "-");
    if normal != name {
        names.push(normal);
    }
}

/// A package without its version: `@scope/name@1.2`, `name@latest`, `name==1.0`, `name[extra]>=1`.
fn without_version(word: &str) -> &str {
    let end = word
        .char_indices()
        .skip(1)
        .find(|(_, c)| "@=<>~![; ".contains(*c))
        .map_or(word.len(), |(at, _)| at);
    &word[..end]
}

/// The last component of a program, without the endings that Windows adds.
pub fn program_name(program: &OsStr) -> String {
    let base = Path::new(program).file_name().map(text).unwrap_or_default();
    let endings = [".exe", ".cmd", ".bat", ".ps1"];
    let ending = endings
        .iter()
        .find(|ending| base.to_ascii_lowercase().ends_with(*ending));
    base[..base.len() - ending.map_or(0, |ending| ending.len())].to_owned()
}

/// Words that are not UTF-8 name no package and no option.
fn text(word: &OsStr) -> &str {
    word.to_str().unwrap_or_default()
}

#[cfg(test)]
#[path = "package_tests.rs"]
mod tests;
