//! What a launcher's command line asks for: packages of a registry, and a program of theirs with its arguments.

use std::ffi::OsString;
use std::fmt;

use mcp_sandbox_platform::quote;
use serde::{Deserialize, Serialize};

use crate::error::{Error, printable};
use crate::profile::package::{self, Launched};

/// Whose packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    Npm,
    Python,
}

/// A command that starts a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub manager: Manager,
    /// The launcher as it was typed.
    pub launcher: OsString,
    /// The packages, each with what it says about the version; the first one is the server's.
    pub packages: Vec<String>,
    /// The program to start; none is the package's own.
    pub program: Option<String>,
    /// What the program is given.
    pub args: Vec<OsString>,
    /// What stands before the launcher: `env NAME=value …`.
    pub before: Vec<OsString>,
    /// The Python that `--python` names.
    pub python: Option<String>,
    /// The registry or index that an option names.
    pub registry: Option<String>,
}

/// What an option of a launcher means here.
enum Meaning {
    /// How much the launcher says or asks, and where it keeps its own files.
    Nothing,
    /// The launcher may not download: it starts what is installed.
    Installed,
    Registry,
    Python,
    /// One more package beside the server's.
    With,
}

/// Options of the launchers for packages of npm.
fn of_npm(option: &str) -> Option<Meaning> {
    Some(match option {
        "-y"
        | "--yes"
        | "-q"
        | "--quiet"
        | "-s"
        | "--silent"
        | "-d"
        | "--loglevel"
        | "--ignore-existing"
        | "--prefer-online"
        | "--prefer-offline"
        | "--bun"
        | "--no-audit"
        | "--no-fund"
        | "--no-update-notifier"
        | "--verbose" => Meaning::Nothing,
        "--no" | "--no-install" | "--offline" => Meaning::Installed,
        "--registry" => Meaning::Registry,
        _ => return None,
    })
}

/// Options of the launchers for packages of Python.
fn of_python(option: &str) -> Option<Meaning> {
    Some(match option {
        "-q" | "--quiet" | "-v" | "--verbose" | "--no-progress" | "--isolated" | "--no-cache" | "-n"
        | "--native-tls" | "--system-certs" | "--color" | "--no-config" | "--no-env-file" | "--refresh"
        | "--upgrade" | "-U" | "--link-mode" | "--cache-dir" => Meaning::Nothing,
        "--offline" => Meaning::Installed,
        "--python" | "-p" => Meaning::Python,
        "--with" | "-w" => Meaning::With,
        "--index-url" | "-i" | "--default-index" => Meaning::Registry,
        _ => return None,
    })
}

impl Wanted {
    /// What `argv` asks for; none if it starts nothing that would be downloaded first.
    ///
    /// # Errors
    /// A launcher is asked for something that cannot be prepared.
    pub fn of(argv: &[OsString]) -> Result<Option<Self>, Error> {
        let unwrapped = package::of_shell(argv);
        let argv = unwrapped.as_deref().unwrap_or(argv);
        let Some(launched) = package::launched(argv) else {
            return Ok(None);
        };
        let Some(manager) = manager(&launched) else {
            return Ok(None);
        };
        let mut wanted = Wanted {
            manager,
            launcher: launched.typed.to_owned(),
            packages: launched.named.iter().map(|name| (*name).to_owned()).collect(),
            program: None,
            args: Vec::new(),
            before: launched.before.to_vec(),
            python: None,
            registry: None,
        };
        for (option, value) in &launched.options {
            let meaning = match manager {
                Manager::Npm => of_npm(option),
                Manager::Python => of_python(option),
            };
            let value = value.map(str::to_owned);
            match meaning {
                None => return Err(cannot(&launched, &format!("with the option {}", quote(option)))),
                Some(Meaning::Nothing) => {}
                Some(Meaning::Installed) => return Ok(None),
                Some(Meaning::Registry) => wanted.registry = value,
                Some(Meaning::Python) => wanted.python = value,
                Some(Meaning::With) => wanted.packages.extend(value),
            }
        }
        wanted.take_words(&launched)
    }

    fn take_words(mut self, launched: &Launched<'_>) -> Result<Option<Self>, Error> {
        let Some((word, args)) = launched.words.split_first() else {
            return Ok(None);
        };
        let Some(text) = word.to_str() else {
            return Ok(None);
        };
        // Alone among them, `npm exec` takes a `--` behind the package for itself.
        let separator = launched.program == "npm" && args.first().is_some_and(|word| word == "--");
        self.args = args[usize::from(separator)..].to_vec();
        match (launched.named.is_empty(), self.manager) {
            (true, Manager::Npm) => self.packages.insert(0, text.to_owned()),
            (true, Manager::Python) => {
                // `uvx ruff@0.3.0` is that version of the package, and its program has the package's name.
                let (name, version) = text.split_once('@').unwrap_or((text, ""));
                let at = match version {
                    "" | "latest" => name.to_owned(),
                    version => format!("{name}=={version}"),
                };
                self.packages.insert(0, at);
                self.program = Some(python_name(name).to_owned());
            }
            (false, _) => self.program = Some(text.to_owned()),
        }
        for package in &self.packages {
            match kind(package, self.manager) {
                Kind::Registry => {}
                Kind::Local => return Ok(None),
                Kind::Elsewhere => {
                    let what = format!("{}, which is no package of a registry", quote(package));
                    return Err(cannot(launched, &what));
                }
            }
        }
        Ok(Some(self))
    }

