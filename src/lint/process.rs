//! What the environment, the command, rights and limits give.

use std::ffi::OsString;
use std::fmt::Display;

use mcp_sandbox_platform::{Bytes, quote};

use super::network::leaves_the_machine;
use super::rules::*;
use super::secret;
use super::{Finding, Severity};
use crate::profile::{Host, Located, Origin, Profile, User, expand, package};

/// What leads to a display, an agent or a daemon outside the box.
const CONTROL: [&str; 12] = [
    "CONTAINER_HOST",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "DISPLAY",
    "DOCKER_HOST",
    "GNOME_KEYRING_CONTROL",
    "GPG_AGENT_INFO",
    "PULSE_SERVER",
    "SSH_AUTH_SOCK",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
];

/// What makes a loader, an interpreter or git run code that it names: ld.so(8), node(1), python(1), bash(1), git(1) and
/// the like.
const CODE: [&str; 24] = [
    "BASH_ENV",
    "DYLD_INSERT_LIBRARIES",
    "DYLD_LIBRARY_PATH",
    "ENV",
    "GIT_ASKPASS",
    "GIT_EXEC_PATH",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PERL5LIB",
    "PERL5OPT",
    "PROMPT_COMMAND",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "RUBYOPT",
];

/// What turns the check of certificates off, and the values that do; any value where none are listed.
const TLS: [(&str, &[&str]); 6] = [
    ("CURL_INSECURE", &[]),
    ("GIT_SSL_NO_VERIFY", &[]),
    ("NODE_TLS_REJECT_UNAUTHORIZED", &["0"]),
    ("NPM_CONFIG_STRICT_SSL", &["false"]),
    ("PYTHONHTTPSVERIFY", &["0"]),
    ("SSL_NO_VERIFY", &[]),
];

/// Capabilities with which a process in the box does not get further than it is (capabilities(7)).
const HARMLESS: [&str; 3] = ["CAP_IPC_LOCK", "CAP_NET_BIND_SERVICE", "CAP_SYS_NICE"];

const MOST_MEMORY: Bytes = Bytes(8 << 30);
const MOST_PROCESSES: u32 = 2048;
const MOST_DISK: Bytes = Bytes(20 << 30);

/// Why a variable of this name should not come from the client's environment, if that is so.
pub fn risk(name: &str) -> Option<&'static str> {
    if CONTROL.contains(&name) {
        return Some("it leads to a control socket outside the box");
    }
    if CODE.contains(&name) {
        return Some("it makes programs load code that the client's environment names");
    }
    let off = TLS.iter().any(|(known, _)| *known == name);
    off.then_some("it can turn the check of certificates off")
}

pub fn findings(profile: &Profile, host: &Host) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(profile.env_pass.iter().filter_map(|name| passed(name, profile)));
    for (name, value) in &profile.env_set {
        found.extend(set(&name.to_string_lossy(), value));
    }
    found.extend(command(profile));
    found.extend(unpinned(profile, host));
    found.extend(profile.capabilities.iter().map(capability));
    found.extend(root(&profile.user));
    found.extend(limits(profile));
    found
}

fn passed(name: &Located<OsString>, profile: &Profile) -> Option<Finding> {
    let (text, origin) = (name.value.to_string_lossy(), &name.origin);
    let text = text.as_ref();
    if CONTROL.contains(&text) {
        let message = format!("{} leads to a control socket outside the box", quote(text));
        return Some(CONTROL_VARIABLE.at(origin, Severity::Medium, message, "drop it from pass"));
    }
    if CODE.contains(&text) {
        let message = format!(
            "{} makes programs load code that the client's environment names",
            quote(text)
        );
        let cure = "give the value in set, if the server needs one";
        return Some(CODE_VARIABLE.at(origin, Severity::Medium, message, cure));
    }
    if TLS.iter().any(|(name, _)| *name == text) {
        let message = format!("{} can turn the check of certificates off", quote(text));
        return Some(TLS_OFF.at(origin, Severity::Medium, message, "drop it from pass"));
    }
    secret::is_name(text).then(|| {
        let (message, cure) = match profile
            .allow
            .iter()
            .any(|rule| leaves_the_machine(&rule.value.host))
        {
            true => (
                format!("the server and every program it starts can read {}", quote(text)),
                "give it a token of its own, with the least rights and an end",
            ),
            false => (
                format!(
                    "{} is passed, and no host is allowed that it could be for",
                    quote(text)
                ),
                "drop it, or allow the host that it is for",
            ),
        };
        SECRET_PASSED.at(origin, Severity::Low, message, cure)
    })
}

fn set(name: &str, value: &Located<OsString>) -> Option<Finding> {
    let text = value.value.to_string_lossy();
    let off = TLS.iter().any(|(known, values)| {
        *known == name && !text.is_empty() && (values.is_empty() || values.contains(&&*text))
    });
    if off {
        let message = format!(
            "{} = {} turns the check of certificates off",
            quote(name),
            quote(&*text)
        );
        let cure = "drop it, and mount the certificate of your own authority instead (NODE_EXTRA_CA_CERTS, SSL_CERT_FILE)";
        return Some(TLS_OFF.at(&value.origin, Severity::High, message, cure));
    }
    let named = secret::is_name(name) && secret::could_be_value(&text);
    (named || secret::is_value(&text)).then(|| {
        // The value is not repeated: reports are stored and shown.
        let message = format!("{} is set to what looks like a secret", quote(name));
        let cure = format!("move it to the client's environment: pass = [{}]", quote(name));
        SECRET_VALUE.at(&value.origin, Severity::High, message, cure)
    })
}

