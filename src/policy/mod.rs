//! From a merged profile and the host to a policy: absolute, nothing optional left.

mod arguments;
pub mod environment;
pub mod limits;
mod links;
pub mod mounts;
pub mod network;
pub mod protected;
pub mod sensitive;

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use mcp_sandbox_platform::files::Exclusion;
use mcp_sandbox_platform::{Access, Bytes, Command, Home, HomeKind, Link, Mount, Policy, Process, quote};

use crate::error::{Diagnostic, Error};
use crate::host::{Account, Facts};
use crate::prepare::{self, Found};
use crate::profile::{Flags, HomeMode, Located, Profile, User, expand, select};
use crate::runtime::{self, Runtime};
use crate::{profile, runtime::System};

/// What was asked for: a profile and the flags over it, and the command.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub profile: Option<String>,
    pub context: Option<String>,
    pub flags: Flags,
    pub command: Vec<OsString>,
}

/// A policy, with what a person should know about how it came to be.
#[derive(Debug, Clone)]
pub struct Resolved {
    pub policy: Policy,
    /// What the policy was made from, flags included.
    pub profile: Profile,
    /// The mounts that the profile, the flags and the arguments ask for.
    pub asked: Vec<Mount>,
    /// The command as it was typed, or as the profile has it.
    pub typed: Vec<OsString>,
    /// Whether that stands for a package, which is started in its place.
    pub package: Found,
    /// The profile was picked by its `command.match`.
    pub picked: bool,
    /// Lines that are printed even with `--quiet`.
    pub warnings: Vec<Diagnostic>,
    /// How the command was followed, for `-v`.
    pub notes: Vec<String>,
    /// Arguments that name paths which the box does not show.
    pub hidden: Vec<PathBuf>,
    /// A launcher that only a shell can start, and so cannot be prepared.
    pub behind_shell: Option<&'static str>,
}

/// Size of an ephemeral home where `resources.disk` says nothing; memory that is used only as far as it is filled.
const HOME_SIZE: Bytes = Bytes(1 << 30);

/// Loads the profile that is asked for or fits, and resolves it for this host.
///
/// # Errors
/// Whatever in the profile, the flags or the command cannot be carried out here.
pub fn resolve(request: &Request, facts: &Facts) -> Result<Resolved, Error> {
    resolve_with(request, facts, |_, _| Ok(()))
}