    /// What the lock file calls it: the packages as they were asked for, and what else decides which they are.
    pub fn requested(&self) -> String {
        let python = self.python.iter().map(|python| format!("--python={python}"));
        let registry = self
            .registry
            .iter()
            .map(|registry| format!("--registry={registry}"));
        let words = self.packages.iter().cloned().chain(python).chain(registry);
        words.collect::<Vec<_>>().join(" ")
    }

    /// The name of the server's package, without version.
    pub fn name(&self) -> &str {
        match self.manager {
            Manager::Npm => npm_name(&self.packages[0]),
            Manager::Python => python_name(&self.packages[0]),
        }
    }
}

impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Manager::Npm => "npm",
            Manager::Python => "python",
        })
    }
}

/// Launchers that start a package of a project, such as `pnpm exec` and `uv run`, download nothing by themselves.
fn manager(launched: &Launched<'_>) -> Option<Manager> {
    match (launched.program, launched.verb) {
        ("npx" | "npm" | "pnpx" | "yarn" | "bunx" | "bun", _) | ("pnpm", ["dlx"]) => Some(Manager::Npm),
        ("uvx" | "pipx", _) | ("uv", ["tool", "run"]) => Some(Manager::Python),
        _ => None,
    }
}

fn cannot(launched: &Launched<'_>, what: &str) -> Error {
    let verb = launched.verb.join(" ");
    let launcher = format!("{} {verb}", printable(launched.typed));
    Error::setup(format!("{} cannot be prepared {what}", launcher.trim_end()))
        .hint("install the server yourself, and start it by its own name")
}

enum Kind {
    Registry,
    /// A folder or file of this machine.
    Local,
    /// A repository, an address, an alias.
    Elsewhere,
}

/// What a package is written as: npm-package-arg's and PEP 508's forms.
fn kind(package: &str, manager: Manager) -> Kind {
    let local =
        package.starts_with(['.', '/', '~']) || package.ends_with(".tgz") || package.ends_with(".whl");
    if local {
        return Kind::Local;
    }
    let (name, version) = match manager {
        Manager::Npm => (npm_name(package), &package[npm_name(package).len()..]),
        Manager::Python => (python_name(package), &package[python_name(package).len()..]),
    };
    let plain = |text: &str| {
        let mut chars = text.chars();
        chars
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric() || first == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || "._-~".contains(c))
    };
    let named = match (name.strip_prefix('@'), manager) {
        (Some(scoped), Manager::Npm) => scoped
            .split_once('/')
            .is_some_and(|(scope, name)| plain(scope) && plain(name)),
        _ => plain(name),
    };
    let elsewhere =
        version.contains([':', '/', '\\', '\n', ';']) || version.contains(" @") || version.contains("@ ");
    match named && !elsewhere && !version.chars().any(char::is_control) {
        true => Kind::Registry,
        false => Kind::Elsewhere,
    }
}

/// `@scope/name` of `@scope/name@range`.
fn npm_name(package: &str) -> &str {
    let at = package.char_indices().skip(1).find(|(_, c)| *c == '@');
    &package[..at.map_or(package.len(), |(at, _)| at)]
}

/// `name` of `name[extra]>=1`.
fn python_name(package: &str) -> &str {
    let end = package.find(|c: char| "[@=<>~!;( ".contains(c));
    &package[..end.unwrap_or(package.len())]
}

