//! Small configurations for the tests.

use crate::boxed::Case;

pub const OWN: &str = env!("CARGO_BIN_EXE_mcp-sandbox");
pub const CURSOR: &str = "home/.cursor/mcp.json";

/// A server's entry. The command is put in as it is, escapes and all.
pub fn server(command: &str, args: &[&str]) -> String {
    format!(
        "{{\"command\": \"{command}\", \"args\": {}}}",
        serde_json::json!(args)
    )
}

/// Cursor's file with one server, `a`; its text.
pub fn cursor(case: &Case, server: &str) -> String {
    let text = format!("{{\"mcpServers\": {{\"a\": {server}}}}}\n");
    case.write(CURSOR, &text);
    text
}

/// Cursor's file as it is.
pub fn json(case: &Case) -> serde_json::Value {
    serde_json::from_str(&case.read(CURSOR)).unwrap()
}