/// [`resolve`], where a package that a command starts is not there yet, `make` is called with the profile and the command
/// before it is looked up again.
///
/// # Errors
/// As [`resolve`], and those of `make`.
pub fn resolve_with(
    request: &Request,
    facts: &Facts,
    make: impl Fn(&Profile, &[OsString]) -> Result<(), Error>,
) -> Result<Resolved, Error> {
    let Chosen {
        profile,
        picked,
        mut warnings,
    } = open(request, facts)?;
    let typed = command(request, &profile, facts)?;
    let behind_shell = crate::profile::package::behind_shell(&typed);
    let lock_file = prepare::lock_file(&profile.name, &facts.profile);
    let mut package = prepare::find(&typed, &lock_file, facts)?;
    if matches!(package, Found::Missing(_)) {
        make(&profile, &typed)?;
        package = prepare::find(&typed, &lock_file, facts)?;
    }
    let command = match &package {
        Found::Ready(ready) => ready.command.clone(),
        Found::Plain | Found::Missing(_) => typed.clone(),
    };
    let runtime = runtime::resolve(&command, &facts.runtime)?;
    let system = runtime::system();
    mounts::judge_runtime(&runtime.mounts, &facts.profile).map_err(Error::profile)?;

    let given = mounts::resolve(&profile, &facts.profile).map_err(Error::profile)?;
    warnings.extend(given.warnings);
    let reached = network::resolve(&profile).map_err(Error::profile)?;
    warnings.extend(reached.warnings);
    let (mut asked, mut guarded) = (given.mounts, given.guarded);
    excluded_program(&runtime.program, &given.exclusions)?;
    let own = |asked: &[Mount]| in_order(asked, &system.mounts, &runtime.mounts);
    if let Some(access) = profile.path_args.value.access() {
        let more =
            mounts::path_args(&command, access, &own(&asked), &facts.profile).map_err(Error::profile)?;
        warnings.extend(more.warnings);
        let known: Vec<PathBuf> = asked.iter().map(|mount| mount.at.clone()).collect();
        asked.extend(more.mounts.into_iter().filter(|one| !known.contains(&one.at)));
        guarded.extend(more.guarded);
    }
    let packages: Vec<Diagnostic> = asked
        .iter()
        .filter_map(|one| holds_packages(one, facts))
        .collect();
    if !packages.is_empty() {
        return Err(Error::profile(packages));
    }
    asked.extend(repeated(&guarded, &own(&asked)));
    let mounts = own(&asked);
    let hidden = runtime
        .hidden_args
        .iter()
        .filter(|path| !is_visible(path, &mounts))
        .cloned()
        .collect();
    let links = links_of(&system, &runtime, &mounts);

    let account = account(&profile.user, facts)?;
    let covered = [&system.mounts, &runtime.mounts]
        .iter()
        .any(|mounts| is_visible(&account.home, mounts));
    let limits = limits::resolve(&profile, facts.profile.cores).map_err(Error::profile)?;
    let short = limits::of_program(&profile, &runtime.program);
    if !short.is_empty() {
        return Err(Error::profile(short));
    }
    let disk = limits.disk.as_ref().map_or(HOME_SIZE, |disk| disk.value);
    let home = home(&profile, &account, covered, disk, facts)?;
    let blocked: Vec<Diagnostic> = asked
        .iter()
        .filter_map(|mount| blocked(mount, &home, &links))
        .collect();
    if !blocked.is_empty() {
        return Err(Error::profile(blocked));
    }
    let cwd = working_directory(&profile, &mounts, &home, facts)?;
    let policy = Policy {
        profile: profile.name.clone(),
        process: Process {
            spawn: profile.spawn.value,
            capabilities: profile
                .capabilities
                .iter()
                .map(|name| name.value.clone())
                .collect(),
            env: environment::environment(&profile, &runtime, &account.user, &home.at, &cwd),
            user: account.user,
        },
        command: Command {
            program: runtime.program,
            argv: runtime.argv,
            cwd,
        },
        mounts,
        exclusions: given.exclusions,
        protected: protected::patterns(&profile.writable_sensitive),
        links,
        home,
        tmp: profile.tmp.value.min(disk),
        network: reached.network,
        limits,
        observe: false,
    };
    Ok(Resolved {
        policy,
        profile,
        asked,
        typed,
        package,
        picked,
        warnings,
        notes: runtime.notes,
        hidden,
        behind_shell,
    })
}

/// The profile of a request.
#[derive(Debug, Clone)]
pub struct Chosen {
    pub profile: Profile,
    /// It was picked by its `command.match`.
    pub picked: bool,
    pub warnings: Vec<Diagnostic>,
}

/// Loads the profile that is asked for or fits.
///
/// # Errors
/// There is none of that name, or it is not valid.
pub fn open(request: &Request, facts: &Facts) -> Result<Chosen, Error> {
    let (name, warnings) = choose(request, facts)?;
    let profile = profile::open(
        name.as_deref(),
        request.context.as_deref(),
        &request.flags,
        &facts.profile,
    )?;
    Ok(Chosen {
        profile,
        picked: request.profile.is_none() && name.is_some(),
        warnings,
    })
}

/// The profile that was named, or the one that fits the command.
fn choose(request: &Request, facts: &Facts) -> Result<(Option<String>, Vec<Diagnostic>), Error> {
    if request.profile.is_some() || request.command.is_empty() {
        return Ok((request.profile.clone(), Vec::new()));
    }
    let follow = |path: &Path| runtime::locate(path.as_os_str(), &facts.runtime);
    let selection = select::select(&request.command, &facts.profile, follow)?;
    Ok((selection.name, selection.unread))
}

fn command(request: &Request, profile: &Profile, facts: &Facts) -> Result<Vec<OsString>, Error> {
    if !request.command.is_empty() {
        return Ok(request.command.clone());
    }
    match expand::run(profile, &facts.profile).map_err(Error::profile)? {
        words if words.is_empty() => Err(Error::setup("there is no command to run")
            .hint(
                "write it after --, as in: mcp-sandbox run -- npx -y @modelcontextprotocol/server-everything",
            )
            .hint("or give the profile a command: [command] run = [\"npx\", …]")),
        words => Ok(words),
    }
}

/// A program is executed as a whole, so it is not left out of what the box shows. Where it lies is where it lies on the
/// host, unless it is the profile's own mount that shows it elsewhere.
fn excluded_program(program: &Path, exclusions: &[Exclusion]) -> Result<(), Error> {
    let real = program.canonicalize();
    match mounts::refused(real.as_deref().unwrap_or(program), &mounts::rules(exclusions)) {
        None => Ok(()),
        Some(refusal) => Err(Error::setup(format!(
            "{} cannot be executed: it is excluded by {} ({})",
            quote(program),
            quote(&refusal.pattern.text),
            refusal.pattern.reason
        ))
        .hint("re-include it with a later \"!\" pattern")),
    }
}

