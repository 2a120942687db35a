//! Follows one command, step by step, and collects what the box must show for it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::quote;

use super::find::{self, Search};
use super::image::{Chain, Image};
use super::prefix::{self, show_if_there};
use super::python;
use super::reach::{Origin, Reach};
use super::script::{self, EnvCall, Shebang};
use super::view::View;
use super::{Host, Runtime, shims, show, wellknown};
use crate::error::{Error, Kind};

/// A script's interpreter may be a script, five times over (fs/exec.c, exec_binprm).
const MAX_DEPTH: usize = 5;
/// Always searched in the box.
const STANDARD: &[&str] = &["/usr/bin", "/bin"];

/// What is known while a command is followed.
pub struct Resolver<'a> {
    pub(super) host: &'a Host,
    pub(super) view: View,
    /// Directories a version manager would put before PATH for the program it starts.
    front: Vec<PathBuf>,
    /// Directories for PATH in the box.
    path: Vec<PathBuf>,
    env: Vec<(OsString, OsString)>,
    pub(super) notes: Vec<String>,
}

/// What one name on the way turned out to be.
pub(super) struct Step {
    /// The file to execute, as the box shows it.
    pub(super) program: PathBuf,
    /// Arguments that come before the user's: not empty if an interpreter had to be named instead of a script.
    pub(super) before: Vec<OsString>,
    /// The name led to a shim, so it cannot be used in the box.
    pub(super) replaced: bool,
    /// How many of the user's arguments a shim takes for itself.
    pub(super) skip: usize,
    /// The ELF file at the end.
    binary: PathBuf,
    is_script: bool,
}

impl Step {
    fn binary(program: PathBuf, file: &Path) -> Self {
        Step {
            program,
            before: Vec::new(),
            replaced: false,
            skip: 0,
            binary: file.to_owned(),
            is_script: false,
        }
    }
}

