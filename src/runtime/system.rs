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

/// Path and reason; every line costs each launch some 30 µs, so it holds what programs fail without.
/// A symbolic link that leads into the table is reproduced, anything else is mounted.
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
    ("/etc/mime.types", "types of files by extension"),
    ("/etc/services", "names of ports"),
    ("/etc/protocols", "names of protocols"),
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
    let mut parents = Parents::default();
    for (path, reason) in SHOWN {
        system.add(Path::new(path), reason, &mut parents);
    }
    for path in MERGED.iter().map(Path::new) {
        if fs::read_link(path).is_ok() && fs::canonicalize(path).is_ok_and(|target| holds(&target)) {
            system.add(path, "programs", &mut parents);
        }
    }
    for path in java_configuration() {
        system.add(&path, "configuration of Java", &mut parents);
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
    fn add(&mut self, at: &Path, reason: &str, parents: &mut Parents) {
        let source = match fs::read_link(at) {
            Ok(target) => match fs::canonicalize(at) {
                Ok(source) if holds(&source) => {
                    return self.links.push(Link {
                        at: at.to_owned(),
                        target,
                    });
                }
                Ok(source) => source,
                // A link to nothing: the box does without it as the host does.
                Err(_) => return,
            },
            // There, and not a link.
            Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) => match parents.real(at) {
                Some(source) => source,
                None => return,
            },
            Err(_) => return,
        };
        self.mounts.push(Mount {
            source,
            at: at.to_owned(),
            access: Access::Read,
            create: false,
            reason: format!("{REASON}{reason}"),
        });
    }
}

/// The real path of the directory looked up last: the table is read at every start, and its neighbours share theirs.
#[derive(Debug, Default)]
struct Parents {
    last: Option<(PathBuf, PathBuf)>,
}

impl Parents {
    fn real(&mut self, path: &Path) -> Option<PathBuf> {
        let (parent, name) = (path.parent()?, path.file_name()?);
        match &self.last {
            Some((known, real)) if known == parent => Some(real.join(name)),
            _ => {
                let real = fs::canonicalize(parent).ok()?;
                let path = real.join(name);
                self.last = Some((parent.to_owned(), real));
                Some(path)
            }
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
