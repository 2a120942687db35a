//! What an attempt is: the act, the control it is measured by, and what it can be stopped at.

use std::io;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::attempts::{files, kernel, leaks, network, processes};

/// One thing a hostile server tries. It is a tool of the demo's MCP server.
pub struct Attempt {
    /// The name of the tool.
    pub name: &'static str,
    /// What it is, for a person.
    pub title: &'static str,
    pub control: Control,
    pub surface: Surface,
    /// How the client finds out from outside whether it worked; without, the evidence decides.
    pub seen: Option<Seen>,
    pub act: fn(&Scene) -> Result<String, Obstacle>,
    /// The same call with arguments no kernel accepts, and the errno it answers.
    pub nonsense: Option<fn() -> i32>,
}

/// What the attempt must do without a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Succeed on every host; otherwise the demo proves nothing.
    Always,
    /// Succeed or not: it depends on who we are and on the host.
    HostDecides,
}

/// What an attempt goes through, and so what its errors mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    Path,
    Process,
    Internet,
    AbstractSocket,
    Kernel,
    Environment,
    Descriptor,
    Terminal,
}

/// What the client looks at, outside the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    BystanderIsGone,
    TcpConnection,
    Query,
    AbstractConnection,
    PathConnection,
    LineInShellFile,
    FileInTemp,
    SetUserIdProgram,
}

/// Where things are on the host; the client tells the server with each call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scene {
    /// What every planted secret contains.
    pub token: String,
    /// The throw-away home.
    pub home: String,
    /// A file that does not exist in the host's folder for temporary files.
    pub drop: String,
    /// The user's real home, if it can be told apart by device and inode.
    pub real_home: Option<(String, u64, u64)>,
    /// A process of the same user.
    pub bystander: i32,
    /// The client, and where the token is in its memory.
    pub client: i32,
    pub address: u64,
    /// A port of 127.0.0.1 where the client listens.
    pub tcp_port: u16,
    /// A port of 127.0.0.1 that stands in for the host's name server.
    pub udp_port: u16,
    pub abstract_name: String,
    pub socket: String,
    /// A key in the client's session keyring.
    pub key: Option<i64>,
    /// A descriptor that the client has left open on a secret.
    pub descriptor: i32,
    /// A variable of the client's environment.
    pub variable: String,
}

/// Why an attempt came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Obstacle {
    /// The kernel's answer.
    Errno(i32),
    /// No error, and yet nothing gained.
    Nothing(String),
    /// This host has no such thing to try.
    Missing(String),
}

impl From<Errno> for Obstacle {
    fn from(errno: Errno) -> Self {
        Obstacle::Errno(errno as i32)
    }
}

impl From<io::Error> for Obstacle {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Obstacle::Errno(errno),
            None => Obstacle::Nothing(error.to_string()),
        }
    }
}

/// What the server tells about one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub result: Result<String, Obstacle>,
    /// See [`Attempt::nonsense`].
    pub nonsense: Option<i32>,
}

impl Attempt {
    /// Tries it, here and now.
    pub fn answer(&self, scene: &Scene) -> Answer {
        Answer {
            result: (self.act)(scene),
            nonsense: self.nonsense.map(|ask| ask()),
        }
    }
}

/// All attempts, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Attempt> {
    [files::ALL, leaks::ALL, processes::ALL, network::ALL, kernel::ALL]
        .into_iter()
        .flatten()
}

/// The text if it holds the token: proof that a planted secret was reached.
pub fn secret(text: &[u8], scene: &Scene) -> Result<String, Obstacle> {
    let token = scene.token.as_bytes();
    match text.windows(token.len()).any(|part| part == token) {
        true => Ok("secret read".into()),
        false => Err(Obstacle::Nothing("no secret in it".into())),
    }
}
