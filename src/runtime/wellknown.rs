//! Where version managers and installers put programs when PATH does not say.
//!
//! Clients started from a desktop pass a PATH of `/usr/bin:/bin`. A program found here is only named in
//! the error: running something the user's PATH does not name is the user's decision.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::file;
use super::find::is_program;
use super::shims::versions;
use super::{Host, shims};

/// Where the installers of conda's family suggest to put it, below the home.
const CONDA: &[&str] = &[
    "miniconda3",
    "anaconda3",
    "miniforge3",
    "mambaforge",
    ".conda/envs",
];

/// The program of this name in the usual places, if there is one.
pub fn find(name: &OsStr, host: &Host) -> Option<PathBuf> {
    places(host)
        .into_iter()
        .map(|place| place.join(name))
        .find(|path| is_program(path))
}

/// The directories that programs are put in.
pub fn places(host: &Host) -> Vec<PathBuf> {
    let fnm = host.dir("FNM_DIR", ".local/share/fnm");
    let mut places = Vec::new();
    places.extend(nvm_default(host).map(|version| version.join("bin")));
    places.extend([
        fnm.join("aliases/default/bin"),
        host.home.join(".fnm/aliases/default/bin"),
        host.dir("VOLTA_HOME", ".volta").join("bin"),
        shims::asdf::data_dir(host).join("shims"),
        shims::mise::data_dir(host).join("shims"),
        host.dir("PYENV_ROOT", ".pyenv").join("shims"),
        host.home.join(".local/bin"),
        host.dir("CARGO_HOME", ".cargo").join("bin"),
        host.home.join(".deno/bin"),
        host.dir("BUN_INSTALL", ".bun").join("bin"),
        host.home.join(".nodenv/shims"),
        host.home.join(".rbenv/shims"),
        host.home.join("go/bin"),
        host.data_dir("pnpm"),
        host.home.join(".npm-global/bin"),
        host.home.join("miniconda3/bin"),
        host.home.join("anaconda3/bin"),
        host.home.join(".sdkman/candidates/java/current/bin"),
        PathBuf::from("/home/linuxbrew/.linuxbrew/bin"),
        PathBuf::from("/usr/local/bin"),
        PathBuf::from("/usr/local/go/bin"),
        PathBuf::from("/snap/bin"),
    ]);
    places
}

/// The directories below which only a manager or installer puts things, a directory for each version or package.
pub fn stores(host: &Host) -> Vec<PathBuf> {
    let home = |path: &str| host.home.join(path);
    let mut stores = vec![
        shims::asdf::data_dir(host),
        shims::mise::data_dir(host),
        host.dir("VOLTA_HOME", ".volta"),
        host.dir("RUSTUP_HOME", ".rustup").join("toolchains"),
        host.dir("NVM_DIR", ".nvm"),
        host.dir("FNM_DIR", ".local/share/fnm"),
        home(".fnm"),
        host.dir("SDKMAN_DIR", ".sdkman").join("candidates"),
        host.dir("UV_PYTHON_INSTALL_DIR", ".local/share/uv/python"),
        host.dir("UV_TOOL_DIR", ".local/share/uv/tools"),
        host.dir("PIPX_HOME", ".local/share/pipx").join("venvs"),
        home(".local/pipx/venvs"),
        host.data_dir("pnpm"),
        PathBuf::from("/home/linuxbrew/.linuxbrew"),
    ];
    stores.extend(CONDA.iter().map(|name| home(name)));
    stores.extend(shims::envs::roots(host).map(|root| root.join("versions")));
    stores.extend(shims::envs::roots(host).map(|root| root.join("shims")));
    stores
}

/// The version that nvm's `default` alias stands for, or else the newest installed.
fn nvm_default(host: &Host) -> Option<PathBuf> {
    let root = host.dir("NVM_DIR", ".nvm");
    let installed = root.join("versions/node");
    let mut wanted = String::from("default");
    // An alias may name another alias: default -> lts/* -> lts/iron -> v20.11.0.
    for _ in 0..5 {
        match alias(&root, &wanted) {
            Some(next) => wanted = next,
            None => break,
        }
    }
    versions::best(&installed, wanted.trim_start_matches('v'), &["v"])
        .or_else(|| versions::best(&installed, "", &["v"]))
        .map(|version| installed.join(version))
}

fn alias(root: &Path, name: &str) -> Option<String> {
    if name.contains("..") || name.starts_with('/') {
        return None;
    }
    let text = file::text(&root.join("alias").join(name)).ok()?;
    text.lines().next().map(|line| line.trim().to_owned())
}
