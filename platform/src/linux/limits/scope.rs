//! A transient scope, asked of systemd's manager over D-Bus: one call, made and answered on one socket.
//!
//! The interface is org.freedesktop.systemd1(5), the protocol that of the D-Bus specification. Only the encoding is a
//! crate's: a connection that reads in the background would need a thread.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::{Pid, geteuid};
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{LE, to_bytes};
use zbus::{ObjectPath, Signature, Type, Variant};

use super::super::sys::has_ended;
use super::choice;
use super::find;

/// How long systemd may take, for the answer and for the move.
const PATIENCE: Duration = Duration::from_secs(10);
/// A longer answer is none of what we ask.
const LONGEST: usize = 64 << 10;

/// What a call names.
struct Call<'a> {
    destination: &'a str,
    path: &'a str,
    interface: &'a str,
    member: &'a str,
}

const HELLO: Call = Call {
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    member: "Hello",
};

const START: Call = Call {
    destination: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
    member: "StartTransientUnit",
};

/// Of scopes since systemd 253 (systemd.scope(5)). Older ones leave it to the kernel, as "continue" does.
const OOM_POLICY: &str = "OOMPolicy";
/// What a manager answers that knows no such property of a scope.
const UNKNOWN_PROPERTY: &str = "org.freedesktop.DBus.Error.PropertyReadOnly";

type Properties<'a> = Vec<(&'a str, Variant<'a>)>;

/// Makes the scope `name` with processes of ours in it, init the last of them, and waits until they are there; its folder.
///
/// # Errors
/// The manager refuses, or does not answer in time; init has ended, which no manager puts anywhere.
pub fn start(bus: &Path, name: &str, limits: &choice::Group, members: &[Pid]) -> io::Result<PathBuf> {
    let mut bus = Bus::connect(bus)?;
    let nothing: Vec<(&str, Properties)> = Vec::new();
    let begin = |bus: &mut Bus, properties| bus.call(&START, &(name, "fail", properties, &nothing));
    let properties = properties(limits, members);
    let older = properties.iter().filter(|(name, _)| *name != OOM_POLICY).cloned();
    let older: Properties = older.collect();
    match begin(&mut bus, properties) {
        Err(error) if error.to_string() == UNKNOWN_PROPERTY => begin(&mut bus, older)?,
        other => other?,
    }
    let until = Instant::now() + PATIENCE;
    let init = members.last().ok_or(io::ErrorKind::InvalidInput)?;
    loop {
        let text = fs::read_to_string(format!("/proc/{init}/cgroup"))?;
        let group = text.lines().find_map(|line| line.strip_prefix("0::"));
        if let Some(group) = group.filter(|group| group.ends_with(name)) {
            return find::unified_folder(group).ok_or_else(|| io::ErrorKind::NotFound.into());
        }
        if has_ended(*init) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if Instant::now() > until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_micros(500));
    }
}

/// The settings of systemd.resource-control(5). Our own processes are counted.
fn properties(limits: &choice::Group, members: &[Pid]) -> Properties<'static> {
    let pids: Vec<u32> = members.iter().map(|member| member.as_raw() as u32).collect();
    let own = pids.len() as u64;
    let mut properties: Properties = vec![
        ("PIDs", Variant::from(pids)),
        ("Description", Variant::from("mcp-sandbox")),
        ("CollectMode", Variant::from("inactive-or-failed")),
    ];
    if let Some(most) = limits.memory {
        properties.push(("MemoryMax", Variant::from(most.0)));
        properties.push(("MemorySwapMax", Variant::from(0_u64)));
        // One process that is too large, not all of them: what the server sees is a child that was killed.
        properties.push((OOM_POLICY, Variant::from("continue")));
    }
    if let Some(most) = limits.processes {
        properties.push(("TasksMax", Variant::from(u64::from(most) + own)));
    }
    if let Some(share) = limits.cpu {
        // Microseconds in each second.
        properties.push(("CPUQuotaPerSecUSec", Variant::from(u64::from(share.0) * 10_000)));
    }
    properties
}

/// A connection on which we only call.
struct Bus {
    stream: BufReader<UnixStream>,
    serial: u32,
}