/// Secrets among the words of the profile's own command.
fn command(profile: &Profile) -> Vec<Finding> {
    let words = profile.run.iter().flat_map(|run| &run.value);
    let secret = words.filter(|word| {
        let option = word
            .value
            .strip_prefix("--")
            .and_then(|rest| rest.split_once('='));
        let named = option.is_some_and(|(name, value)| {
            secret::is_name(&name.replace('-', "_").to_uppercase()) && secret::could_be_value(value)
        });
        named || secret::is_value(&word.value)
    });
    let finding = |word: &Located<String>| {
        let message = "a word of \"run\" looks like a secret, and process lists show it";
        let cure = "pass it as a variable in [process.env], if the server reads one";
        SECRET_VALUE.at(&word.origin, Severity::High, message, cure)
    };
    secret.map(finding).collect()
}

/// A launcher that is free to take the newest release.
fn unpinned(profile: &Profile, host: &Host) -> Option<Finding> {
    let run = profile.run.as_ref()?;
    let argv = expand::run(profile, host).ok()?;
    let program = argv.first().map(|word| package::program_name(word))?;
    if !package::starts_packages(&program) {
        return None;
    }
    let names = package::packages(&argv, &|_| None);
    let specs: Vec<_> = run
        .value
        .iter()
        .filter_map(|word| Some((word, spec_of(&word.value, &names)?)))
        .collect();
    if specs.iter().any(|(_, (_, version))| is_pinned(version)) {
        return None;
    }
    let (word, (spec, _)) = specs.first()?;
    let message = format!(
        "{program} starts whatever release of {} is the newest",
        quote(*spec)
    );
    let example = format!("{}@1.2.3", spec.trim_end_matches("@latest"));
    let cure = format!("name the release, as in {}", quote(example));
    Some(UNPINNED_PACKAGE.at(&word.origin, Severity::Low, message, cure))
}

/// The package and its version as a word of a command names them, by itself or as the value of an option.
fn spec_of<'w>(word: &'w str, names: &[String]) -> Option<(&'w str, &'w str)> {
    let option = word.starts_with("--").then(|| word.split_once('=')).flatten();
    let spec = option.map_or(word, |(_, value)| value);
    let versions = names.iter().filter_map(|name| spec.strip_prefix(name.as_str()));
    let whole = |rest: &&str| rest.is_empty() || rest.starts_with(['@', '=', '[', '>', '<', '~']);
    let version = versions.filter(whole).min_by_key(|rest| rest.len())?;
    Some((spec, version))
}

/// `@1.2.3` of npm and uv, `==1.2.3` of Python.
fn is_pinned(version: &str) -> bool {
    let exact = version
        .strip_prefix('@')
        .or_else(|| Some(version.split_once("==")?.1));
    exact.is_some_and(|text| text.starts_with(|c: char| c.is_ascii_digit()))
}

fn capability(name: &Located<String>) -> Finding {
    let severity = match HARMLESS.contains(&name.value.as_str()) {
        true => Severity::Low,
        false => Severity::High,
    };
    let message = format!("the server keeps {} inside the box", quote(&name.value));
    CAPABILITY.at(
        &name.origin,
        severity,
        message,
        "drop it: servers start without capabilities",
    )
}

fn root(user: &Located<User>) -> Option<Finding> {
    let root = match &user.value {
        User::Inherit => false,
        User::Name(name) => name == "root" || name == "0",
        User::Uid(uid) => *uid == 0,
    };
    root.then(|| {
        let message = "the server runs as root";
        let cure = "use \"inherit\", or a user that owns nothing, such as \"nobody\"";
        RUNS_AS_ROOT.at(&user.origin, Severity::High, message, cure)
    })
}

fn limits(profile: &Profile) -> Vec<Finding> {
    let given = &profile.resources;
    let judged = [
        limit("memory", &given.memory, MOST_MEMORY),
        limit("processes", &given.processes, MOST_PROCESSES),
        limit("disk", &given.disk, MOST_DISK),
    ];
    let at = |(origin, message, cure): (Option<_>, String, String)| {
        let origin = origin.unwrap_or(&profile.tmp.origin);
        NO_LIMIT.at(origin, Severity::Medium, message, cure)
    };
    judged.into_iter().flatten().map(at).collect()
}

fn limit<'p, T: Copy + PartialOrd + Display>(
    key: &str,
    given: &'p Option<Located<T>>,
    most: T,
) -> Option<(Option<&'p Origin>, String, String)> {
    let cure = format!("give {key} a value of at most {most} in [resources]");
    match given {
        None => Some((None, format!("nothing limits {key}"), cure)),
        Some(limit) if limit.value > most => {
            let message = format!("{key} = {} is more than any server needs", limit.value);
            Some((Some(&limit.origin), message, cure))
        }
        Some(_) => None,
    }
}
