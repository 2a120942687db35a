//! What every program of the host shares: the system's libraries, certificates, time zones and locale.
//!
//! One table, one reason a line. Account files, `/etc/ssl/private`, `/etc/ssh`, site configuration of
//! package managers, `/usr/local` and `/usr/src` are left out on purpose.

use std::fs;
use std::path::{Path, PathBuf};

use mcp_sandbox_platform::{Access, Link, Mount};

/// The part of the box that does not depend on the command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct System {
    /// Outer targets before inner ones, all read-only.
    pub mounts: Vec<Mount>,
    /// Symbolic links as the host has them.
    pub links: Vec<Link>,
}

/// How the reason of every mount of the system starts.
pub const REASON: &str = "system: ";

/// Path and reason. A symbolic link that leads into the table is reproduced, anything else is mounted.
const SHOWN: &[(&str, &str)] = &[
    ("/usr/bin", "programs"),
    ("/usr/lib", "libraries"),
    ("/usr/lib64", "libraries"),
    ("/usr/lib32", "libraries of 32-bit programs"),
    ("/usr/libx32", "libraries of x32 programs"),
    ("/usr/libexec", "programs that other programs start"),
    (
        "/usr/share",
        "time zones, locales, certificates, data of programs",
    ),
    ("/bin", "programs"),
    ("/lib", "libraries and the dynamic loader"),
    ("/lib64", "the dynamic loader"),
    ("/lib32", "libraries of 32-bit programs"),
    ("/libx32", "libraries of x32 programs"),
    ("/nix/store", "programs and libraries of Nix"),
    ("/gnu/store", "programs and libraries of Guix"),
    ("/run/current-system", "the current generation of NixOS or Guix"),
    ("/etc/static", "what /etc links to on NixOS"),
    ("/etc/ld.so.cache", "where libraries are"),
    ("/etc/ld.so.conf", "where libraries are"),
    ("/etc/ld.so.conf.d", "where libraries are"),
    (
        "/etc/ld-musl-x86_64.path",
        "where libraries are (musl, ldso/dynlink.c)",
    ),
    (
        "/etc/ld-musl-aarch64.path",
        "where libraries are (musl, ldso/dynlink.c)",
    ),
    (
        "/etc/alternatives",
        "which program a name stands for (Debian, Fedora)",
    ),
    ("/etc/ssl/certs", "certificates; Java's are below it on Debian"),
    ("/etc/ssl/cert.pem", "certificates (Alpine, Arch)"),
    ("/etc/ssl/ca-bundle.pem", "certificates (openSUSE)"),
    ("/etc/ssl/openssl.cnf", "defaults of OpenSSL"),
    ("/etc/ca-certificates", "certificates"),
    ("/etc/ca-certificates.conf", "certificates"),
    (
        "/usr/local/share/ca-certificates",
        "certificates the administrator added; /etc/ssl/certs links here",
    ),
    ("/etc/pki/tls/certs", "certificates (Fedora)"),
    ("/etc/pki/tls/cert.pem", "certificates (Fedora)"),
    ("/etc/pki/tls/openssl.cnf", "defaults of OpenSSL (Fedora)"),
    ("/etc/pki/ca-trust", "certificates (Fedora)"),
    ("/etc/pki/java", "certificates of Java (Fedora)"),
    ("/etc/crypto-policies", "defaults of TLS libraries (Fedora)"),
    (
        "/var/lib/ca-certificates",
        "certificates (openSUSE); /etc/ssl/certs links here",
    ),
    ("/etc/localtime", "the time zone"),
    ("/etc/timezone", "the time zone"),
    ("/etc/locale.conf", "the locale"),
    ("/etc/default/locale", "the locale (Debian)"),
    ("/etc/mime.types", "types of files by extension"),
    ("/etc/services", "names of ports"),
    ("/etc/protocols", "names of protocols"),
    ("/etc/gai.conf", "order of IPv4 and IPv6 addresses"),
    ("/etc/terminfo", "terminals"),
    ("/etc/fonts", "fonts"),
    (
        "/etc/os-release",
        "which distribution this is; many installers ask",
    ),
    ("/etc/java", "configuration of Java (Fedora)"),
];

/// Shown only where they are links into the table, as on hosts that merged them into `/usr/bin`:
/// a server has no use for an administrator's programs.
const MERGED: &[&str] = &["/usr/sbin", "/sbin"];

/// The system's part of the box, of what exists on this host.
pub fn system() -> System {
    let mut system = System::default();
    for (path, reason) in SHOWN {
        system.add(Path::new(path), reason);
    }
    for path in MERGED.iter().map(Path::new) {
        if fs::read_link(path).is_ok() && fs::canonicalize(path).is_ok_and(|target| holds(&target)) {
            system.add(path, "programs");
        }
    }
    for path in java_configuration() {
        system.add(&path, "configuration of Java");
    }
    system.mounts.sort_by(|a, b| a.at.cmp(&b.at));
    system.links.sort_by(|a, b| a.at.cmp(&b.at));
    system
}

/// Whether [`system`] shows this path, given that the host has it.
pub(super) fn holds(path: &Path) -> bool {
    SHOWN.iter().any(|(shown, _)| path.starts_with(shown))
}

impl System {
    fn add(&mut self, at: &Path, reason: &str) {
        // Missing, or a link to nothing: the box does without it as the host does.
        let Ok(source) = fs::canonicalize(at) else { return };
        match fs::read_link(at) {
            Ok(target) if holds(&source) => self.links.push(Link {
                at: at.to_owned(),
                target,
            }),
            _ => self.mounts.push(Mount {
                source,
                at: at.to_owned(),
                access: Access::Read,
                create: false,
                reason: format!("{REASON}{reason}"),
            }),
        }
    }
}

/// Debian keeps the configuration that `/usr/lib/jvm/java-N-openjdk-ARCH` links to in `/etc/java-N-openjdk`.
fn java_configuration() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/usr/lib/jvm") else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let end = name.find("-openjdk")? + "-openjdk".len();
            Some(Path::new("/etc").join(&name[..end]))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}
