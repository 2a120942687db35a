//! Where clients keep their files on this machine: the variables in the table's paths, by operating system.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Paths, Scope};

/// The operating system whose paths count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    Linux,
    Macos,
    Windows,
}

/// What the variables of paths stand for.
#[derive(Debug, Clone)]
pub struct Places {
    pub os: Os,
    pub home: PathBuf,
    /// `{config}`: where programs keep their settings.
    pub config: PathBuf,
    /// `{project}`: the folder that a client would work in.
    pub project: PathBuf,
    /// `{claude}`, `{codex}`, `{copilot}`: folders that a variable of the client's moves.
    pub claude: PathBuf,
    pub codex: PathBuf,
    pub copilot: PathBuf,
    pub program_data: PathBuf,
}

impl Os {
    /// The one we run on.
    pub fn own() -> Self {
        match std::env::consts::OS {
            "macos" => Os::Macos,
            "windows" => Os::Windows,
            _ => Os::Linux,
        }
    }
}

impl Places {
    /// `variable` looks into the environment; only absolute paths count there.
    pub fn new(os: Os, home: &Path, project: &Path, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let given = |name: &str| {
            variable(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let config = match os {
            Os::Linux => given("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")),
            Os::Macos => home.join("Library/Application Support"),
            Os::Windows => given("APPDATA").unwrap_or_else(|| home.join("AppData/Roaming")),
        };
        Places {
            os,
            config,
            claude: given("CLAUDE_CONFIG_DIR").unwrap_or_else(|| home.to_owned()),
            codex: given("CODEX_HOME").unwrap_or_else(|| home.join(".codex")),
            copilot: given("COPILOT_HOME").unwrap_or_else(|| home.join(".copilot")),
            program_data: given("ProgramData").unwrap_or_else(|| "C:/ProgramData".into()),
            home: home.to_owned(),
            project: project.to_owned(),
        }
    }

    /// The paths of a kind of file, those with `*` as far as there are such files.
    pub fn paths(&self, paths: &Paths) -> Vec<PathBuf> {
        let of_os = match self.os {
            Os::Linux => paths.linux,
            Os::Macos => paths.macos,
            Os::Windows => paths.windows,
        };
        of_os
            .iter()
            .flat_map(|path| matching(self.expand(path)))
            .collect()
    }

    fn expand(&self, path: &str) -> PathBuf {
        let variables = [
            ("{home}", &self.home),
            ("{config}", &self.config),
            ("{project}", &self.project),
            ("{claude}", &self.claude),
            ("{codex}", &self.codex),
            ("{copilot}", &self.copilot),
            ("{programdata}", &self.program_data),
        ];
        for (name, place) in variables {
            if let Some(rest) = path.strip_prefix(name) {
                return place.join(rest.trim_start_matches('/'));
            }
        }
        path.into()
    }
}

/// The project that a folder is part of: the nearest folder with a `.git` in it, but not the home or what it lies in;
/// else the folder itself.
pub fn project_of(folder: &Path, home: &Path) -> PathBuf {
    let mut inside = folder
        .ancestors()
        .take_while(|ancestor| !home.starts_with(ancestor));
    inside
        .find(|ancestor| ancestor.join(".git").exists())
        .unwrap_or(folder)
        .to_owned()
}

/// What a path with `*` in its parts stands for, in order.
fn matching(path: PathBuf) -> Vec<PathBuf> {
    let parts: Vec<_> = path.components().collect();
    let star = |part: &std::path::Component| part.as_os_str().as_encoded_bytes().contains(&b'*');
    let Some(index) = parts.iter().position(star) else {
        return vec![path];
    };
    let folder: PathBuf = parts[..index].iter().collect();
    let pattern = parts[index].as_os_str().to_string_lossy().into_owned();
    let (start, end) = pattern.split_once('*').unwrap_or((&pattern, ""));
    let rest: PathBuf = parts[index + 1..].iter().collect();
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        })
        .collect();
    names.sort();
    let join = |name: String| match rest.as_os_str().is_empty() {
        true => folder.join(name),
        false => folder.join(name).join(&rest),
    };
    names.into_iter().map(join).flat_map(matching).collect()
}

