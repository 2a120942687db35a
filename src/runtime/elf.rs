//! The few facts of an ELF file that say which libraries it needs from outside the system's directories.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::file;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;
/// More headers or strings than this are not read: such a file is broken or hostile.
const MAX_BYTES: u64 = 1 << 20;
/// A dynamic section has some 40 entries besides the libraries.
const MAX_ENTRIES: usize = 1024;
/// The longest path (PATH_MAX), and so the longest name or list of names looked at.
const MAX_TEXT: u64 = 4096;
/// What one file may ask for; browsers need some 60 libraries, from a handful of directories.
pub const MAX_NEEDED: usize = 256;
pub const MAX_DIRECTORIES: usize = 64;

/// What the dynamic loader would look for (elf(5), ld.so(8)). Empty for a static program.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Elf {
    pub loader: Option<PathBuf>,
    /// Names to search for. One with a slash is a path of any place on the host, and left out.
    pub needed: Vec<OsString>,
    /// The absolute directories of DT_RPATH and DT_RUNPATH, `$ORIGIN` replaced.
    pub search: Vec<PathBuf>,
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

impl Elf {
    /// Reads a 64-bit little-endian file; None for any other, or one that contradicts itself.
    pub fn read(path: &Path) -> Option<Self> {
        let file = file::open(path).ok()?;
        let header = bytes(&file, 0, 64)?;
        if !header.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let segments = segments(&file, &header)?;
        let mut elf = Elf::default();
        if let Some(interp) = segments.iter().find(|segment| segment.kind == PT_INTERP) {
            let size = interp.size.min(MAX_TEXT);
            elf.loader = Some(PathBuf::from(text(&bytes(&file, interp.offset, size)?)));
        }
        if let Some(dynamic) = segments.iter().find(|segment| segment.kind == PT_DYNAMIC) {
            elf.read_dynamic(&file, &segments, dynamic, path.parent()?)?;
        }
        Some(elf)
    }

    fn read_dynamic(&mut self, file: &File, all: &[Segment], dynamic: &Segment, origin: &Path) -> Option<()> {
        let table = bytes(file, dynamic.offset, dynamic.size)?;
        let entries: Vec<(u64, u64)> = table
            .chunks_exact(16)
            .take(MAX_ENTRIES)
            .map(|entry| (number(entry, 0, 8), number(entry, 8, 8)))
            .collect();
        let address = entries.iter().find(|(tag, _)| *tag == DT_STRTAB)?.1;
        let load = all.iter().find(|segment| {
            segment.kind == PT_LOAD && (segment.address..segment.address + segment.size).contains(&address)
        })?;
        let strings = load.offset.checked_add(address - load.address)?;
        for (tag, value) in entries {
            match tag {
                DT_NEEDED if self.needed.len() < MAX_NEEDED => {
                    let name = string(file, strings.checked_add(value)?)?;
                    if !name.as_bytes().contains(&b'/') {
                        self.needed.push(name);
                    }
                }
                DT_RPATH | DT_RUNPATH if self.search.len() < MAX_DIRECTORIES => {
                    let list = string(file, strings.checked_add(value)?)?;
                    let entries = std::env::split_paths(&list).map(|entry| expand(&entry, origin));
                    let room = MAX_DIRECTORIES - self.search.len();
                    self.search
                        .extend(entries.filter(|entry| entry.is_absolute()).take(room));
                }
                _ => {}
            }
        }
        Some(())
    }
}

fn segments(file: &File, header: &[u8]) -> Option<Vec<Segment>> {
    let (offset, size, count) = (
        number(header, 32, 8),
        number(header, 54, 2),
        number(header, 56, 2),
    );
    if size < 56 {
        return None;
    }
    let table = bytes(file, offset, size * count)?;
    Some(
        table
            .chunks_exact(size as usize)
            .map(|entry| Segment {
                kind: number(entry, 0, 4) as u32,
                offset: number(entry, 8, 8),
                address: number(entry, 16, 8),
                // In the file, not in memory: what lies past it is zero.
                size: number(entry, 32, 8).min(u64::MAX - number(entry, 16, 8)),
            })
            .collect(),
    )
}

fn expand(entry: &Path, origin: &Path) -> PathBuf {
    for name in ["$ORIGIN", "${ORIGIN}"] {
        if let Ok(rest) = entry.strip_prefix(name) {
            return super::image::normal(&origin.join(rest));
        }
    }
    entry.to_owned()
}

fn bytes(file: &File, offset: u64, size: u64) -> Option<Vec<u8>> {
    let mut buffer = vec![0; usize::try_from(size).ok().filter(|_| size <= MAX_BYTES)?];
    file.read_exact_at(&mut buffer, offset).ok()?;
    Some(buffer)
}

/// A string of the string table; longer ones are not of this world.
fn string(file: &File, offset: u64) -> Option<OsString> {
    let mut buffer = vec![0; MAX_TEXT as usize];
    let length = file.read_at(&mut buffer, offset).ok()?;
    buffer[..length]
        .contains(&0)
        .then(|| text(&buffer[..length]).to_owned())
}

fn text(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes.split(|byte| *byte == 0).next().unwrap_or_default())
}

fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    bytes[at..at + size]
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A program that needs one library, with this search path.
    pub fn program(needed: &str, runpath: &str) -> Vec<u8> {
        let strings = format!("\0{needed}\0{runpath}\0");
        let (headers, dynamic) = (64 + 2 * 56, 5 * 16);
        let strings_at = headers + dynamic;
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(64, 0);
        file[32] = 64;
        file[54] = 56;
        file[56] = 2;
        let size = (strings_at + strings.len()) as u64;
        for (kind, offset, size) in [(PT_LOAD, 0, size), (PT_DYNAMIC, headers as u64, dynamic as u64)] {
            let words = [u64::from(kind), offset, offset, 0, size, size, 0];
            file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        let entries = [
            (DT_NEEDED, 1),
            (DT_RUNPATH, needed.len() as u64 + 2),
            (DT_STRTAB, strings_at as u64),
            (0, 0),
            (0, 0),
        ];
        file.extend(
            entries
                .iter()
                .flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat()),
        );
        file.extend(strings.bytes());
        file
    }

    #[test]
    fn needed_libraries_and_where_to_look() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, program("liba.so", "$ORIGIN/../lib:/opt/b")).unwrap();
        let elf = Elf::read(&path).unwrap();
        assert_eq!(elf.needed, ["liba.so"]);
        assert_eq!(
            elf.search,
            [dir.path().parent().unwrap().join("lib"), "/opt/b".into()]
        );
    }

    #[test]
    fn damaged_files_are_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let whole = program("liba.so", "$ORIGIN/../lib");
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] = 0xff;
            std::fs::write(&path, &damaged).unwrap();
            let _ = Elf::read(&path);
            std::fs::write(&path, &whole[..at]).unwrap();
            let _ = Elf::read(&path);
        }
    }
}
