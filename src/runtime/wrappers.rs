//! Programs that start another one: env, shells, and shell scripts that hand over by `exec`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use super::find::{self, Search};
use super::reach::{self, Origin};
use super::resolve::Resolver;
use super::script::{self, EnvCall, HandOver};
use super::show;
use crate::error::Error;

impl Resolver<'_> {
    /// `env NAME=value program …` as the command itself.
    pub(super) fn follow_env(&mut self, args: &mut Vec<OsString>) -> Result<(), Error> {
        let call = EnvCall::of_arguments(args);
        let Some(program) = call.program else {
            return Ok(());
        };
        let path = self.host.cwd.join(&program);
        let is_path = Path::new(&program).components().count() > 1 || Path::new(&program).is_absolute();
        let found = match self.lookup(&program, call.path.as_deref()) {
            Search::Found(found) => found,
            _ if is_path && find::is_program(&path) => path,
            _ => return Err(self.lost_interpreter(Path::new("env"), &program)),
        };
        let step = self.by_name(&program, &found, Origin::User, 0)?;
        // The program's place among the arguments; after -S it is part of a longer one and stays.
        let Some(at) = args
            .len()
            .checked_sub(call.args.len() + 1)
            .filter(|at| args[*at] == program)
        else {
            return Ok(());
        };
        if is_path || !step.before.is_empty() {
            let end = (at + 1 + step.skip).min(args.len());
            args.splice(
                at..end,
                std::iter::once(step.program.into_os_string()).chain(step.before),
            );
        }
        Ok(())
    }

    /// `sh -c 'program …'` as the command itself. False if no text was given to the shell.
    pub(super) fn follow_shell(&mut self, args: &[OsString]) -> bool {
        let is_command = |arg: &OsString| {
            let bytes = arg.as_encoded_bytes();
            bytes.starts_with(b"-") && !bytes.starts_with(b"--") && bytes.contains(&b'c')
        };
        let Some(at) = args.iter().position(is_command) else {
            return false;
        };
        let Some(text) = args.get(at + 1) else {
            return false;
        };
        for words in script::simple_commands(text.as_encoded_bytes()) {
            self.hand_over(Origin::User, &behind_env(words), 0);
        }
        true
    }

    /// Programs that a shell script replaces itself with. What cannot be followed may never be reached.
    pub(super) fn hand_overs(&mut self, script: &Path, text: &[u8], depth: usize) {
        for hand_over in script::hand_overs(text) {
            let (program, args) = match hand_over {
                HandOver::Program(program, args) => (program, args),
                HandOver::Sibling(name) => (script.with_file_name(name).into_os_string(), Vec::new()),
            };
            let words = std::iter::once(program).chain(args).collect();
            self.hand_over(Origin::Script(script), &behind_env(words), depth);
        }
        if script::assignment(text, "JAVACMD").is_some() || text.windows(9).any(|part| part == b"JAVA_HOME") {
            let java = self
                .host
                .var("JAVA_HOME")
                .map(|home| Path::new(home).join("bin/java"));
            let java =
                java.filter(|java| find::is_program(java))
                    .or(match self.lookup(OsStr::new("java"), None) {
                        Search::Found(found) => Some(found),
                        _ => None,
                    });
            java.map(|java| self.follow(&java, &[], Origin::User, depth + 1));
        }
    }

    fn hand_over(&mut self, origin: Origin<'_>, words: &[OsString], depth: usize) {
        let Some((program, args)) = words.split_first() else {
            return;
        };
        let path = Path::new(program);
        let found = match self.lookup(program, None) {
            Search::Found(found) => Some(found),
            _ if path.is_absolute() && find::is_program(path) => Some(path.to_owned()),
            _ => None,
        };
        let Some(found) = found else { return };
        let followed = match path.is_absolute() {
            true => self
                .follow(&found, &[], origin, depth + 1)
                .map(|step| match step.replaced {
                    true => self.view.link(&found, &step.program),
                    false => self.view.expose(&found),
                }),
            false => self.by_name(program, &found, origin, depth).map(|_| ()),
        };
        let by = match origin {
            Origin::Script(script) => script,
            Origin::User => Path::new("sh"),
        };
        if followed.is_err() {
            self.notes.push(format!(
                "{}: exec {} was not followed; if it is needed, add --read {}",
                show(by),
                show(program),
                show(&found)
            ));
        }
        if let Origin::Script(script) = origin {
            self.show_relative(script, args);
        }
    }

    /// npm's and pnpm's wrappers name the script relative to themselves.
    fn show_relative(&mut self, script: &Path, args: &[OsString]) {
        for rest in args
            .iter()
            .filter_map(|arg| Path::new(arg).strip_prefix("$basedir").ok())
        {
            let target = script.parent().unwrap_or(Path::new("/")).join(rest);
            let Ok(real) = fs::canonicalize(target) else {
                continue;
            };
            if reach::owns(script, &real, self.host) {
                self.show_module(&real);
            } else if !self.view.shows(&real) {
                self.notes.push(format!(
                    "{}: {} lies outside the script's own directory; if it is needed, add --read {}",
                    show(script),
                    show(rest),
                    show(&real)
                ));
            }
        }
    }
}

/// The program and arguments of `env NAME=value program …`; other commands as they are.
fn behind_env(words: Vec<OsString>) -> Vec<OsString> {
    match words.split_first() {
        Some((env, args)) if Path::new(env).ends_with("env") => {
            let call = EnvCall::of_arguments(args);
            call.program.into_iter().chain(call.args).collect()
        }
        _ => words,
    }
}
