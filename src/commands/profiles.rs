//! `profiles list` and `profiles show`: what names there are, and what they stand for.

use super::out;
use crate::error::{Error, printable};
use crate::profile::find::{self, Place, find};
use crate::profile::{Host, builtin, load};

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
