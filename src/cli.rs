//! What can be typed: clap types only.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::duration;
use crate::error::printable;
use crate::profile::Flags;

/// Run any MCP server in a box that the operating system enforces.
#[derive(Debug, Parser)]
#[command(name = "mcp-sandbox", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// The first argument of the processes that play in the demo.
pub const DEMO_PART: &str = "demo-part";

impl Cli {
    /// What we were started with.
    ///
    /// # Errors
    /// What is wrong with it, or the help that was asked for.
    pub fn given() -> Result<Self, clap::Error> {
        let words = || std::env::args_os();
        if words().nth(1).is_none_or(|word| word != DEMO_PART) {
            return Cli::try_parse();
        }
        let command = Command::DemoPart(DemoPart::try_parse_from(words().skip(1))?);
        Ok(Cli { command })
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a server in the box; everything after `--` is the server's
    Run(Run),
    /// Start a server under a ceiling, and write the smallest profile that fits what it used
    Learn(Learn),
    /// Download the package that a command starts, so that `run` starts it without a network
    Prepare(Prepare),
    /// Say whether profiles are valid, with every error at once
    Check {
        /// Names of profiles or their files
        #[arg(required = true, value_name = "PROFILE")]
        profiles: Vec<String>,
    },
    /// Judge profiles by good practice: findings with their cure, and a grade
    Lint(Lint),
    /// Show what a server could see, do and reach, without starting it
    Explain(Explain),
    /// Start a server in the box, ask what it offers, and judge what it says and does
    Probe(Probe),
    /// Say whether a server could reach a host or have a file, and by which line of which file
    Why(Why),
    /// Try everything the box is made of on this host, and tell the cure of what fails
    Doctor {
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Box the servers of MCP clients, in the clients' own files
    Wrap(Wrap),
    /// Give clients' files back what they were before `wrap`
    Unwrap(Unwrap),
    /// Show every server of every MCP client: boxed or not, by which profile, and what it may
    Status(Status),
    /// Let a hostile server try what it can, bare and in the box
    Demo {
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// The parts that our own processes play in the demo
    #[command(skip)]
    DemoPart(DemoPart),
    /// List profiles, or show one
    #[command(subcommand)]
    Profiles(Profiles),
    /// Print a completion script
    Completions { shell: clap_complete::Shell },
    /// Print the manual page (roff)
    Man,
}

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Show the policy and the plan, and start nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write how it ended to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    pub status_file: Option<PathBuf>,
    /// Time between the signal that stops the server and the end of the box
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration::parse)]
    pub grace: Duration,
    /// Say at the end what the server used
    #[arg(long)]
    pub stats: bool,
    /// No status line; errors and warnings stay
    #[arg(long, short)]
    pub quiet: bool,
    /// Say how the command was followed to what really runs
    #[arg(long, short)]
    pub verbose: bool,
    /// The server and its arguments; without them the profile's own command
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct Learn {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Let the server reach every public name on every port; internal addresses stay refused
    #[arg(long)]
    pub any_host: bool,
    /// Greet the server and ask for its lists, instead of a client that does
    #[arg(long)]
    pub probe: bool,
    /// Where the profile is written
    #[arg(long, short, value_name = "FILE", default_value = "mcp-sandbox.learned.toml")]
    pub output: PathBuf,
    /// Replace FILE if it exists
    #[arg(long)]
    pub force: bool,
    /// Time between the signal that stops the server and the end of the box
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration::parse)]
    pub grace: Duration,
    /// No status line; errors, warnings and what was learned stay
    #[arg(long, short)]
    pub quiet: bool,
    /// The server and its arguments; without them the profile's own command
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct Prepare {
    /// The profile that the server will run with: the lock file lies beside its file
    #[arg(long, short, value_name = "NAME|FILE")]
    pub profile: Option<String>,
    /// Lay this context of the profile over it
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Take the newest version that COMMAND permits, whatever the lock file says
    #[arg(long)]
    pub upgrade: bool,
    /// Let install scripts reach a host, and the download as well
    #[arg(long, value_name = "HOST[:PORTS]")]
    pub allow: Vec<String>,
    /// Only errors
    #[arg(long, short)]
    pub quiet: bool,
    /// `run` has started us: end with it
    #[arg(long, hide = true)]
    pub for_run: bool,
    /// A launcher, the package and its arguments; without them the profile's own command
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct Probe {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Print JSON for programs
    #[arg(long, conflicts_with = "sarif")]
    pub json: bool,
    /// Print SARIF 2.1.0, as code scanning of CI services reads it
    #[arg(long)]
    pub sarif: bool,
    /// End with 1 where a finding is of this severity or worse
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "high")]
    pub fail_on: FailOn,
    /// How long the server may take for one answer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// The server and its arguments; without them the profile's own command
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct Wrap {
    #[command(flatten)]
    pub servers: Servers,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub change: ChangeArgs,
}