/// Python takes `-`, `_`, `.` and case for the same (PEP 503).
pub fn normal_name(name: &str) -> String {
    let mut normal = String::new();
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.extend(c.to_lowercase()),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(line: &str) -> Result<Option<Wanted>, String> {
        let argv: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Wanted::of(&argv).map_err(|error| error.to_string())
    }

    fn of(line: &str) -> (Manager, String, Option<String>, Vec<OsString>) {
        let wanted = wanted(line).unwrap().unwrap_or_else(|| panic!("{line}"));
        (wanted.manager, wanted.requested(), wanted.program, wanted.args)
    }

    #[test]
    fn every_launcher_of_npm() {
        for launcher in [
            "npx -y",
            "npx --yes",
            "npm exec",
            "npm exec -y --",
            "npm x --yes",
            "pnpm dlx",
            "pnpx",
            "yarn dlx -q",
            "bunx",
            "bun x",
            "env A=b npx -y",
            "/usr/bin/npx -y",
        ] {
            let (manager, requested, program, args) = of(&format!("{launcher} @s/pkg@^1.2 --flag /x"));
            assert_eq!(
                (manager, requested.as_str()),
                (Manager::Npm, "@s/pkg@^1.2"),
                "{launcher}"
            );
            assert_eq!(program, None, "{launcher}");
            assert_eq!(args, ["--flag", "/x"], "{launcher}");
        }
        assert_eq!(of("npm exec a -- --flag").3, ["--flag"]);
        assert_eq!(of("npx a -- --flag").3, ["--", "--flag"]);
        let (_, requested, program, args) = of("npx -y -p one@1 --package=two bin a");
        assert_eq!(
            (requested.as_str(), program.as_deref()),
            ("one@1 two", Some("bin"))
        );
        assert_eq!(args, ["a"]);
    }

    #[test]
    fn every_launcher_of_python() {
        for launcher in [
            "uvx",
            "uv tool run",
            "uvx -q",
            "pipx run",
            "uv --offline-not tool run",
        ] {
            if launcher.contains("-not") {
                assert!(wanted(&format!("{launcher} x")).is_err());
                continue;
            }
            let (manager, requested, program, args) = of(&format!("{launcher} mcp-server-time --tz UTC"));
            assert_eq!(
                (manager, requested.as_str()),
                (Manager::Python, "mcp-server-time")
            );
            assert_eq!(program.as_deref(), Some("mcp-server-time"));
            assert_eq!(args, ["--tz", "UTC"]);
        }
        assert_eq!(of("uvx ruff@0.3.0").1, "ruff==0.3.0");
        assert_eq!(of("uvx ruff@latest").1, "ruff");
        let (_, requested, program, _) = of("uvx --from pkg[cli]>=2 --with mcp<2 --python 3.12 tool a");
        assert_eq!(requested, "pkg[cli]>=2 mcp<2 --python=3.12");
        assert_eq!(program.as_deref(), Some("tool"));
        assert_eq!(of("pipx run --spec a==1 b").1, "a==1");
    }

    #[test]
    fn what_needs_no_download_is_left_alone() {
        for line in [
            "node server.js",
            "python3 -m mcp_server_time",
            "npx --no x",
            "npx .",
            "npx ./server x",
            "npx",
            "uv run server.py",
            "pnpm exec x",
            "npm install x",
            "uvx --offline x",
            "env -i npx x",
        ] {
            assert_eq!(wanted(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_prepared_is_refused_by_name() {
        for (line, name) in [
            ("npx -c x", "option \"-c\""),
            ("npx -y github:user/repo", "\"github:user/repo\""),
            ("npx -y user/repo", "\"user/repo\""),
            ("npx -y https://host/x.tar", "\"https://host/x.tar\""),
            ("npx -y a@npm:b", "\"a@npm:b\""),
            ("npx -y @x", "\"@x\""),
            ("uvx --from git+https://host/x x", "\"git+https://host/x\""),
            ("uvx --with-editable . x", "option \"--with-editable\""),
            ("uvx --extra-index-url y x", "option \"--extra-index-url\""),
        ] {
            let error = wanted(line).unwrap_err();
            assert!(
                error.contains(name) && error.contains("hint: install"),
                "{line}: {error}"
            );
        }
    }

    #[test]
    fn a_shell_that_only_starts_a_launcher_is_looked_through() {
        let of = |shell: &str, text: &str| {
            let argv = [shell, "-c", text].map(OsString::from);
            Wanted::of(&argv)
                .unwrap()
                .map(|wanted| (wanted.requested(), wanted.args))
        };
        for shell in ["sh", "/bin/bash"] {
            for text in [
                "npx -y @s/pkg@1 --dir /x",
                " exec npx  -y @s/pkg@1 --dir /x",
                "env A=b npx -y @s/pkg@1 --dir /x",
            ] {
                let (requested, args) = of(shell, text).unwrap();
                assert_eq!(requested, "@s/pkg@1", "{text}");
                assert_eq!(args, ["--dir", "/x"], "{text}");
            }
        }
        // What the shell has to do itself is left to it.
        for text in [
            "npx -y a && b",
            "cd x; npx -y a",
            "npx -y a $HOME",
            "npx -y a ~/x",
            "npx -y 'a'",
            "npx -y a > x",
            "npx -y a *",
            "A=b npx -y a",
            "npx -y a # b",
            "npx -y a\nb",
            "npx -y `a`",
            "",
        ] {
            assert_eq!(of("sh", text), None, "{text}");
        }
        assert_eq!(of("python3", "npx -y a"), None);
        let login = ["sh", "-lc", "npx -y a"].map(OsString::from);
        assert_eq!(Wanted::of(&login).unwrap(), None);
        let more = ["sh", "-c", "npx -y a", "zero"].map(OsString::from);
        assert_eq!(Wanted::of(&more).unwrap(), None);
    }

    #[test]
    fn names_of_python() {
        assert_eq!(normal_name("A_b..C-d"), "a-b-c-d");
    }
}
