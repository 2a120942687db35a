//! What a string in a profile may be: each reader gives the value, or what is wrong and what to write instead.

use mcp_sandbox_platform::{Bytes, quote};

use super::layer::valid_env_name;
use super::nearest::nearest;

/// What is wrong, and the hint.
type Refusal = (String, String);

/// The full name of a Linux capability.
pub fn capability(text: &str) -> Result<String, Refusal> {
    super::capability::full_name(text)
        .map(str::to_owned)
        .ok_or_else(|| {
            let upper = text.to_uppercase();
            let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
            // Without what all of them have in common, which would make any two of them near.
            let names = super::capability::NAMES.map(|name| &name["CAP_".len()..]);
            let near = nearest(short, names).map(|near| format!("did you mean \"CAP_{near}\"? "));
            let message = format!("unknown capability {}", quote(text));
            let hint = "capabilities(7) lists them, such as CAP_NET_BIND_SERVICE";
            (message, near.unwrap_or_default() + hint)
        })
}

/// A size with its unit.
pub fn size(text: &str) -> Result<Bytes, Refusal> {
    const HINT: &str = "write a whole number and a unit, such as \"256MB\" or \"1GiB\"";
    text.parse()
        .map_err(|why| (format!("{} is not a size: {why}", quote(text)), HINT.into()))
}

/// The name of an environment variable.
pub fn env_name(text: &str) -> Result<String, Refusal> {
    let hint = match text.contains('=') {
        true => "a name with its value belongs in set, as NAME = \"value\"",
        false => "write the name alone, such as \"GITHUB_TOKEN\"",
    };
    valid_env_name(text)
        .map(|()| text.to_owned())
        .map_err(|message| (message, hint.into()))
}

/// Names and paths: something, on one line, without characters that a terminal acts on.
pub fn name(text: &str) -> Result<String, Refusal> {
    match text {
        "" => Err((
            "an empty string stands for nothing".into(),
            "write a name or path, or drop the line".into(),
        )),
        _ => clean(text),
    }
}

/// Text on one line.
pub fn clean(text: &str) -> Result<String, Refusal> {
    match text.contains(|c: char| c.is_control()) {
        true => {
            let message = format!("{} holds a control character", quote(text));
            Err((message, "NUL, line breaks and escapes are refused here".into()))
        }
        false => Ok(text.to_owned()),
    }
}

/// A word of a command line or the value of a variable: its reader decides what lines mean.
pub fn no_nul(text: &str) -> Result<String, Refusal> {
    match text.contains('\0') {
        true => Err((
            format!("{} holds a NUL", quote(text)),
            "no program can be given a NUL".into(),
        )),
        false => Ok(text.to_owned()),
    }
}
