//! One line of `filesystem.mounts`: its text, and whether `check` would let it pass.

use std::path::{Path, PathBuf};

use mcp_sandbox_platform::{Access, quote};

use super::Run;
use super::text::{Line, State, string};
use crate::policy::mounts;
use crate::profile::{self, Located, Origin, PathText, expand};

/// One mount on its way to a line.
pub struct Entry {
    pub path: PathBuf,
    pub at: Option<PathBuf>,
    pub write: bool,
    pub exclude: Vec<String>,
    pub state: State,
    pub why: String,
}

/// The line of an entry; kept back where `check` would refuse it or warn of it.
pub fn judged(run: &Run<'_>, entry: Entry) -> Line {
    let create = entry.write && !entry.path.exists();
    let text = text(run, &entry, create);
    let Some(text) = text else {
        let text = quote(&entry.path);
        return Line::new(
            State::KeptBack,
            text,
            format!("{}; no profile can name it", entry.why),
        );
    };
    let refusal = match entry.state {
        State::KeptBack => None,
        State::Used | State::Refused => refusal(run, &entry, create),
    };
    match refusal {
        None => Line::new(entry.state, text, entry.why),
        Some(reason) => Line::new(State::KeptBack, text, format!("{}; {reason}", entry.why)),
    }
}

/// Why a profile with this mount would not be valid, or be warned of.
fn refusal(run: &Run<'_>, entry: &Entry, create: bool) -> Option<String> {
    let origin = Origin::flag("learn");
    let literal = |path: &PathBuf| origin.at(PathText::Literal(path.clone()));
    let mount = profile::Mount {
        path: literal(&entry.path),
        at: entry.at.as_ref().map(literal),
        access: if entry.write { Access::Write } else { Access::Read },
        create,
        exclude: Vec::new(),
    };
    let mut profile = run.base.profile.clone();
    profile.mounts = vec![origin.at(mount)];
    match mounts::resolve(&profile, run.host) {
        Ok(resolved) => resolved.warnings.first().map(|one| one.message.clone()),
        Err(found) => found.first().map(|one| one.message.clone()),
    }
}

fn text(run: &Run<'_>, entry: &Entry, create: bool) -> Option<String> {
    let mut text = format!("{{ path = {}", path(run, &entry.path)?);
    if let Some(at) = &entry.at {
        text += &format!(", at = {}", path_in_box(at)?);
    }
    text += match entry.write {
        true => ", access = \"write\"",
        false => ", access = \"read\"",
    };
    if create {
        text += ", create = true";
    }
    if !entry.exclude.is_empty() {
        let patterns: Vec<String> = entry.exclude.iter().map(|pattern| string(pattern)).collect();
        text += &format!(", exclude = [{}]", patterns.join(", "));
    }
    Some(text + " }")
}

/// A path of the host as a profile writes it; nothing for one that a profile would read as another.
pub fn path(run: &Run<'_>, path: &Path) -> Option<String> {
    let text = match path.strip_prefix(&run.host.home) {
        Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Ok(rest) => format!("~/{}", rest.to_str()?),
        Err(_) => path.to_str()?.to_owned(),
    };
    if text.contains(char::is_control) {
        return None;
    }
    let located: Located<PathText> = Origin::flag("learn").at(PathText::Template(text.clone()));
    let read = expand::path(&located, run.host).ok()?;
    (read == path).then(|| string(&text))
}

fn path_in_box(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    (!text.contains("${")).then(|| string(text))
}
