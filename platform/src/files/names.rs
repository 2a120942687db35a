//! File systems that find a file by other spellings of its name than the one it has.

use std::path::Path;

/// Why names below a folder cannot be told by their spelling; nothing where one spelling is one name, but for the case of
/// letters. vfat has short names (`ENV~1`), others drop what ends a name or some code points, and what another computer
/// does is not known.
#[cfg(target_os = "linux")]
pub fn spelled_otherwise(folder: &Path) -> Option<&'static str> {
    use std::os::fd::AsRawFd as _;

    let magic = nix::sys::statfs::statfs(folder).ok()?.filesystem_type().0;
    if let Some(name) = by_magic(magic) {
        return Some(name);
    }
    let folder = std::fs::File::open(folder).ok()?;
    let mut flags: libc::c_long = 0;
    // SAFETY: FS_IOC_GETFLAGS writes an int, for which a long has room.
    let asked = unsafe { libc::ioctl(folder.as_raw_fd(), libc::FS_IOC_GETFLAGS, &raw mut flags) };
    (asked == 0 && flags & CASEFOLD != 0).then_some("a folder with the attribute \"casefold\"")
}

#[cfg(not(target_os = "linux"))]
pub fn spelled_otherwise(_: &Path) -> Option<&'static str> {
    None
}

/// `FS_CASEFOLD_FL` of linux/fs.h.
#[cfg(target_os = "linux")]
const CASEFOLD: libc::c_long = 0x4000_0000;

/// Numbers of statfs(2) and linux/magic.h.
#[cfg(target_os = "linux")]
fn by_magic(magic: i64) -> Option<&'static str> {
    Some(match magic {
        0x4d44 => "vfat",
        0x2011_bab0 => "exfat",
        0x5346_544e | 0x7366_746e => "ntfs",
        0x0102_1997 => "9p",
        0xff53_4d42 | 0xfe53_4d42 => "cifs",
        0x482b | 0x4244 => "hfs",
        0x6573_5546 => "fuse",
        _ => return None,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn folders_of_this_machine_are_spelled_one_way() {
        assert_eq!(spelled_otherwise(&std::env::temp_dir()), None);
        assert_eq!(spelled_otherwise(Path::new("/proc")), None);
    }

    #[test]
    fn file_systems_are_known_by_their_numbers() {
        assert_eq!(by_magic(libc::MSDOS_SUPER_MAGIC), Some("vfat"));
        assert_eq!(by_magic(0x0102_1997), Some("9p"));
        assert_eq!(by_magic(libc::EXT4_SUPER_MAGIC), None);
    }
}
