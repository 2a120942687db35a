//! Races: arguments, links, folders and descriptors that change while a call on them is judged.
//!
//! Each race has one thread that swaps and one that calls, for a number of seconds. The evidence says how often the call
//! succeeded and how often with what it must not get.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::{c_string, call, descriptor};
use crate::{Attack, Evidence, Words};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "race-reads",
        words: "FOLDER SECONDS",
        run: reads,
    },
    Attack {
        name: "race-writes",
        words: "FOLDER SECONDS",
        run: writes,
    },
];

/// The word that no call may bring.
const SECRET: &[u8] = b"secret";

const HERE: u64 = libc::AT_FDCWD as u64;

/// Counts of one race.
#[derive(Default)]
struct Score {
    right: AtomicU64,
    wrong: AtomicU64,
}

impl Score {
    /// What was read from an open file.
    fn count(&self, fd: &OwnedFd) {
        let mut bytes = [0_u8; 16];
        // SAFETY: the buffer is as long as it is said to be.
        let length = unsafe { libc::read(fd.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
        let read = &bytes[..usize::try_from(length).unwrap_or(0)];
        let score = if read.starts_with(SECRET) {
            &self.wrong
        } else {
            &self.right
        };
        if !read.is_empty() {
            score.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tell(&self, name: &str) -> String {
        let count = |score: &AtomicU64| score.load(Ordering::Relaxed);
        format!("{name} right {} wrong {}", count(&self.right), count(&self.wrong))
    }
}

/// Runs the swaps and the calls of all races side by side until the time is over.
fn run(races: &[Race<'_>], seconds: u64) -> String {
    let over = AtomicBool::new(false);
    let scores: Vec<Score> = races.iter().map(|_| Score::default()).collect();
    thread::scope(|scope| {
        for (race, score) in races.iter().zip(&scores) {
            let over = &over;
            let going = move || !over.load(Ordering::Relaxed);
            scope.spawn(move || {
                while going() {
                    (race.swap)();
                }
            });
            scope.spawn(move || {
                while going() {
                    (race.act)(score);
                }
            });
        }
        let end = Instant::now() + Duration::from_secs(seconds);
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
        }
        over.store(true, Ordering::Relaxed);
    });
    let lines = races
        .iter()
        .zip(&scores)
        .map(|(race, score)| score.tell(race.name));
    lines.collect::<Vec<_>>().join("; ")
}

struct Race<'r> {
    name: &'static str,
    swap: Box<dyn Fn() + Send + Sync + 'r>,
    act: Box<dyn Fn(&Score) + Send + Sync + 'r>,
}

/// A path in memory that changes under the call.
struct Text(Vec<AtomicU8>);

impl Text {
    fn of(path: &Path) -> Self {
        let bytes = path.as_os_str().as_bytes().iter().chain(&[0]);
        Text(bytes.map(|byte| AtomicU8::new(*byte)).collect())
    }

    fn set(&self, path: &Path) {
        let bytes = path.as_os_str().as_bytes();
        self.0
            .iter()
            .zip(bytes)
            .for_each(|(to, byte)| to.store(*byte, Ordering::Relaxed));
    }

    fn address(&self) -> u64 {
        self.0.as_ptr() as u64
    }
}

fn open(path: u64, flags: i32) -> io::Result<OwnedFd> {
    descriptor(libc::SYS_openat, &[HERE, path, flags as u64, 0o600])
}

/// `FOLDER/open` and `FOLDER/.env` are files, `FOLDER/public/file` and `FOLDER/secrets/file` too.
fn reads(words: &Words) -> Evidence {
    let folder = words.path(0)?.to_owned();
    let (plain, secret) = (folder.join("open"), folder.join(".env"));
    let own = PathBuf::from(format!("/tmp/race-{}", std::process::id()));
    std::fs::create_dir_all(&own)?;
    let text = Text::of(&plain);
    // A descriptor that leads to a name only, and changes which.
    let number = descriptor_of(&plain)?;
    let at = descriptor_of(&folder.join("public"))?;
    let own_link = own.join("link");
    let own_folder = own.join("folder");
    symlink(&plain, &own_link)?;
    symlink(folder.join("public"), &own_folder)?;
    let c = |path: &Path| c_string(path);
    let (c_link, c_inner) = (c(&own_link)?, c(&own_folder.join("file"))?);
    let c_number = CString::new(format!("/proc/self/fd/{}", number.as_raw_fd()))?;
    let read = |path: u64, score: &Score| {
        if let Ok(fd) = open(path, libc::O_RDONLY) {
            score.count(&fd);
        }
    };
    let races = [
        Race {
            name: "text",
            swap: Box::new(|| {
                text.set(&secret);
                text.set(&plain);
            }),
            act: Box::new(|score| read(text.address(), score)),
        },
        Race {
            name: "link",
            swap: Box::new(|| {
                relink(&own, &own_link, &secret);
                relink(&own, &own_link, &plain);
            }),
            act: Box::new(|score| read(c_link.as_ptr() as u64, score)),
        },
        Race {
            name: "folder",
            swap: Box::new(|| {
                relink(&own, &own_folder, &folder.join("secrets"));
                relink(&own, &own_folder, &folder.join("public"));
            }),
            act: Box::new(|score| read(c_inner.as_ptr() as u64, score)),
        },
        Race {
            name: "descriptor",
            swap: Box::new(|| {
                replace(&number, &secret);
                replace(&number, &plain);
            }),
            act: Box::new(|score| read(c_number.as_ptr() as u64, score)),
        },
        Race {
            name: "dirfd",
            swap: Box::new(|| {
                replace(&at, &folder.join("secrets"));
                replace(&at, &folder.join("public"));
            }),
            act: Box::new(|score| {
                let file = c"file".as_ptr() as u64;
                let arguments = [at.as_raw_fd() as u64, file, libc::O_RDONLY as u64, 0];
                if let Ok(fd) = descriptor(libc::SYS_openat, &arguments) {
                    score.count(&fd);
                }
            }),
        },
    ];
    Ok(run(&races, words.number(1)?))
}

/// `FOLDER/free` may be changed and `FOLDER/.envrc` not, of which the caller sees to it that it is still what it was.
/// What is right here is a change that was made.
fn writes(words: &Words) -> Evidence {
    let folder = words.path(0)?.to_owned();
    let (free, kept) = (folder.join("free.."), folder.join(".envrc"));
    let swap = |text: &Text| {
        text.set(&kept);
        text.set(&free);
    };
    let done = |result: io::Result<libc::c_long>, score: &Score| {
        if result.is_ok() {
            score.right.fetch_add(1, Ordering::Relaxed);
        }
    };
    let texts: Vec<Text> = (0..4).map(|_| Text::of(&free)).collect();
    let (write, cut, rename, link) = (&texts[0], &texts[1], &texts[2], &texts[3]);
    let (source, other) = (c_string(&folder.join("source"))?, folder.join("other"));
    let c_other = c_string(&other)?;
    let races = [
        Race {
            name: "write",
            swap: Box::new(move || swap(write)),
            act: Box::new(move |score| {
                if let Ok(fd) = open(write.address(), libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC) {
                    done(
                        call(
                            libc::SYS_write,
                            &[fd.as_raw_fd() as u64, c"evil".as_ptr() as u64, 4],
                        ),
                        score,
                    );
                }
            }),
        },
        Race {
            name: "truncate",
            swap: Box::new(move || swap(cut)),
            act: Box::new(move |score| done(call(libc::SYS_truncate, &[cut.address(), 1]), score)),
        },
        Race {
            name: "rename",
            swap: Box::new(move || swap(rename)),
            act: Box::new(|score| {
                let flags = (libc::O_WRONLY | libc::O_CREAT) as u64;
                drop(descriptor(
                    libc::SYS_openat,
                    &[HERE, source.as_ptr() as u64, flags, 0o600],
                ));
                let arguments = [HERE, source.as_ptr() as u64, HERE, rename.address(), 0];
                done(call(libc::SYS_renameat2, &arguments), score);
            }),
        },
        Race {
            name: "link",
            swap: Box::new(move || swap(link)),
            act: Box::new(|score| {
                let path = c_other.as_ptr() as u64;
                done(
                    call(libc::SYS_linkat, &[HERE, link.address(), HERE, path, 0]),
                    score,
                );
                // A link to what is kept could be written to by its other name.
                if let Ok(fd) = open(path, libc::O_WRONLY) {
                    let _ = call(
                        libc::SYS_write,
                        &[fd.as_raw_fd() as u64, c"evil".as_ptr() as u64, 4],
                    );
                }
                let _ = call(libc::SYS_unlinkat, &[HERE, path, 0]);
            }),
        },
    ];
    Ok(run(&races, words.number(1)?))
}

/// Puts another link in the place of one, at once.
fn relink(folder: &Path, link: &Path, target: &Path) {
    let name = format!("new-{}", link.file_name().map(|name| name.len()).unwrap_or(0));
    let new = folder.join(name);
    let _ = std::fs::remove_file(&new);
    if symlink(target, &new).is_ok() {
        let _ = std::fs::rename(&new, link);
    }
}

fn descriptor_of(path: &Path) -> io::Result<OwnedFd> {
    open(c_string(path)?.as_ptr() as u64, libc::O_PATH)
}

/// Puts what is at a path in the place of a descriptor.
fn replace(number: &OwnedFd, path: &Path) {
    if let Ok(fd) = descriptor_of(path) {
        let _ = call(
            libc::SYS_dup3,
            &[fd.as_raw_fd() as u64, number.as_raw_fd() as u64, 0],
        );
    }
}
