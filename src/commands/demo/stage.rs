//! What is planted outside the box for the attempts, and what is seen there afterwards.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::attempt::{Scene, Seen};
use super::attempts::files;
use super::raw;
use crate::cli::DEMO_PART;
use crate::error::{Error, reason};

/// The variable that carries the secret. The client itself has it, as clients have the keys of their users.
pub const VARIABLE: &str = "DEMO_API_KEY";

/// Milliseconds. A process that was killed has got its signal before the killer knows; to end takes it a moment more.
const DEATH_TAKES: u8 = 100;

/// Everything outside. It goes away with the client's process, the folder with the folder's owner.
pub struct Stage {
    scene: Scene,
    tcp: TcpListener,
    udp: UdpSocket,
    in_abstract: UnixListener,
    by_path: UnixListener,
    bystander: Bystander,
    /// Open, and not closed on exec: what a careless client leaves to its servers.
    _descriptor: OwnedFd,
    /// The token in memory, at the address that the scene names.
    _memory: Box<[u8]>,
}

impl Stage {
    /// Plants everything in `folder`, which is empty and ours.
    ///
    /// # Errors
    /// Something cannot be planted; the demo then proves nothing.
    pub fn set(folder: &Path, token: &str) -> Result<Self, Error> {
        plant(folder, token)
            .map_err(|error| Error::setup(format!("cannot set the demo's stage: {}", reason(&error))))
    }

    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// Whether what the attempt wants has happened. What it left behind is taken away, so that the next
    /// try of the same starts from nothing.
    pub fn happened(&mut self, seen: Seen) -> bool {
        let home = Path::new(&self.scene.home);
        match seen {
            Seen::TcpConnection => self.tcp.accept().is_ok(),
            Seen::Query => self.udp.recv(&mut [0; 256]).is_ok(),
            Seen::AbstractConnection => self.in_abstract.accept().is_ok(),
            Seen::PathConnection => self.by_path.accept().is_ok(),
            Seen::LineInShellFile => {
                let path = home.join(files::SHELL_FILE);
                fs::read(&path).is_ok_and(|text| !text.is_empty()) && fs::write(path, "").is_ok()
            }
            Seen::FileInTemp => fs::remove_file(&self.scene.drop).is_ok(),
            Seen::SetUserIdProgram => {
                let path = home.join(files::PROGRAM);
                let marked = fs::metadata(&path).is_ok_and(|found| found.mode() & 0o4000 != 0);
                let _ = fs::remove_file(path);
                marked
            }
            Seen::BystanderIsGone => self.replace_bystander(),
        }
    }

    fn replace_bystander(&mut self) -> bool {
        if !self.bystander.is_gone() {
            return false;
        }
        if let Ok(next) = Bystander::start(&self.scene.token) {
            self.scene.bystander = next.0.id() as i32;
            self.bystander = next;
        }
        true
    }
}

/// A process of the same user with a secret on its command line and in its environment.
struct Bystander(Child, ChildStdout);

impl Bystander {
    fn start(token: &str) -> std::io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([DEMO_PART, "bystander", token])
            .env(VARIABLE, token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut out = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
        // It says so when it has become what it is.
        out.read_exact(&mut [0])?;
        Ok(Bystander(child, out))
    }

    /// A process that ends closes its stdout.
    fn is_gone(&self) -> bool {
        let mut fds = [PollFd::new(self.1.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(DEATH_TAKES)).is_ok_and(|ready| ready > 0)
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn plant(folder: &Path, token: &str) -> std::io::Result<Stage> {
    let home = folder.join("home");
    for name in [files::SSH_KEY, files::ENV_FILE, files::COOKIES] {
        let path = home.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&home))?;
        fs::write(&path, format!("secret={token}\n"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    }
    fs::write(home.join(files::SHELL_FILE), "")?;
    let secret = File::open(home.join(files::SSH_KEY))?;
    let descriptor = raw::leak(&secret)?;
    let memory: Box<[u8]> = token.as_bytes().into();
    let abstract_name = format!("mcp-sandbox-demo-{}", &token[..16]);
    let socket = folder.join("agent.sock");
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let in_abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&abstract_name)?)?;
    let by_path = UnixListener::bind(&socket)?;
    tcp.set_nonblocking(true)?;
    udp.set_nonblocking(true)?;
    in_abstract.set_nonblocking(true)?;
    by_path.set_nonblocking(true)?;
    let bystander = Bystander::start(token)?;
    let scene = Scene {
        token: token.into(),
        home: text(&home),
        drop: text(&drop_file(token)),
        real_home: real_home(),
        bystander: bystander.0.id() as i32,
        client: std::process::id() as i32,
        address: memory.as_ptr() as u64,
        tcp_port: tcp.local_addr()?.port(),
        udp_port: udp.local_addr()?.port(),
        abstract_name,
        socket: text(&socket),
        key: raw::plant_key(token.as_bytes()).ok(),
        descriptor: descriptor.as_raw_fd(),
        variable: VARIABLE.into(),
    };
    Ok(Stage {
        scene,
        tcp,
        udp,
        in_abstract,
        by_path,
        bystander,
        _descriptor: descriptor,
        _memory: memory,
    })
}

/// The one file outside the folder, for the attempt to write where every program may.
pub fn drop_file(token: &str) -> PathBuf {
    std::env::temp_dir().join(format!("mcp-sandbox-demo-{}", &token[..16]))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn real_home() -> Option<(String, u64, u64)> {
    let home = crate::host::Facts::gather().ok()?.profile.home;
    let found = fs::metadata(&home).ok()?;
    Some((home.to_str()?.to_owned(), found.dev(), found.ino()))
}
