//! What a server must not get by accident: credential stores, and sockets that control the host.
//!
//! One table, a reason per line. A mount that would *hold* one of them is refused; a mount that *names* one is
//! a decision, and said loudly.

use std::fs;
use std::path::{Path, PathBuf};

use crate::profile::Host;

/// One entry of the table, found on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sensitive {
    /// As the table names it.
    pub path: PathBuf,
    /// Free of symbolic links.
    pub real: PathBuf,
    pub reason: &'static str,
}

/// `~` is the user's home, `${uid}` the user's id, a `*` at the end anything that starts like this.
const CREDENTIALS: [(&str, &str); 71] = [
    // Keys and tokens of programs.
    ("~/.ssh", "SSH keys and the list of hosts they open"),
    ("~/.gnupg", "GnuPG keys and the agent's sockets"),
    ("~/.aws", "AWS credentials"),
    ("~/.azure", "Azure credentials"),
    ("~/.config/gcloud", "Google Cloud credentials"),
    ("~/.config/doctl", "DigitalOcean credentials"),
    ("~/.oci", "Oracle Cloud credentials"),
    ("~/.kube", "Kubernetes credentials"),
    ("~/.docker", "registry credentials and the desktop socket"),
    ("~/.config/containers", "registry credentials"),
    ("~/.config/gh", "GitHub tokens"),
    ("~/.config/glab-cli", "GitLab tokens"),
    ("~/.config/hub", "GitHub tokens"),
    ("~/.config/rclone", "tokens of cloud storage"),
    ("~/.config/sops", "keys of encrypted files"),
    ("~/.config/age", "keys of encrypted files"),
    ("~/.git-credentials", "passwords of Git remotes"),
    ("~/.config/git/credentials", "passwords of Git remotes"),
    ("~/.netrc", "passwords of hosts"),
    ("~/.npmrc", "npm tokens"),
    ("~/.yarnrc.yml", "npm tokens"),
    ("~/.pypirc", "PyPI tokens"),
    ("~/.cargo/credentials*", "tokens of package registries"),
    ("~/.gem/credentials", "RubyGems tokens"),
    ("~/.m2/settings.xml", "Maven passwords"),
    ("~/.gradle/gradle.properties", "Gradle passwords"),
    ("~/.terraform.d", "Terraform tokens"),
    ("~/.vault-token", "a Vault token"),
    ("~/.pgpass", "PostgreSQL passwords"),
    ("~/.my.cnf", "MySQL passwords"),
    ("~/.claude.json", "credentials of MCP servers"),
    ("~/.claude", "credentials and hooks of an MCP client"),
    ("~/.cursor", "credentials and hooks of an MCP client"),
    ("~/.codex", "credentials of an MCP client"),
    ("~/.mcp-auth", "tokens of remote MCP servers"),
    ("~/.config/Claude", "credentials of MCP servers"),
    // Password stores.
    ("~/.password-store", "passwords"),
    ("~/.local/share/keyrings", "the desktop's keyring"),
    ("~/.local/share/kwalletd", "the desktop's wallet"),
    ("~/.config/1Password", "the 1Password vault"),
    ("~/.config/op", "1Password's command line"),
    ("~/.config/Bitwarden*", "the Bitwarden vault"),
    ("~/.config/keepassxc", "KeePassXC's settings"),
    ("~/.local/share/pki", "certificates with private keys"),
    ("~/.pki", "certificates with private keys"),
    // Browsers: cookies are logins.
    ("~/.mozilla", "Firefox cookies and passwords"),
    ("~/.config/mozilla", "Firefox cookies and passwords"),
    ("~/.config/google-chrome*", "Chrome cookies and passwords"),
    ("~/.config/chromium", "Chromium cookies and passwords"),
    ("~/.config/BraveSoftware", "Brave cookies and passwords"),
    ("~/.config/microsoft-edge*", "Edge cookies and passwords"),
    ("~/.config/vivaldi*", "Vivaldi cookies and passwords"),
    ("~/.var/app", "data of Flatpak programs, browsers among them"),
    ("~/snap", "data of Snap programs, browsers among them"),
    ("~/.thunderbird", "mail and its passwords"),
    // The same on macOS.
    ("~/Library/Keychains", "the keychain"),
    ("~/Library/Cookies", "Safari's cookies"),
    ("~/Library/Safari", "Safari's history and sessions"),
    (
        "~/Library/Application Support/Google/Chrome",
        "Chrome cookies and passwords",
    ),
    (
        "~/Library/Application Support/Firefox",
        "Firefox cookies and passwords",
    ),
    (
        "~/Library/Application Support/Claude",
        "credentials of MCP servers",
    ),
    // Histories hold passwords that were typed.
    ("~/.bash_history", "a shell's history"),
    ("~/.zsh_history", "a shell's history"),
    ("~/.local/share/fish", "a shell's history"),
    ("~/.python_history", "an interpreter's history"),
    ("~/.psql_history", "a database client's history"),
    // The system's own.
    ("/etc/shadow*", "password hashes"),
    ("/etc/gshadow*", "password hashes"),
    ("/etc/ssh", "the host's SSH keys"),
    ("/etc/ssl/private", "private keys of certificates"),
    ("/root", "the administrator's home"),
];

