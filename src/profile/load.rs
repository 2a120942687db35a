//! The schema of profile format version 1: text in, one [`RawProfile`] or every error in it out.
//!
//! Pure: bases are not looked up, paths are not touched, variables only checked for their names.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Range;
use std::sync::Arc;

use mcp_sandbox_platform::files::Pattern;
use mcp_sandbox_platform::net::{Dns, Inspect};
use mcp_sandbox_platform::{Access, quote};
use toml::de::{DeTable, DeValue};

use super::layer::{HomeMode, Layer, List, Mount, PathArgs, PathText, RawProfile, User};
use super::origin::{Located, Source};
use super::read::{Reader, Table, Value, place_in_bytes};
use super::resources::{self, Resources};
use super::{expand, in_order, word};
use crate::error::Diagnostic;
use crate::net::{self, HostPattern};
use crate::policy::protected;

/// A profile is a page of text; what is larger is something else.
pub const MOST_BYTES: usize = 1 << 20;

const TOP: [&str; 9] = [
    "version",
    "description",
    "extends",
    "command",
    "filesystem",
    "resources",
    "network",
    "process",
    "contexts",
];
const COMMAND: [&str; 3] = ["match", "run", "cwd"];
const FILESYSTEM: [&str; 5] = ["mounts", "path_args", "home", "tmp", "writable_sensitive"];
const MOUNT: [&str; 5] = ["path", "at", "access", "create", "exclude"];
const NETWORK: [&str; 4] = ["allow", "block", "dns", "inspect"];
const PROCESS: [&str; 4] = ["spawn", "user", "capabilities", "env"];
const ENV: [&str; 2] = ["pass", "set"];
const CONTEXT: [&str; 5] = ["command", "filesystem", "network", "resources", "process"];
const CONTEXT_COMMAND: [&str; 2] = ["run", "cwd"];

/// The table of the schema that has a key, for whoever wrote it elsewhere.
pub fn table_of(key: &str) -> Option<&'static str> {
    let tables: [(&str, &[&str]); 7] = [
        ("[command]", &COMMAND),
        ("[filesystem]", &FILESYSTEM),
        ("[resources]", &resources::KEYS),
        ("[network]", &NETWORK),
        ("[process]", &PROCESS),
        ("[process.env]", &ENV),
        ("a mount", &MOUNT),
    ];
    let found = tables.into_iter().find(|(_, keys)| keys.contains(&key));
    found.map(|(table, _)| table)
}

/// Reads one profile.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn load(bytes: &[u8], source: &Arc<Source>) -> Result<RawProfile, Vec<Diagnostic>> {
    let (profile, found) = load_what_can_be(bytes, source);
    if found.is_empty() { Ok(profile) } else { Err(found) }
}

/// Reads what can be read of a profile and tells what cannot, so that its bases can be checked all the same.
pub fn load_what_can_be(bytes: &[u8], source: &Arc<Source>) -> (RawProfile, Vec<Diagnostic>) {
    let text = match text_of(bytes, source) {
        Ok(text) => text,
        Err(one) => return (RawProfile::default(), vec![one]),
    };
    let mut reader = Reader::new(source, text);
    let (tree, errors) = DeTable::parse_recoverable(text);
    let profile = if errors.is_empty() {
        read_profile(&mut reader, tree.get_ref())
    } else {
        errors.iter().for_each(|error| syntax(&mut reader, error));
        RawProfile::default()
    };
    (profile, in_order(reader.found()))
}

fn text_of<'b>(bytes: &'b [u8], source: &Source) -> Result<&'b str, Diagnostic> {
    let refusal = |place, message: &str, hint: &str| Diagnostic {
        file: source.name.clone(),
        place,
        message: message.into(),
        hint: Some(hint.into()),
    };
    if bytes.len() > MOST_BYTES {
        return Err(refusal(
            None,
            "the file is larger than 1 MiB",
            "a profile is a short TOML file: is this the right one?",
        ));
    }
    // Editors of Windows mark UTF-8 with a byte order mark.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let place = place_in_bytes(bytes, error.valid_up_to());
        refusal(
            Some(place),
            "the file is not UTF-8 from here on",
            "save the file as UTF-8",
        )
    })
}

