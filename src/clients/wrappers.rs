//! Who starts a server already: we, or another program that is made to confine it.

use std::path::Path;

use clap::Parser as _;

use crate::cli::{Cli, Command, Run};

/// Programs that put what they start into a container or a sandbox of their own, by their names.
const OTHERS: &[&str] = &[
    // containers
    "docker",
    "podman",
    "nerdctl",
    "thv",
    "toolbox",
    "distrobox",
    // sandboxes of the system's
    "bwrap",
    "firejail",
    "flatpak",
    "sandbox-exec",
    "landrun",
    "nsjail",
    "minijail0",
    // sandboxes for agents and their servers
    "srt",
    "nono",
    "fence",
    "greywall",
    "ai-jail",
    "sandlock",
    "vetto",
    "cplt",
    "wxc-exec",
];

/// The same where a launcher of packages starts them.
const OTHER_PACKAGES: &[&str] = &["@anthropic-ai/sandbox-runtime"];

const LAUNCHERS: &[&str] = &["npx", "bunx", "pnpx", "uvx", "pipx"];

/// What a command line starts.
#[derive(Debug)]
pub enum Starts {
    /// A server in our box, with these flags. What we would not take ourselves is the error.
    Ours(Box<Result<Run, String>>),
    /// Another program that confines.
    Other(String),
    Server,
}

/// Tells who stands before a server. `own` is our own path.
pub fn of(argv: &[String], own: &Path) -> Starts {
    let Some(program) = argv.first() else {
        return Starts::Server;
    };
    let name = base_name(program);
    if (name == "mcp-sandbox" || Path::new(program) == own) && argv.get(1).is_some_and(|word| word == "run") {
        let run = match Cli::try_parse_from(argv) {
            Ok(Cli {
                command: Command::Run(run),
            }) => Ok(run),
            Ok(_) => Err("it is not `run`".to_owned()),
            Err(error) => Err(first_line(&error.to_string())),
        };
        return Starts::Ours(Box::new(run));
    }
    if OTHERS.contains(&name.as_str()) {
        return Starts::Other(name);
    }
    let package = argv[1..].iter().find(|word| !word.starts_with('-'));
    match package.filter(|_| LAUNCHERS.contains(&name.as_str())) {
        Some(package)
            if OTHER_PACKAGES
                .iter()
                .any(|one| package == one || package.starts_with(&format!("{one}@"))) =>
        {
            Starts::Other(package.clone())
        }
        _ => Starts::Server,
    }
}

/// The name of a program without its folder, in either way of writing paths, and without `.exe`.
pub fn base_name(program: &str) -> String {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    name.strip_suffix(".exe").unwrap_or(name).to_owned()
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(words: &[&str]) -> Starts {
        let argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        of(&argv, Path::new("/opt/renamed"))
    }

    #[test]
    fn ours_is_known_by_name_and_by_place() {
        for program in [
            "mcp-sandbox",
            "/usr/bin/mcp-sandbox",
            r"C:\x\mcp-sandbox.exe",
            "/opt/renamed",
        ] {
            let Starts::Ours(run) = starts(&[program, "run", "-p", "git", "--", "uvx", "-p"]) else {
                panic!("{program}");
            };
            let run = run.unwrap();
            assert_eq!(run.policy.profile.as_deref(), Some("git"));
            assert_eq!(run.command, ["uvx", "-p"]);
        }
        let Starts::Ours(run) = starts(&["mcp-sandbox", "run", "--bogus", "--", "x"]) else {
            panic!()
        };
        assert!(run.unwrap_err().contains("--bogus"));
        assert!(matches!(starts(&["mcp-sandbox", "doctor"]), Starts::Server));
    }

    #[test]
    fn others_are_known_by_name() {
        assert!(
            matches!(starts(&["/usr/bin/docker", "run", "-i", "x"]), Starts::Other(by) if by == "docker")
        );
        assert!(matches!(
            starts(&["npx", "-y", "@anthropic-ai/sandbox-runtime@1", "x"]),
            Starts::Other(_)
        ));
        assert!(matches!(starts(&["npx", "-y", "docker-mcp"]), Starts::Server));
        assert!(matches!(starts(&["/srv/docker/server"]), Starts::Server));
    }
}