#[derive(Debug, Args)]
pub struct Unwrap {
    #[command(flatten)]
    pub servers: Servers,
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Which servers are changed.
#[derive(Debug, Args)]
pub struct Servers {
    #[command(flatten)]
    pub files: ClientFiles,
    /// Only the server of this name
    #[arg(long, value_name = "NAME")]
    pub server: Vec<String>,
    /// Every client found on this machine; without a terminal, clients are named or this is given
    #[arg(long, conflicts_with_all = ["client", "config"])]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    pub files: ClientFiles,
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
    /// Fail when a server runs unboxed, or when that cannot be told
    #[arg(long)]
    pub strict: bool,
}

/// Whose files.
#[derive(Debug, Args)]
pub struct ClientFiles {
    /// Clients such as cursor or claude-code; all that are found unless named
    pub client: Vec<String>,
    /// The one client's file, instead of where it usually is
    #[arg(long, value_name = "FILE", requires = "client")]
    pub config: Option<PathBuf>,
    /// The folder whose own files count as well; the one around the current folder that has a .git unless given
    #[arg(long, value_name = "DIR")]
    pub project: Option<PathBuf>,
}

/// How files are changed.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
    /// The server and its arguments; without them the profile's own command
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct Lint {
    /// Names of profiles or their files; without them the one that fits COMMAND, else `default`
    #[arg(value_name = "PROFILE")]
    pub profiles: Vec<String>,
    /// Judge this context alone; without it the profile by itself and with each of its contexts
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// How to print the findings
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub format: LintFormat,
    /// End with 1 where a finding is of this severity or worse
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "high")]
    pub fail_on: FailOn,
    /// The server and its arguments, to find the profile that fits
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "profiles")]
    pub command: Vec<OsString>,
}

/// How `lint` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    Text,
    Json,
    /// SARIF 2.1.0, as code scanning of CI services reads it
    Sarif,
}

/// From which severity on `lint` fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Never,
    Low,
    Medium,
    High,
    Critical,
}

#[derive(Debug, Args)]
pub struct Why {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
    /// A name or an address, or `localhost` for this machine's loopback; without PORT every port is told. What starts
    /// with `/`, `.` or `~` or holds a slash is a path
    #[arg(value_name = "HOST[:PORT]|PATH")]
    pub destination: String,
    /// The server and its arguments, to find the profile that fits
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// What decides the policy of a run.
#[derive(Debug, Clone, Args)]
pub struct PolicyArgs {
    /// A profile by name or file; without it the one that fits the command, else `default`
    #[arg(long, short, value_name = "NAME|FILE")]
    pub profile: Option<String>,
    /// Lay this context of the profile over it
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Show a path, read-only; at the same place unless AT (absolute) is given
    #[arg(long, value_name = "PATH[:AT]", value_parser = OsStringValueParser::new().map(split_path))]
    pub read: Vec<(PathBuf, Option<PathBuf>)>,
    /// Show a path, writable; at the same place unless AT (absolute) is given
    #[arg(long, value_name = "PATH[:AT]", value_parser = OsStringValueParser::new().map(split_path))]
    pub write: Vec<(PathBuf, Option<PathBuf>)>,
    /// Let the server reach a host: a name, *.SUFFIX, an address or net, localhost:PORT; ports 80 and 443 unless given
    #[arg(long, value_name = "HOST[:PORTS]")]
    pub allow: Vec<String>,
    /// Pass a variable of ours, or set one
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = OsStringValueParser::new().map(split_variable))]
    pub env: Vec<(OsString, Option<OsString>)>,
    /// Working directory in the box
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
}