/// What the profile and the flags mount wins over what the system and the runtime would mount.
fn in_order(asked: &[Mount], system: &[Mount], runtime: &[Mount]) -> Vec<Mount> {
    let mut mounts = asked.to_vec();
    for mount in system.iter().chain(runtime) {
        let shown = mounts
            .iter()
            .any(|known| known.at == mount.at || known.shows(mount));
        if !shown {
            mounts.push(mount.clone());
        }
    }
    mounts.sort_by(|one, two| one.at.cmp(&two.at));
    mounts
}

/// What is `guarded` against writing, under every other name by which a writable mount shows it. A mount that was asked
/// for at that very place is left alone.
fn repeated(guarded: &[Mount], mounts: &[Mount]) -> Vec<Mount> {
    let mut found: Vec<Mount> = Vec::new();
    let writable = mounts.iter().filter(|mount| mount.access == Access::Write);
    for (outer, mount) in writable.flat_map(|outer| guarded.iter().map(move |mount| (outer, mount))) {
        let inner = match mount.source.strip_prefix(&outer.source) {
            Ok(inner) if !inner.as_os_str().is_empty() => inner,
            _ => continue,
        };
        let at = outer.at.join(inner);
        let covering = |other: &&Mount| other.at.starts_with(&outer.at) && at.starts_with(&other.at);
        let covered = mounts.iter().filter(covering).any(|other| other.at != outer.at);
        if !covered && !found.iter().any(|known| known.at == at) {
            let mount = mount.clone();
            found.push(Mount { at, ..mount });
        }
    }
    found
}

/// Whether a server could change what other servers, or the next start of its own, are started from.
fn holds_packages(mount: &Mount, facts: &Facts) -> Option<Diagnostic> {
    let packages = &facts.profile.cache_dir;
    let real = packages.canonicalize();
    let packages = real.as_ref().unwrap_or(packages);
    // Who prepares a package writes into the folder of that package.
    let near = packages.starts_with(&mount.source) || mount.source == packages.join("packages");
    (mount.access == Access::Write && near).then(|| Diagnostic {
        file: mount.reason.clone(),
        place: None,
        message: format!(
            "{} cannot be mounted writable: it holds the packages that other servers are started from",
            quote(&mount.source)
        ),
        hint: Some("mount a folder beside them, or this one read-only".into()),
    })
}

fn is_visible(path: &Path, mounts: &[Mount]) -> bool {
    mounts.iter().any(|mount| path.starts_with(&mount.at))
}

/// Links of the system and the runtime; none below a mount, where the host's own links are.
fn links_of(system: &System, runtime: &Runtime, mounts: &[Mount]) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    for link in system.links.iter().chain(&runtime.links) {
        if !links.iter().any(|known| known.at == link.at) && !is_visible(&link.at, mounts) {
            links.push(link.clone());
        }
    }
    links
}

/// Who the server runs as.
fn account(user: &Located<User>, facts: &Facts) -> Result<Account, Error> {
    let own = Account {
        user: facts.user.clone(),
        home: facts.profile.home.clone(),
    };
    let refused = |message: String, hint: &str| Error::profile(vec![user.origin.diagnostic(message, hint)]);
    let name = match &user.value {
        User::Inherit => return Ok(own),
        User::Name(name) => name.clone(),
        User::Uid(uid) => uid.to_string(),
    };
    let unknown = || {
        refused(
            format!("there is no user {}", quote(&name)),
            "name one that has a line in /etc/passwd",
        )
    };
    let wanted = Account::of(&name).ok_or_else(unknown)?;
    if wanted.user.uid == own.user.uid {
        return Ok(own);
    }
    if own.user.uid != 0 {
        let message = format!(
            "only root can start a server as another user, {}",
            quote(&wanted.user.name)
        );
        return Err(refused(message, "remove user, or start as root"));
    }
    Ok(wanted)
}

