//! `profiles`: what names there are, what they stand for, and a text to start from.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use mcp_sandbox_platform::quote;

use super::out;
use crate::error::{Error, printable};
use crate::profile::find::{self, Place, find};
use crate::profile::{self, Flags, Host, builtin, load};

/// Prints every profile: name, where from, description.
///
/// # Errors
/// A closed stdout apart, what keeps it from being written.
pub fn list(host: &Host) -> Result<(), Error> {
    out::print(&listing(host))
}

/// Prints the text of one profile.
///
/// # Errors
/// There is no such profile, or it cannot be read.
pub fn show(name: &str, host: &Host) -> Result<(), Error> {
    let found = find(name, host)?;
    out::print(&String::from_utf8_lossy(&found.bytes))
}

/// Prints a profile merged with what lies under it.
///
/// # Errors
/// There is no such profile or context, or it is not valid.
pub fn resolved(name: &str, context: Option<&str>, host: &Host) -> Result<(), Error> {
    let profile = profile::open(Some(name), context, &Flags::default(), host)?;
    out::print(&profile::resolved::text(&profile, host)?)
}

/// The profile to start from: it gives what `default` gives, and shows every other setting.
pub const STARTER: &str = include_str!("starter.toml");

/// Prints the profile to start from, or writes it to a new file.
///
/// # Errors
/// The file exists already, or cannot be written.
pub fn new(file: Option<&Path>) -> Result<(), Error> {
    let Some(file) = file else {
        return out::print(STARTER);
    };
    let written = fs::File::create_new(file).and_then(|mut made| made.write_all(STARTER.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::setup(format!("{} exists already", quote(file)))
            .hint("name a file that does not exist, or print to stdout without one"),
        _ => Error::setup(format!("cannot write {}: {}", quote(file), find::reason(&error)))
            .hint("name a file in a folder that exists and that you may write to"),
    })?;
    out::warn(&format!(
        "wrote {}; next: mcp-sandbox check {}",
        quote(file),
        printable(file)
    ));
    Ok(())
}

fn listing(host: &Host) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["NAME", "FROM", "DESCRIPTION"]);
    for name in find::names(host) {
        let (from, description) = described(&name, host);
        table.add_row([printable(&name), from, description]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    format!("{}\n", lines.join("\n"))
}

fn described(name: &str, host: &Host) -> (String, String) {
    let found = match find(name, host) {
        Ok(found) => found,
        Err(error) => return ("user".to_owned(), error.message),
    };
    let from = match found.place {
        Place::BuiltIn(_) => "built-in",
        Place::File(_) if builtin::text(name).is_some() => "user, instead of built-in",
        Place::File(_) => "user",
    };
    let description = match load::load(&found.bytes, &found.source) {
        Ok(profile) => profile
            .description
            .map(|text| printable(&text.value))
            .unwrap_or_default(),
        Err(_) => format!("not valid: `mcp-sandbox check {name}` says why"),
    };
    (from.to_owned(), description)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::listing;
    use crate::profile::{Host, find};

    #[test]
    fn names_places_and_descriptions_stand_in_columns() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host {
            home: folder.path().into(),
            cwd: folder.path().into(),
            config_dir: folder.path().join("config"),
            state_dir: folder.path().join("state"),
            cache_dir: folder.path().join("cache"),
            uid: 0,
            ssh_auth_sock: None,
            cores: 2,
        };
        fs::create_dir_all(find::folder(&host)).unwrap();
        fs::write(
            find::folder(&host).join("mine.toml"),
            "version = 1\ndescription = \"my own\"",
        )
        .unwrap();
        fs::write(find::folder(&host).join("time.toml"), "version = 2").unwrap();
        let text = listing(&host);
        let line = |name: &str| {
            text.lines()
                .find(|line| line.trim_start().starts_with(name))
                .unwrap_or_default()
        };
        assert!(
            line("mine").contains("user ") && line("mine").ends_with("my own"),
            "{text}"
        );
        assert!(line("time").contains("user, instead of built-in"), "{text}");
        assert!(
            line("time").contains("not valid: `mcp-sandbox check time`"),
            "{text}"
        );
        assert!(line("git").contains("built-in"), "{text}");
        assert!(text.starts_with("NAME") && text.ends_with('\n'), "{text}");
    }
}