fn syntax(reader: &mut Reader<'_>, error: &toml::de::Error) {
    let span = error.span().unwrap_or_default();
    let message = format!("not valid TOML: {}", error.message().replace('\n', "; "));
    reader.error(&span, message, "the format is described at https://toml.io");
}

fn read_profile<'t>(reader: &mut Reader<'_>, entries: &'t DeTable<'t>) -> RawProfile {
    let top = reader.top(entries, &TOP);
    check_version(reader, &top);
    let mut profile = RawProfile {
        file: reader.file(),
        description: top
            .value("description")
            .and_then(|value| reader.parsed("description", value, word::clean)),
        extends: top
            .value("extends")
            .and_then(|value| names(reader, "extends", value))
            .unwrap_or_default(),
        layer: read_layer(reader, &top, "", &COMMAND),
        contexts: top
            .value("contexts")
            .map(|value| read_contexts(reader, value))
            .unwrap_or_default(),
        ..RawProfile::default()
    };
    // `match` is no setting: it is not merged, so it is read beside the layer.
    if let Some(DeValue::Table(command)) = top.value("command").map(|value| value.get_ref()) {
        let value = command.get("match");
        profile.matches = value
            .and_then(|value| names(reader, "match", value))
            .unwrap_or_default();
    }
    profile
}

fn check_version(reader: &mut Reader<'_>, top: &Table<'_>) {
    const HINT: &str = "write version = 1 on the first line";
    let Some(value) = top.required(reader, &(0..0), "version", HINT) else {
        return;
    };
    match value.get_ref() {
        DeValue::Integer(number) if number.as_str() == "1" && number.radix() == 10 => {}
        DeValue::Integer(number) => {
            let message = format!("unknown version {}", quote(number.as_str()));
            reader.error(
                &value.span(),
                message,
                "this program knows version 1; a newer one may know more",
            );
        }
        other => drop(reader.wrong_type::<()>("version", &value.span(), "the integer 1", other)),
    }
}

fn read_contexts<'t>(reader: &mut Reader<'_>, value: &'t Value<'t>) -> BTreeMap<String, Layer> {
    let mut contexts = BTreeMap::new();
    let Some(entries) = reader.any_table("[contexts]", value) else {
        return contexts;
    };
    for (key, value) in entries {
        if let Err((message, hint)) = word::name(key.get_ref()) {
            reader.error(&key.span(), message, hint);
        }
        let prefix = format!("contexts.{}.", key.get_ref().escape_default());
        let title = format!("[{}]", prefix.trim_end_matches('.'));
        // The keys are checked apart from the table that is read on, so that it may outlive the title.
        if reader.table(&title, value, &CONTEXT).is_some()
            && let DeValue::Table(entries) = value.get_ref()
        {
            let table = Table::known(entries);
            let layer = read_layer(reader, &table, &prefix, &CONTEXT_COMMAND).replacing();
            contexts.insert(key.get_ref().to_string(), layer);
        }
    }
    contexts
}

/// Reads the tables that a profile and a context share.
fn read_layer(reader: &mut Reader<'_>, parent: &Table<'_>, prefix: &str, command: &[&str]) -> Layer {
    let mut layer = Layer::default();
    if let Some(value) = parent.value("command") {
        let title = format!("[{prefix}command]");
        if let Some(table) = reader.table(&title, value, command) {
            layer.run = table.value("run").and_then(|value| read_run(reader, value));
            layer.cwd = table.value("cwd").and_then(|value| path(reader, "cwd", value));
        }
    }
    if let Some(value) = parent.value("filesystem") {
        let title = format!("[{prefix}filesystem]");
        if let Some(table) = reader.table(&title, value, &FILESYSTEM) {
            read_filesystem(reader, &table, &mut layer);
        }
    }
    if let Some(value) = parent.value("resources") {
        let title = format!("[{prefix}resources]");
        if let Some(table) = reader.table(&title, value, &resources::KEYS) {
            layer.resources = Resources::read(reader, &table);
        }
    }
    if let Some(value) = parent.value("network") {
        let title = format!("[{prefix}network]");
        if let Some(table) = reader.table(&title, value, &NETWORK) {
            read_network(reader, &table, &mut layer);
        }
    }
    if let Some(value) = parent.value("process") {
        let title = format!("[{prefix}process]");
        if let Some(table) = reader.table(&title, value, &PROCESS) {
            read_process(reader, &table, &mut layer);
            let title = format!("[{prefix}process.env]");
            let env = table
                .value("env")
                .and_then(|value| reader.table(&title, value, &ENV));
            env.iter().for_each(|table| read_env(reader, table, &mut layer));
        }
    }
    layer
}