/// What keeps a mount that was asked for from being made in this box.
fn blocked(mount: &Mount, home: &Home, links: &[Link]) -> Option<Diagnostic> {
    let why = match links.iter().find(|link| mount.at.starts_with(&link.at)) {
        Some(link) => format!(
            "{} is a link to {} in the box",
            quote(&link.at),
            quote(&link.target)
        ),
        None if home.at == mount.at => "it is the server's private home".to_owned(),
        None if home.at.starts_with(&mount.at) => {
            format!("the server's private home lies in it, at {}", quote(&home.at))
        }
        None => return None,
    };
    Some(Diagnostic {
        file: mount.reason.clone(),
        place: None,
        message: format!("nothing can be mounted at {}: {why}", quote(&mount.at)),
        hint: Some("choose another place: --read PATH:AT, or at = \"/workspace\" in a profile".into()),
    })
}

/// The home in the box lies where the user's home lies on the host, so that paths below it mean the same; elsewhere
/// where that would not be a private folder: the system or the runtime shows what is `covered`. A line of passwd(5) must
/// be able to hold it.
fn home(
    profile: &Profile,
    account: &Account,
    covered: bool,
    size: Bytes,
    facts: &Facts,
) -> Result<Home, Error> {
    let at: PathBuf = account.home.components().collect();
    let fits_passwd = !at
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .any(|byte| b":\n".contains(byte));
    let usual = expand::allowed_target(&at, &profile.home.origin).is_ok()
        && fits_passwd
        && at.is_absolute()
        && !at.components().any(|part| part == Component::ParentDir)
        && !covered;
    let at = match usual {
        true => at,
        false => Path::new("/home").join(&account.user.name),
    };
    let kind = match profile.home.value {
        HomeMode::Ephemeral => HomeKind::Ephemeral(size),
        HomeMode::Persistent => HomeKind::Persistent(persistent_home(profile, facts)?),
    };
    Ok(Home { at, kind })
}

/// A folder of our own state, named after the profile; a profile's file counts by its path.
fn persistent_home(profile: &Profile, facts: &Facts) -> Result<PathBuf, Error> {
    let name = profile.name.replace('%', "%25").replace('/', "%2F");
    if name.len() > 255 || name.starts_with('.') {
        let message = format!(
            "the path of profile {} is too long to name a home after",
            quote(&profile.name)
        );
        return Err(Error::setup(message).hint("move the profile to a shorter path"));
    }
    let homes = facts.profile.state_dir.join("homes");
    // The folder may not exist yet; what exists of the path must be free of symbolic links.
    let existing = homes
        .ancestors()
        .find_map(|part| Some((part, part.canonicalize().ok()?)));
    let homes = match existing {
        Some((part, real)) => real.join(homes.strip_prefix(part).unwrap_or(Path::new(""))),
        None => homes,
    };
    Ok(homes.join(name))
}

/// What the profile says, else the client's own folder where the box shows it or something in it, else the home.
fn working_directory(
    profile: &Profile,
    mounts: &[Mount],
    home: &Home,
    facts: &Facts,
) -> Result<PathBuf, Error> {
    if let Some(cwd) = expand::cwd(profile, &facts.profile).map_err(|one| Error::profile(vec![one]))? {
        // Memory is empty at the start but for what leads to a mount; a home that is kept may hold the folder.
        let kept = matches!(home.kind, HomeKind::Persistent(_)) && cwd.starts_with(&home.at);
        let inside = kept || cwd == Path::new("/tmp") || home.at.starts_with(&cwd);
        let shown = mounts
            .iter()
            .any(|mount| cwd.starts_with(&mount.at) || mount.at.starts_with(&cwd));
        if inside || shown {
            return Ok(cwd);
        }
        let origin = profile.cwd.as_ref().map(|cwd| &cwd.origin).expect("cwd is given");
        let message = format!("the working directory {} is not in the box", quote(&cwd));
        let hint = "mount it with --read or --write, or name a folder that a mount shows";
        return Err(Error::profile(vec![origin.diagnostic(message, hint)]));
    }
    let own = &facts.profile.cwd;
    // Something below the folder lies where it lies on the host, so paths relative to the folder mean the same.
    if mounts
        .iter()
        .any(|mount| mount.source == mount.at && mount.at.starts_with(own))
    {
        return Ok(own.clone());
    }
    // The innermost mount that shows the folder.
    let showing = mounts.iter().filter(|mount| own.starts_with(&mount.source));
    let shown = showing
        .max_by_key(|mount| mount.source.components().count())
        .and_then(|mount| {
            let path = mount.at.join(own.strip_prefix(&mount.source).ok()?);
            Some(path.components().collect())
        });
    Ok(shown.unwrap_or_else(|| home.at.clone()))
}

#[cfg(unix)]
#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