impl Scope {
    /// Whether others than this user read such a file.
    pub fn is_shared(self) -> bool {
        self != Scope::User
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::{Client, table::CLIENTS};

    fn files(os: Os, client: &str) -> Vec<String> {
        let places = Places::new(os, Path::new("/h"), Path::new("/p"), |_| None);
        let client: &Client = CLIENTS.iter().find(|one| one.name == client).unwrap();
        let paths = client.files.iter().flat_map(|file| places.paths(&file.paths));
        paths.map(|path| path.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_operating_system_has_its_own_places() {
        assert_eq!(
            files(Os::Macos, "claude-desktop"),
            ["/h/Library/Application Support/Claude/claude_desktop_config.json"]
        );
        assert_eq!(
            files(Os::Windows, "claude-desktop"),
            ["/h/AppData/Roaming/Claude/claude_desktop_config.json"]
        );
        assert_eq!(
            files(Os::Linux, "zed"),
            ["/h/.config/zed/settings.json", "/p/.zed/settings.json"]
        );
        assert_eq!(
            files(Os::Macos, "zed"),
            ["/h/.config/zed/settings.json", "/p/.zed/settings.json"]
        );
        assert_eq!(
            files(Os::Windows, "goose"),
            ["/h/AppData/Roaming/Block/goose/config/config.yaml"]
        );
        assert!(files(Os::Linux, "claude-code").contains(&"/etc/claude-code/managed-mcp.json".to_owned()));
    }

    #[test]
    fn every_client_has_a_name_of_its_own_and_a_file_everywhere() {
        let mut names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CLIENTS.len());
        for client in CLIENTS {
            for file in client.files {
                let paths = file.paths;
                for of_os in [paths.linux, paths.macos, paths.windows] {
                    assert!(!of_os.is_empty(), "{}", client.name);
                    let unknown = |path: &&str| {
                        path.starts_with('{')
                            && Places::new(Os::Linux, Path::new("/h"), Path::new("/p"), |_| None)
                                .expand(path)
                                .starts_with("{")
                    };
                    assert!(!of_os.iter().any(unknown), "{}", client.name);
                }
            }
        }
    }

    #[test]
    fn variables_move_folders() {
        let variable = |name: &str| match name {
            "CODEX_HOME" => Some("/elsewhere".into()),
            "XDG_CONFIG_HOME" => Some("relative".into()),
            _ => None,
        };
        let places = Places::new(Os::Linux, Path::new("/h"), Path::new("/p"), variable);
        assert_eq!(
            places.expand("{codex}/config.toml"),
            Path::new("/elsewhere/config.toml")
        );
        assert_eq!(
            places.config,
            Path::new("/h/.config"),
            "a relative path counts for nothing"
        );
    }

    #[test]
    fn stars_stand_for_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yaml", "c.json", "d.yaml.bak"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("one")).unwrap();
        let names = |pattern: &str| -> Vec<PathBuf> {
            matching(folder.path().join(pattern))
                .iter()
                .map(|path| path.strip_prefix(folder.path()).unwrap().to_owned())
                .collect()
        };
        assert_eq!(names("*.yaml"), [Path::new("a.yaml"), Path::new("b.yaml")]);
        assert!(names("*/mcp.json").contains(&"one/mcp.json".into()));
    }

    #[test]
    fn a_project_is_where_git_is_and_never_the_home() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let deep = home.join("work/src/deep");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir(home.join(".git")).unwrap();
        assert_eq!(project_of(&deep, &home), deep);
        fs::create_dir(home.join("work/.git")).unwrap();
        assert_eq!(project_of(&deep, &home), home.join("work"));
    }
}