impl Bus {
    /// Connects and says who we are; a bus, other than a manager's own socket, wants to be greeted too.
    fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut bus = Bus {
            stream: BufReader::new(stream),
            serial: 0,
        };
        let uid: String = geteuid()
            .to_string()
            .bytes()
            .map(|digit| format!("{digit:02x}"))
            .collect();
        bus.write(format!("\0AUTH EXTERNAL {uid}\r\n").as_bytes())?;
        let mut answer = String::new();
        bus.stream.by_ref().take(512).read_line(&mut answer)?;
        if !answer.starts_with("OK ") {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        bus.write(b"BEGIN\r\n")?;
        if !socket.ends_with("private") {
            bus.call(&HELLO, &())?;
        }
        Ok(bus)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Calls and waits for the answer.
    fn call<B: serde::Serialize + Type>(&mut self, call: &Call, body: &B) -> io::Result<()> {
        self.serial += 1;
        let message = encode(call, self.serial, body)?;
        self.write(&message)?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.receive()? {
                (Kind::Return, serial) if serial == self.serial => return Ok(()),
                (Kind::Error(what), serial) if serial == self.serial => return Err(io::Error::other(what)),
                _ => {}
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// The next message and the serial that it answers.
    fn receive(&mut self) -> io::Result<(Kind, u32)> {
        let mut message = vec![0; 16];
        self.stream.read_exact(&mut message)?;
        let number = |at: usize| -> usize {
            let bytes = [message[at], message[at + 1], message[at + 2], message[at + 3]];
            u32::from_le_bytes(bytes) as usize
        };
        let (body, fields) = (number(4), number(12));
        let rest = fields.next_multiple_of(8).saturating_add(body);
        if message[0] != b'l' || rest > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        message.resize(16 + rest, 0);
        self.stream.read_exact(&mut message[16..])?;
        decode(&message).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// What a message is to us.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Return,
    /// The name of the error.
    Error(String),
    Other,
}

/// Endianness, type, flags, version, length of the body, serial, and fields by their codes.
type Header<'a> = (u8, u8, u8, u8, u32, u32, Vec<(u8, Variant<'a>)>);

fn encode<B: serde::Serialize + Type>(call: &Call, serial: u32, body: &B) -> io::Result<Vec<u8>> {
    let context = Context::new(LE, 0);
    let path = ObjectPath::try_from(call.path.to_owned()).map_err(io::Error::other)?;
    let fields = vec![
        (1, Variant::ObjectPath(path)),
        (2, Variant::from(call.interface)),
        (3, Variant::from(call.member)),
        (6, Variant::from(call.destination)),
    ];
    let mut content = Vec::new();
    if *B::SIGNATURE != Signature::Unit {
        content = to_bytes(context, body).map_err(io::Error::other)?.to_vec();
    }
    let header: Header = (b'l', 1, 0, 1, content.len() as u32, serial, fields);
    let mut message = to_bytes(context, &header).map_err(io::Error::other)?.to_vec();
    if !content.is_empty() {
        name_content(&mut message, &B::SIGNATURE.to_string_no_parens());
    }
    message.resize(message.len().next_multiple_of(8), 0);
    message.extend(content);
    Ok(message)
}

/// Adds the field that says what the body holds. The values of a body are named without the brackets of a structure, and
/// the crate writes them into every signature that it takes for one.
fn name_content(header: &mut Vec<u8>, signature: &str) {
    header.resize(header.len().next_multiple_of(8), 0);
    header.extend([8, 1, b'g', 0, signature.len() as u8]);
    header.extend(signature.as_bytes());
    header.push(0);
    let fields = (header.len() - 16) as u32;
    header[12..16].copy_from_slice(&fields.to_le_bytes());
}

fn decode(message: &[u8]) -> Option<(Kind, u32)> {
    let data = Data::new(message, Context::new(LE, 0));
    let (header, _): (Header, usize) = data.deserialize().ok()?;
    let (_, kind, _, _, _, _, fields) = header;
    let field = |code: u8| {
        fields
            .iter()
            .find(|(one, _)| *one == code)
            .map(|(_, value)| value)
    };
    let answered = match field(5) {
        Some(Variant::U32(serial)) => *serial,
        _ => 0,
    };
    let kind = match (kind, field(4)) {
        (2, _) => Kind::Return,
        (3, Some(Variant::Str(name))) => Kind::Error(name.as_str().to_owned()),
        (3, _) => Kind::Error("an error without a name".into()),
        _ => Kind::Other,
    };
    Some((kind, answered))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bytes, Percent};
    use std::os::unix::net::UnixListener;
    use std::thread::JoinHandle;

    /// A manager that takes one call and gives `answer`; what it was called with.
    fn manager(socket: &Path, kind: u8, greeted: bool) -> JoinHandle<Vec<u8>> {
        let listener = UnixListener::bind(socket).unwrap();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            stream.read_until(b'\n', &mut line).unwrap();
            let uid: String = geteuid()
                .to_string()
                .bytes()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(line, format!("\0AUTH EXTERNAL {uid}\r\n").as_bytes());
            stream.get_mut().write_all(b"OK 0123456789abcdef\r\n").unwrap();
            line.clear();
            stream.read_until(b'\n', &mut line).unwrap();
            assert_eq!(line, b"BEGIN\r\n");
            let mut serial = 1;
            if greeted {
                let hello = take(&mut stream);
                assert!(hello.windows(5).any(|part| part == b"Hello"));
                stream.get_mut().write_all(&answer(2, serial)).unwrap();
                serial += 1;
            }
            let call = take(&mut stream);
            // A signal comes between, as they do.
            stream.get_mut().write_all(&answer(4, 0)).unwrap();
            stream.get_mut().write_all(&answer(kind, serial)).unwrap();
            call
        })
    }

    fn take(stream: &mut BufReader<UnixStream>) -> Vec<u8> {
        let mut message = vec![0; 16];
        stream.read_exact(&mut message).unwrap();
        let number = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap()) as usize;
        let rest = number(12).next_multiple_of(8) + number(4);
        message.resize(16 + rest, 0);
        stream.read_exact(&mut message[16..]).unwrap();
        message
    }

    fn answer(kind: u8, serial: u32) -> Vec<u8> {
        let mut fields = vec![(5, Variant::from(serial))];
        if kind == 3 {
            fields.push((4, Variant::from("org.freedesktop.systemd1.UnitExists")));
        }
        let header: Header = (b'l', kind, 0, 1, 0, 9, fields);
        let mut message = to_bytes(Context::new(LE, 0), &header).unwrap().to_vec();
        message.resize(message.len().next_multiple_of(8), 0);
        message
    }

    fn limits() -> choice::Group {
        choice::Group {
            place: choice::Place::Scope { bus: "/".into() },
            memory: Some(Bytes(64 << 20)),
            processes: Some(10),
            cpu: Some(Percent(50)),
        }
    }

    type Body<'a> = (
        &'a str,
        &'a str,
        Vec<(&'a str, Variant<'a>)>,
        Vec<(&'a str, Vec<(&'a str, Variant<'a>)>)>,
    );

    #[test]
    fn the_call_says_what_is_limited() {
        let place = tempfile::tempdir().unwrap();
        for (name, greeted) in [("private", false), ("bus", true)] {
            let socket = place.path().join(name);
            let manager = manager(&socket, 2, greeted);
            let mut bus = Bus::connect(&socket).unwrap();
            let nothing: Vec<(&str, Properties)> = Vec::new();
            let body = (
                "x.scope",
                "fail",
                properties(&limits(), &[Pid::from_raw(77)]),
                nothing,
            );
            bus.call(&START, &body).unwrap();
            let call = manager.join().unwrap();
            let start =
                16 + (u32::from_le_bytes(call[12..16].try_into().unwrap()) as usize).next_multiple_of(8);
            // With its length: without the brackets of a structure around it.
            let signature = b"\x10ssa(sv)a(sa(sv))\0";
            assert!(
                call[..start]
                    .windows(signature.len())
                    .any(|part| part == signature)
            );
            let data = Data::new(&call[start..], Context::new(LE, 0));
            let ((name, mode, properties, _), _): (Body, usize) = data.deserialize().unwrap();
            assert_eq!((name, mode), ("x.scope", "fail"));
            let find = |key: &str| &properties.iter().find(|(name, _)| *name == key).unwrap().1;
            assert_eq!(find("PIDs"), &Variant::from(vec![77_u32]));
            assert_eq!(find("MemoryMax"), &Variant::from(67_108_864_u64));
            assert_eq!(find("MemorySwapMax"), &Variant::from(0_u64));
            assert_eq!(find("TasksMax"), &Variant::from(11_u64));
            assert_eq!(find("CPUQuotaPerSecUSec"), &Variant::from(500_000_u64));
        }
    }

    #[test]
    fn a_refusal_is_an_error_with_its_name() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("private");
        let manager = manager(&socket, 3, false);
        let error = start(&socket, "x.scope", &limits(), &[Pid::from_raw(77)]).unwrap_err();
        assert_eq!(error.to_string(), "org.freedesktop.systemd1.UnitExists");
        manager.join().unwrap();
    }

    /// What ended it is to be told, and not after the manager's time.
    #[test]
    fn an_init_that_has_ended_is_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("private");
        let manager = manager(&socket, 2, false);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let init = Pid::from_raw(child.id() as i32);
        while !has_ended(init) {
            thread::yield_now();
        }
        let begun = Instant::now();
        let error = start(&socket, "x.scope", &limits(), &[init]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(begun.elapsed() < PATIENCE / 2);
        manager.join().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn nobody_there_is_an_error() {
        assert!(
            start(
                Path::new("/no/such/socket"),
                "x.scope",
                &limits(),
                &[Pid::from_raw(77)]
            )
            .is_err()
        );
    }
}