impl<'a> Resolver<'a> {
    pub fn new(host: &'a Host) -> Self {
        let view = View::default();
        Resolver {
            host,
            view,
            front: Vec::new(),
            path: Vec::new(),
            env: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub fn run(mut self, command: &[OsString]) -> Result<Runtime, Error> {
        let Some((name, args)) = command.split_first() else {
            return Err(
                Error::setup("no command was given").hint("name it after `--`, as in `-- npx -y SERVER`")
            );
        };
        let found = find::find(name, self.host, &mut self.notes)?;
        let step = self.follow(&found, args, Origin::User, 0)?;
        let mut args = args[step.skip..].to_vec();
        if found.ends_with("env") {
            self.follow_env(&mut args)?;
        } else if script::is_shell(&found) && self.follow_shell(&args) {
            self.notes
                .push("the command given to the shell was followed as far as it can be read".into());
        } else if !step.is_script {
            self.show_program_argument(&mut args);
        }
        let hidden_args = self.hidden(&args);
        let mut argv = vec![zeroth(name, &step)];
        argv.extend(step.before);
        argv.extend(args);
        Ok(self.finish(step.program, argv, hidden_args))
    }

    fn finish(self, program: PathBuf, argv: Vec<OsString>, hidden_args: Vec<PathBuf>) -> Runtime {
        let (mounts, links) = self.view.finish();
        let local = Path::new("/usr/local/bin");
        let uses_local = mounts.iter().any(|mount| mount.at.starts_with(local));
        let store = Path::new("/run/current-system/sw/bin");
        let mut path: Vec<PathBuf> = Vec::new();
        let standard = uses_local
            .then_some(local)
            .into_iter()
            .chain(store.is_dir().then_some(store));
        let standard = standard.chain(STANDARD.iter().map(Path::new));
        for directory in self.path.iter().map(PathBuf::as_path).chain(standard) {
            if !path.iter().any(|known| known == directory) {
                path.push(directory.to_owned());
            }
        }
        Runtime {
            program,
            argv,
            mounts,
            links,
            path,
            env: self.env,
            notes: self.notes,
            hidden_args,
        }
    }

    pub(super) fn follow(
        &mut self,
        path: &Path,
        args: &[OsString],
        origin: Origin<'_>,
        depth: usize,
    ) -> Result<Step, Error> {
        if depth > MAX_DEPTH {
            let message = format!(
                "{} leads through more than {MAX_DEPTH} scripts and shims",
                quote(path)
            );
            return Err(Error::new(Kind::NotExecutable, message));
        }
        let chain = Chain::read(path)?;
        if chain.file() != path {
            self.notes
                .push(format!("{} -> {}", show(path), show(chain.file())));
        }
        if let (Origin::Script(script), Reach::Alone) = (origin, origin.reach(&chain, self.host)) {
            return self.alone(&chain, script);
        }
        if let Some(target) = shims::linked(path, &chain, args, self.host)? {
            return self.behind(&chain, path, target, args, depth);
        }
        let text = match Image::read(chain.file())? {
            Image::Elf => return Ok(self.binary(&chain)),
            Image::Script(text) => text,
        };
        match shims::scripted(path, &chain, &text, self.host)? {
            Some(target) => self.behind(&chain, path, target, args, depth),
            None => self.script(&chain, &text, depth),
        }
    }

    fn behind(
        &mut self,
        chain: &Chain,
        shim: &Path,
        target: shims::Target,
        args: &[OsString],
        depth: usize,
    ) -> Result<Step, Error> {
        self.notes.push(format!(
            "{} is a shim of {} -> {}",
            show(shim),
            target.by,
            show(&target.path)
        ));
        let directories = target
            .front
            .into_iter()
            .chain(target.path.parent().map(Path::to_owned));
        self.front.splice(0..0, directories);
        let origin = Origin::of_shim(chain, self.host);
        let step = self.follow(&target.path, args, origin, depth + 1)?;
        Ok(Step {
            replaced: true,
            skip: step.skip + target.skip,
            ..step
        })
    }

    fn binary(&mut self, chain: &Chain) -> Step {
        let file = chain.file();
        let mut program = None;
        if python::is_python(file) {
            let venv = python::show(chain, &mut self.view, self.host, &mut self.notes);
            program = venv.map(|_| chain.first().to_owned());
        } else {
            self.show_binary(file);
        }
        let program = program.unwrap_or_else(|| self.shown_hop(chain));
        self.search(program.parent());
        Step::binary(program, file)
    }

    /// A program that a script names at a place which is neither its own nor an installer's.
    fn alone(&mut self, chain: &Chain, script: &Path) -> Result<Step, Error> {
        let file = chain.file();
        if !matches!(Image::read(file), Ok(Image::Elf)) {
            return Err(out_of_reach(script, file));
        }
        if !self.view.shows(file) {
            prefix::show_file(file, &mut self.view);
            self.notes.push(format!(
                "{} names {}: only its file is shown; if it needs more, add --read {}",
                show(script),
                show(file),
                show(prefix::above_bin(file).or(file.parent()).unwrap_or(file))
            ));
        }
        Ok(Step::binary(self.shown_hop(chain), file))
    }

    fn show_binary(&mut self, file: &Path) {
        let (kind, prefix) = prefix::show_program(file, &mut self.view, self.host);
        let Some(kind) = kind else { return };
        if let (Some(variable), Some(prefix)) = (kind.variable, prefix) {
            self.set(variable, prefix.into_os_string());
        }
        if kind.name == "uv" {
            let pythons = self.host.dir("UV_PYTHON_INSTALL_DIR", ".local/share/uv/python");
            if pythons.is_dir() {
                show_if_there(&pythons, "pythons of uv", &mut self.view);
                self.set("UV_PYTHON_INSTALL_DIR", pythons.into_os_string());
            }
        }
    }

    fn script(&mut self, chain: &Chain, text: &[u8], depth: usize) -> Result<Step, Error> {
        let file = chain.file();
        let shebang = Shebang::parse(text).ok_or_else(|| no_interpreter(file))?;
        check_line_end(file, &shebang)?;
        let argument = shebang.argument.as_deref();
        self.notes.push(format!(
            "{}: #! {}{}",
            show(file),
            show(&shebang.interpreter),
            argument
                .map(|argument| format!(" {}", show(argument)))
                .unwrap_or_default()
        ));
        let (inner, words) = match argument.filter(|_| shebang.interpreter.ends_with("env")) {
            Some(argument) => self.interpreter_by_env(file, argument, depth)?,
            None => {
                let step = self.interpreter(file, &shebang.interpreter, depth)?;
                (step, shebang.argument.clone().into_iter().collect())
            }
        };
        self.show_script(chain, &inner.binary);
        if script::is_shell(&inner.binary) || script::is_shell(&shebang.interpreter) {
            self.hand_overs(file, text, depth);
        }
        let program = self.shown_hop(chain);
        self.search(program.parent().filter(|_| self.view.shows(chain.first())));
        let rewritten = inner.replaced || !inner.before.is_empty();
        if !rewritten {
            return Ok(Step {
                program,
                is_script: true,
                ..inner
            });
        }
        let mut before = inner.before;
        before.extend(words);
        before.push(program.into_os_string());
        Ok(Step {
            program: inner.program,
            before,
            replaced: false,
            skip: 0,
            binary: inner.binary,
            is_script: true,
        })
    }

    fn interpreter(&mut self, script: &Path, path: &Path, depth: usize) -> Result<Step, Error> {
        if !path.is_absolute() {
            let message = format!(
                "{} names the interpreter {}, not an absolute path",
                quote(script),
                quote(path)
            );
            return Err(Error::new(Kind::NotExecutable, message));
        }
        if !find::is_program(path) {
            return Err(self.lost_interpreter(script, path.as_os_str()));
        }
        let step = self.follow(path, &[], Origin::Script(script), depth + 1)?;
        if !step.replaced {
            self.view.expose(path);
        }
        Ok(step)
    }

    /// The interpreter behind `#!/usr/bin/env …`, and the arguments env would give it.
    fn interpreter_by_env(
        &mut self,
        script: &Path,
        argument: &OsStr,
        depth: usize,
    ) -> Result<(Step, Vec<OsString>), Error> {
        let call = EnvCall::of_shebang(argument);
        let program = call.program.as_deref().ok_or_else(|| no_interpreter(script))?;
        if Path::new(program).is_absolute() {
            return Ok((self.interpreter(script, Path::new(program), depth)?, call.args));
        }
        let Search::Found(found) = self.lookup(program, call.path.as_deref()) else {
            return Err(self.lost_interpreter(script, program));
        };
        let step = self.by_name(program, &found, Origin::Script(script), depth)?;
        Ok((
            Step {
                replaced: false,
                ..step
            },
            call.args,
        ))
    }

    /// Follows a program found by its bare name, which must lead to it in the box as well.
    pub(super) fn by_name(
        &mut self,
        name: &OsStr,
        found: &Path,
        origin: Origin<'_>,
        depth: usize,
    ) -> Result<Step, Error> {
        let step = self.follow(found, &[], origin, depth + 1)?;
        if step.before.is_empty() && step.program.file_name() != Some(name) {
            self.view.link(found, &step.program);
            self.search(found.parent());
        }
        Ok(step)
    }

    /// A program by its bare name: first where a version manager would look, then along PATH.
    pub(super) fn lookup(&self, name: &OsStr, path: Option<&OsStr>) -> Search {
        let mut directories = match path {
            Some(path) => std::env::split_paths(path)
                .filter(|entry| entry.is_absolute())
                .collect(),
            None => find::directories(self.host),
        };
        directories.splice(0..0, self.front.iter().cloned());
        find::along(name, &directories)
    }

    /// The first name on the way from which the box, too, gets to the file.
    fn shown_hop(&self, chain: &Chain) -> PathBuf {
        let shown = |at: &usize| {
            let here = self.view.shows(&chain.hops[*at]);
            here && chain.named[at + 1..].iter().all(|named| self.view.shows(named))
        };
        let at = (0..chain.hops.len()).find(shown).unwrap_or(chain.hops.len() - 1);
        chain.hops[at].clone()
    }

    fn search(&mut self, directory: Option<&Path>) {
        let Some(directory) = directory else { return };
        let standard = STANDARD.iter().any(|standard| directory == Path::new(standard));
        if !standard && !self.path.iter().any(|known| known == directory) {
            self.path.push(directory.to_owned());
        }
    }

    pub(super) fn set(&mut self, name: &str, value: OsString) {
        if !self.env.iter().any(|(known, _)| known == name) {
            self.env.push((name.into(), value));
        }
    }

    pub(super) fn lost_interpreter(&self, script: &Path, program: &OsStr) -> Error {
        let message = format!("{} needs {}, which was not found", quote(script), quote(program));
        let error = Error::new(Kind::NotFound, message);
        if program.as_encoded_bytes().contains(&b' ') {
            return error
                .hint("env takes the whole rest of a #! line as one name; write `#!/usr/bin/env -S …`");
        }
        let name = Path::new(program).file_name().unwrap_or(program);
        match wellknown::find(name, self.host) {
            Some(place) => error.hint(format!(
                "found at {}; add its directory to PATH in the client's config",
                quote(place)
            )),
            None => error.hint(format!("install {}, or add its directory to PATH", quote(name))),
        }
    }
}

/// `argv[0]`: what was typed, as programs of several names read it; but a path must be one of the box, and
/// Python finds its installation by it.
fn zeroth(name: &OsStr, step: &Step) -> OsString {
    let typed = Path::new(name);
    let is_path = typed.components().count() > 1 || typed.is_absolute();
    let moved = is_path && typed.file_name() == step.program.file_name();
    match step.replaced || !step.before.is_empty() || moved || python::is_python(&step.program) {
        true => step.program.clone().into_os_string(),
        false => name.to_owned(),
    }
}

fn out_of_reach(script: &Path, file: &Path) -> Error {
    let message = format!(
        "{} names {}, which is no ELF program and lies outside the script's own directory, PATH and known installations",
        quote(script),
        quote(file)
    );
    Error::new(Kind::NotExecutable, message).hint(format!(
        "if it is meant, put its directory on PATH, or make it the command and add `--read {}`",
        quote(script)
    ))
}

fn no_interpreter(script: &Path) -> Error {
    Error::new(
        Kind::NotExecutable,
        format!("{} has a #! line without an interpreter", quote(script)),
    )
}

fn check_line_end(script: &Path, shebang: &Shebang) -> Result<(), Error> {
    let last = shebang
        .argument
        .as_deref()
        .unwrap_or(shebang.interpreter.as_os_str());
    match last.as_encoded_bytes().ends_with(b"\r") {
        false => Ok(()),
        true => Err(Error::new(Kind::NotExecutable, format!("{} has line ends of Windows", quote(script)))
            .hint("the kernel takes the carriage return as part of the interpreter's name; convert it with dos2unix")),
    }
}
