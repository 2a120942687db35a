//! The hostile program of the escape tests.
//!
//! `mcp-sandbox-probe NAME ARGS… [, NAME ARGS…]…` makes each attack in a child process of its own and prints
//! one line per attack: `NAME done: evidence`, `NAME stopped: ERRNO` or `NAME killed: SIGNAL`. It exits with 0 if
//! all were done, else with 1. The evidence is escaped, so a line is a line.

mod file_races;
mod files;
mod inherited;
mod kernel;
mod load;
mod process;
mod races;
mod sockets;
mod swapped;
mod sys;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// What an attack has to show for itself, or the errno that stopped it.
type Evidence = io::Result<String>;

/// One attack.
struct Attack {
    name: &'static str,
    /// The words after the name.
    words: &'static str,
    run: fn(&Words) -> Evidence,
}

/// The words after the name of an attack.
struct Words(Vec<OsString>);

impl Words {
    fn path(&self, index: usize) -> io::Result<&std::path::Path> {
        self.0
            .get(index)
            .map(std::path::Path::new)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
    }

    fn text(&self, index: usize) -> io::Result<&str> {
        self.path(index)?
            .to_str()
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EILSEQ))
    }

    /// A decimal or, after `0x`, hexadecimal number.
    fn number(&self, index: usize) -> io::Result<u64> {
        let text = self.text(index)?;
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse::<i64>().map(|number| number as u64),
        };
        number.map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
    }
}

fn attacks() -> impl Iterator<Item = &'static Attack> {
    let tables = [
        process::ATTACKS,
        kernel::ATTACKS,
        sockets::ATTACKS,
        files::ATTACKS,
        inherited::ATTACKS,
        file_races::ATTACKS,
        swapped::ATTACKS,
        races::ATTACKS,
        load::ATTACKS,
    ];
    tables.into_iter().flatten()
}

fn main() -> ExitCode {
    sys::expect_children();
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if words.is_empty() {
        return usage();
    }
    let mut all_done = true;
    for attack in words.split(|word| word == ",") {
        let Some((name, rest)) = attack.split_first() else {
            return usage();
        };
        let Some(attack) = attacks().find(|attack| name == attack.name) else {
            return usage();
        };
        all_done &= attempt(attack, Words(rest.to_vec()));
    }
    if all_done {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}

/// In a child, so that one attack does not change the ground for the next and a killed one is seen.
fn attempt(attack: &Attack, words: Words) -> bool {
    match sys::in_child(|| {
        let (line, code) = match (attack.run)(&words) {
            Ok(evidence) => (format!("done: {}", evidence.escape_debug()), 0),
            Err(error) => (format!("stopped: {}", sys::name_of(&error)), 1),
        };
        say(&format!("{} {line}\n", attack.name));
        code
    }) {
        Ok(sys::End::Exited(code)) => code == 0,
        Ok(sys::End::Killed(signal)) => {
            say(&format!("{} killed: {signal}\n", attack.name));
            false
        }
        Err(error) => {
            say(&format!(
                "{} stopped: fork {}\n",
                attack.name,
                sys::name_of(&error)
            ));
            false
        }
    }
}

fn say(line: &str) {
    // Nobody is left to be told when stdout is gone.
    let _ = io::stdout().write_all(line.as_bytes());
    let _ = io::stdout().flush();
}

fn usage() -> ExitCode {
    let lines: Vec<String> = attacks()
        .map(|attack| format!("  {} {}\n", attack.name, attack.words))
        .collect();
    say(&format!(
        "usage: mcp-sandbox-probe NAME ARGS… [, NAME ARGS…]…\n{}",
        lines.concat()
    ));
    ExitCode::from(2)
}