fn read_filesystem(reader: &mut Reader<'_>, table: &Table<'_>, layer: &mut Layer) {
    let mounts = table
        .value("mounts")
        .and_then(|value| reader.list("mounts", value, read_mount));
    layer.mounts = mounts.map(List::given).unwrap_or_default();
    layer.path_args = table.value("path_args").and_then(|value| {
        let words = [
            ("none", PathArgs::None),
            ("read", PathArgs::Read),
            ("write", PathArgs::Write),
        ];
        reader.word("path_args", value, &words)
    });
    layer.home = table.value("home").and_then(|value| {
        let words = [
            ("ephemeral", HomeMode::Ephemeral),
            ("persistent", HomeMode::Persistent),
        ];
        reader.word("home", value, &words)
    });
    layer.tmp = table
        .value("tmp")
        .and_then(|value| reader.parsed("tmp", value, word::size));
    let names = table.value("writable_sensitive").and_then(|value| {
        reader.list("writable_sensitive", value, |reader, item| {
            reader.parsed("writable_sensitive", item, protected::name)
        })
    });
    layer.writable_sensitive = names.map(List::given).unwrap_or_default();
}

fn read_mount<'t>(reader: &mut Reader<'_>, value: &'t Value<'t>) -> Option<Located<Mount>> {
    let table = reader.table("a mount", value, &MOUNT)?;
    const HINT: &str = "a mount is { path = \"/a/folder\", at = \"/in/the/box\", access = \"read\" }";
    let source = table.required(reader, &value.span(), "path", HINT);
    let source = source.and_then(|value| path(reader, "path", value));
    let at = table.value("at").map(|value| path(reader, "at", value));
    let words = [("read", Access::Read), ("write", Access::Write)];
    let access = table
        .value("access")
        .map(|value| reader.word("access", value, &words));
    let create = table.value("create").map(|value| reader.boolean("create", value));
    let exclude = table.value("exclude").map(|value| excluded(reader, value));
    let mount = Mount {
        exclude: exclude.map_or(Some(Vec::new()), |exclude| exclude)?,
        path: source?,
        at: at.map_or(Some(None), |at| at.map(Some))?,
        access: access.map_or(Some(Access::Read), |access| access.map(|access| access.value))?,
        create: create
            .clone()
            .map_or(Some(false), |create| create.map(|create| create.value))?,
    };
    if let (true, Access::Read, Some(Some(create))) = (mount.create, mount.access, create) {
        // An empty folder that nobody can fill is a mistake, not a wish.
        let message = "\"create\" needs access = \"write\"";
        reader.found_at(&create.origin, message, "add access = \"write\" or drop create");
    }
    Some(reader.origin(&value.span()).at(mount))
}

/// The patterns of a mount, each with its place in the file.
fn excluded<'t>(reader: &mut Reader<'_>, value: &'t Value<'t>) -> Option<Vec<Pattern>> {
    let patterns = reader.list("exclude", value, |reader, item| {
        let reason = reader.origin(&item.span()).to_string();
        reader.parsed("exclude", item, |text| {
            Pattern::parse(text, &reason).map_err(|why| {
                let hint =
                    "a line of .gitignore, such as \".env\", \"*.key\", \"/secrets/\" or \"!public.key\"";
                (format!("{} in \"exclude\" {why}", quote(text)), hint.to_owned())
            })
        })
    })?;
    Some(patterns.into_iter().map(|pattern| pattern.value).collect())
}

fn read_network(reader: &mut Reader<'_>, table: &Table<'_>, layer: &mut Layer) {
    layer.allow = hosts(reader, table, "allow", net::List::Allow);
    layer.block = hosts(reader, table, "block", net::List::Block);
    layer.dns = table.value("dns").and_then(|value| {
        let words = [("filtered", Dns::Filtered), ("off", Dns::Off)];
        reader.word("dns", value, &words)
    });
    layer.inspect = table.value("inspect").and_then(|value| {
        let words = [("none", Inspect::None), ("sni", Inspect::Sni)];
        reader.word("inspect", value, &words)
    });
}