/// Who can connect to one controls what is behind it, read-only mount or not. Written as [`CREDENTIALS`].
const SOCKETS: [(&str, &str); 25] = [
    ("/run/docker.sock", "the Docker daemon: root on this host"),
    ("/run/containerd", "the containerd daemon: root on this host"),
    ("/run/podman", "the Podman daemon: root on this host"),
    ("/run/crio", "the CRI-O daemon: root on this host"),
    (
        "/run/user/${uid}/bus",
        "the session's D-Bus: it starts programs outside the box",
    ),
    (
        "/run/user/${uid}/systemd",
        "the session's systemd: it starts programs outside the box",
    ),
    (
        "/run/user/${uid}/wayland-*",
        "the Wayland display: keyboard and clipboard",
    ),
    ("/run/user/${uid}/pipewire-*", "sound and screen recording"),
    ("/run/user/${uid}/pulse", "sound recording"),
    (
        "/run/user/${uid}/gnupg",
        "the GnuPG agent: use of every key in it",
    ),
    ("/run/user/${uid}/keyring", "the keyring's sockets"),
    ("/run/user/${uid}/gcr", "the keyring's SSH agent"),
    ("/run/user/${uid}/openssh_agent", "an SSH agent's socket"),
    ("/run/user/${uid}/podman", "control of containers"),
    ("/run/user/${uid}/docker*", "control of containers"),
    ("/run/user/${uid}/containerd*", "control of containers"),
    ("/run/dbus/system_bus_socket", "the system's D-Bus"),
    ("/run/systemd/private", "systemd's control socket"),
    ("/run/snapd*", "snapd's control socket"),
    ("/run/libvirt", "control of virtual machines"),
    ("/var/lib/lxd", "the LXD daemon: root on this host"),
    ("/var/snap/lxd", "the LXD daemon: root on this host"),
    ("/var/lib/incus", "the Incus daemon: root on this host"),
    (
        "/tmp/.X11-unix",
        "the X server: keyboard, screen and every window",
    ),
    ("/tmp/ssh-*", "an SSH agent's socket"),
];

/// The entries of the table that exist here, our own folders and the SSH agent's socket among them.
pub fn present(host: &Host) -> Vec<Sensitive> {
    let own = [
        (
            host.config_dir.clone(),
            "the profiles that say what servers may do",
        ),
        (host.state_dir.clone(), "the private homes of other servers"),
    ];
    let agent = host
        .ssh_auth_sock
        .iter()
        .map(|path| (path.clone(), "the SSH agent's socket: use of every key in it"));
    let table = table().flat_map(|(_, pattern, reason)| {
        let found = matching(&placed(pattern, host));
        found.into_iter().map(move |path| (path, reason))
    });
    let all = table
        .chain(own)
        .chain(agent)
        .filter(|(path, _)| *path != host.home);
    all.filter_map(|(path, reason)| {
        let real = fs::canonicalize(&path).ok()?;
        Some(Sensitive { path, real, reason })
    })
    .collect()
}

/// What an entry of the tables gives away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Credentials,
    Socket,
}

/// An entry of the tables, whether or not this host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub kind: Kind,
    pub reason: &'static str,
    /// Absolute; a `*` at its end stands for anything that starts like this.
    pattern: PathBuf,
}

/// Every entry of the tables, placed for this user.
pub fn known(host: &Host) -> impl Iterator<Item = Known> {
    let known = table().map(|(kind, pattern, reason)| Known {
        kind,
        reason,
        pattern: placed(pattern, host),
    });
    known.filter(|known| known.pattern != host.home)
}

impl Known {
    /// Whether the path, absolute, is the entry or lies in it.
    pub fn covers(&self, path: &Path) -> bool {
        let name = self.pattern.file_name().unwrap_or_default().as_encoded_bytes();
        let (Some(start), Some(folder)) = (name.strip_suffix(b"*"), self.pattern.parent()) else {
            return path.starts_with(&self.pattern);
        };
        let inner = path.strip_prefix(folder).ok();
        let first = inner.and_then(|inner| inner.components().next());
        first.is_some_and(|first| first.as_os_str().as_encoded_bytes().starts_with(start))
    }

    /// Whether the entry lies below the folder.
    pub fn lies_below(&self, folder: &Path) -> bool {
        self.pattern
            .parent()
            .is_some_and(|parent| parent.starts_with(folder))
    }

    /// The entry as messages name it.
    pub fn name(&self) -> &Path {
        &self.pattern
    }
}

fn table() -> impl Iterator<Item = (Kind, &'static str, &'static str)> {
    let of = |kind| move |(pattern, reason): (&'static str, &'static str)| (kind, pattern, reason);
    let credentials = CREDENTIALS.into_iter().map(of(Kind::Credentials));
    credentials.chain(SOCKETS.into_iter().map(of(Kind::Socket)))
}

fn placed(pattern: &str, host: &Host) -> PathBuf {
    match pattern.strip_prefix("~/") {
        Some(rest) => host.home.join(rest),
        None => PathBuf::from(pattern.replace("${uid}", &host.uid.to_string())),
    }
}

fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let (Some(start), Some(folder)) = (name.strip_suffix('*'), pattern.parent()) else {
        return vec![pattern.to_owned()];
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(start.as_bytes()))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn patterns_have_one_form() {
        for (_, pattern, reason) in table() {
            assert!(pattern.starts_with("~/") || pattern.starts_with('/'), "{pattern}");
            assert!(
                !pattern.trim_end_matches('*').contains('*') && !pattern.ends_with('/'),
                "{pattern}"
            );
            assert!(!reason.is_empty() && !reason.ends_with('.'), "{pattern}");
        }
    }
}