impl PolicyArgs {
    /// What lies over the profile.
    pub fn flags(&self) -> Flags {
        Flags {
            read: self.read.clone(),
            write: self.write.clone(),
            allow: self.allow.clone(),
            env: self.env.clone(),
            cwd: self.cwd.clone(),
            ceiling: None,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Profiles {
    /// Every profile by name, with where it comes from
    List,
    /// The text of a profile
    Show {
        /// A name or a file
        name: String,
        /// Merged with what it extends and with the defaults, paths as they are here, each line with where it comes from
        #[arg(long)]
        resolved: bool,
        /// Lay this context over it
        #[arg(long, value_name = "NAME", requires = "resolved")]
        context: Option<String>,
    },
    /// Write a profile to start from, with every setting explained
    New {
        /// Where to: a file that does not exist yet; without it stdout
        file: Option<PathBuf>,
    },
}

/// Nothing that a person types, so neither help nor completions know it.
#[derive(Debug, Parser)]
#[command(name = DEMO_PART)]
pub enum DemoPart {
    Client {
        folder: PathBuf,
        token: String,
        #[arg(long)]
        json: bool,
    },
    Server,
    Bystander {
        token: String,
    },
}

/// What clap's own words leave open about an error of the command line: where the server's command belongs.
pub fn hint(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let word = match error.kind() {
        ErrorKind::InvalidSubcommand if error.get(ContextKind::SuggestedSubcommand).is_none() => {
            text(ContextKind::InvalidSubcommand)
        }
        ErrorKind::UnknownArgument => text(ContextKind::InvalidArg),
        _ => None,
    };
    let word = word.filter(|word| !word.starts_with('-'))?;
    let usage = error.get(ContextKind::Usage)?.to_string();
    let takes_a_command = usage.contains("[-- <COMMAND>...]") || usage.ends_with("mcp-sandbox <COMMAND>");
    takes_a_command.then(|| {
        let word = printable(word);
        format!("  hint: a server's command stands after --, as in: mcp-sandbox run -- {word}")
    })
}

/// `PATH:AT` at the last colon that an absolute path follows, so that colons in names need no escape.
fn split_path(text: OsString) -> (PathBuf, Option<PathBuf>) {
    let bytes = text.as_encoded_bytes();
    let split = (1..bytes.len().saturating_sub(1))
        .rev()
        .find(|&at| bytes[at..].starts_with(b":/"));
    match split {
        // The text is cut beside an ASCII byte, which is a boundary in every encoding of OsStr.
        Some(at) => (
            slice(&text, 0, at).into(),
            Some(slice(&text, at + 1, bytes.len()).into()),
        ),
        None => (text.into(), None),
    }
}

/// `NAME=VALUE` at the first equals sign.
fn split_variable(text: OsString) -> (OsString, Option<OsString>) {
    let bytes = text.as_encoded_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (slice(&text, 0, at), Some(slice(&text, at + 1, bytes.len()))),
        None => (text, None),
    }
}

#[cfg(unix)]
fn slice(text: &OsString, from: usize, to: usize) -> OsString {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(&text.as_bytes()[from..to]).to_owned()
}

#[cfg(not(unix))]
fn slice(text: &OsString, from: usize, to: usize) -> OsString {
    String::from_utf8_lossy(&text.as_encoded_bytes()[from..to])
        .into_owned()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    fn run(words: &[&str]) -> Run {
        match Cli::try_parse_from(words).unwrap().command {
            Command::Run(run) => run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything_after_the_separator_is_the_servers() {
        let run = run(&[
            "mcp-sandbox",
            "run",
            "--quiet",
            "--",
            "--help",
            "--profile",
            "x",
            "--",
        ]);
        assert_eq!(run.command, ["--help", "--profile", "x", "--"]);
        assert!(run.quiet && run.policy.profile.is_none());
    }

    #[cfg(unix)]
    #[test]
    fn words_that_are_not_utf8_arrive_whole() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(b"a\xff\nb".to_vec());
        let words = ["mcp-sandbox".into(), "run".into(), "--".into(), odd.clone()];
        let Command::Run(run) = Cli::try_parse_from(words).unwrap().command else {
            panic!("not run")
        };
        assert_eq!(run.command, [odd]);
    }

    #[test]
    fn paths_split_before_an_absolute_target_only() {
        let split = |text: &str| split_path(text.into());
        assert_eq!(split("/a"), ("/a".into(), None));
        assert_eq!(split("a:b"), ("a:b".into(), None));
        assert_eq!(split("a:/b"), ("a".into(), Some("/b".into())));
        assert_eq!(split("/a:x:/b/c"), ("/a:x".into(), Some("/b/c".into())));
        assert_eq!(split(":/b"), (":/b".into(), None));
    }

    #[test]
    fn variables_split_at_the_first_equals_sign() {
        assert_eq!(split_variable("A=b=c".into()), ("A".into(), Some("b=c".into())));
        assert_eq!(split_variable("A=".into()), ("A".into(), Some("".into())));
        assert_eq!(split_variable("A".into()), ("A".into(), None));
    }
}