fn hosts(reader: &mut Reader<'_>, table: &Table<'_>, key: &str, list: net::List) -> List<HostPattern> {
    let patterns = table.value(key).and_then(|value| {
        reader.list(key, value, |reader, item| {
            reader.parsed(key, item, |text| HostPattern::parse(text, list))
        })
    });
    patterns.map(List::given).unwrap_or_default()
}

fn read_process(reader: &mut Reader<'_>, table: &Table<'_>, layer: &mut Layer) {
    layer.spawn = table
        .value("spawn")
        .and_then(|value| reader.boolean("spawn", value));
    layer.user = table.value("user").and_then(|value| read_user(reader, value));
    let list = table.value("capabilities").and_then(|value| {
        reader.list("capabilities", value, |reader, item| {
            reader.parsed("capabilities", item, word::capability)
        })
    });
    layer.capabilities = list.map(List::given).unwrap_or_default();
}

fn read_user(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Located<User>> {
    let span = value.span();
    match value.get_ref() {
        DeValue::String(_) => reader.parsed("user", value, |text| match text {
            "inherit" => Ok(User::Inherit),
            _ => word::name(text).map(User::Name),
        }),
        DeValue::Integer(number) => match u32::from_str_radix(number.as_str(), number.radix()) {
            // The all-ones uid means "no change" to setresuid(2).
            Ok(uid) if uid != u32::MAX => Some(reader.origin(&span).at(User::Uid(uid))),
            _ => {
                let message = format!("{} is not a user id", quote(number.as_str()));
                reader.error(&span, message, "a user id is a number from 0 to 4294967294");
                None
            }
        },
        other => reader.wrong_type("user", &span, "a user name or a user id", other),
    }
}

fn read_env(reader: &mut Reader<'_>, table: &Table<'_>, layer: &mut Layer) {
    let pass = table.value("pass").and_then(|value| {
        reader.list("pass", value, |reader, item| {
            reader.parsed("pass", item, |text| word::env_name(text).map(OsString::from))
        })
    });
    layer.env_pass = pass.map(List::given).unwrap_or_default();
    let set = table
        .value("set")
        .and_then(|value| reader.any_table("set", value));
    for (key, value) in set.into_iter().flatten() {
        if let Err((message, hint)) = word::env_name(key.get_ref()) {
            reader.error(&key.span(), message, hint);
        }
        if let Some(value) = reader.parsed(key.get_ref(), value, |text| {
            word::no_nul(text).map(OsString::from)
        }) {
            layer.env_set.insert(key.get_ref().to_string().into(), value);
        }
    }
    for both in layer
        .env_pass
        .items
        .iter()
        .filter(|name| layer.env_set.contains_key(&name.value))
    {
        let message = format!("{} is both passed and set", quote(&both.value));
        reader.found_at(&both.origin, message, "keep it in one of pass and set");
    }
}

fn read_run<'t>(reader: &mut Reader<'_>, value: &'t Value<'t>) -> Option<Located<Vec<Located<String>>>> {
    let words = reader.list("run", value, |reader, item| {
        let word = reader.parsed("run", item, word::no_nul)?;
        check_variables(reader, &word.value, &item.span());
        Some(word)
    })?;
    if words.first().is_some_and(|word| word.value.is_empty()) {
        reader.error(
            &value.span(),
            "the first word of \"run\" is empty",
            "it names the program to start",
        );
    }
    Some(reader.origin(&value.span()).at(words))
}

fn names<'t>(reader: &mut Reader<'_>, key: &str, value: &'t Value<'t>) -> Option<Vec<Located<String>>> {
    reader.list(key, value, |reader, item| reader.parsed(key, item, word::name))
}

fn path(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<Located<PathText>> {
    let path = reader.parsed(key, value, |text| word::name(text).map(PathText::Template))?;
    if let PathText::Template(text) = &path.value {
        check_variables(reader, text, &value.span());
    }
    Some(path)
}

/// Unknown variables are told at their own place, not at that of the string around them.
fn check_variables(reader: &mut Reader<'_>, text: &str, span: &Range<usize>) {
    for (variable, message, hint) in expand::unknown(text) {
        let start = span.start + reader.written(span).find(variable).unwrap_or(0);
        reader.error(&(start..span.end), message, hint);
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
