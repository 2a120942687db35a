//! The hostile MCP server: JSON-RPC over stdio, one tool per attempt.

use std::io::{BufRead as _, Write as _};

use serde_json::{Value, json};

use super::attempt::{self, Answer, Obstacle, Scene};
use crate::error::{Error, reason};

/// The revision of the protocol that the demo speaks.
pub const PROTOCOL: &str = "2025-06-18";

const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;

/// Serves until stdin ends.
///
/// # Errors
/// stdin or stdout cannot be used.
pub fn serve() -> Result<(), Error> {
    let failed = |error: std::io::Error| {
        Error::setup(format!("the demo's server lost its client: {}", reason(&error)))
    };
    for line in std::io::stdin().lock().lines() {
        if let Some(answer) = answer(&line.map_err(failed)?) {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{answer}")
                .and_then(|()| out.flush())
                .map_err(failed)?;
        }
    }
    Ok(())
}

/// The answer to one message; none to a notification.
fn answer(line: &str) -> Option<Value> {
    let message: Value = serde_json::from_str(line).ok()?;
    let id = message.get("id")?;
    let result = match message.get("method").and_then(Value::as_str) {
        Some("initialize") => Ok(json!({
            "protocolVersion": PROTOCOL,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "mcp-sandbox-demo", "version": env!("CARGO_PKG_VERSION")},
        })),
        Some("ping") => Ok(json!({})),
        Some("tools/list") => Ok(json!({"tools": attempt::all().map(tool).collect::<Vec<_>>()})),
        Some("tools/call") => call(&message["params"]),
        _ => Err((METHOD_NOT_FOUND, "no such method")),
    };
    Some(match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err((code, message)) => {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
        }
    })
}

fn tool(attempt: &attempt::Attempt) -> Value {
    json!({
        "name": attempt.name,
        "description": attempt.title,
        "inputSchema": {"type": "object"},
    })
}

fn call(params: &Value) -> Result<Value, (i32, &'static str)> {
    let name = params["name"].as_str().unwrap_or_default();
    let attempt = attempt::all()
        .find(|attempt| attempt.name == name)
        .ok_or((INVALID_PARAMS, "no such tool"))?;
    let scene: Scene =
        serde_json::from_value(params["arguments"].clone()).map_err(|_| (INVALID_PARAMS, "no scene"))?;
    let answer = attempt.answer(&scene);
    Ok(json!({
        "content": [{"type": "text", "text": text(&answer)}],
        "structuredContent": answer,
        "isError": answer.result.is_err(),
    }))
}

fn text(answer: &Answer) -> String {
    match &answer.result {
        Ok(evidence) => evidence.clone(),
        Err(Obstacle::Errno(errno)) => super::verdict::errno_name(*errno),
        Err(Obstacle::Nothing(why) | Obstacle::Missing(why)) => why.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, params: Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        answer(&message.to_string()).unwrap()
    }

    #[test]
    fn it_is_an_mcp_server_with_a_tool_per_attempt() {
        assert_eq!(
            ask("initialize", json!({}))["result"]["protocolVersion"],
            PROTOCOL
        );
        let tools = ask("tools/list", json!({}))["result"]["tools"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(tools, attempt::all().count());
    }

    #[test]
    fn what_it_does_not_know_is_an_error_and_a_notification_gets_no_answer() {
        assert_eq!(
            ask("resources/list", json!({}))["error"]["code"],
            METHOD_NOT_FOUND
        );
        assert_eq!(
            ask("tools/call", json!({"name": "x"}))["error"]["code"],
            INVALID_PARAMS
        );
        assert_eq!(
            answer(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
            None
        );
        assert_eq!(answer("no JSON"), None);
    }

    #[test]
    fn no_tool_stands_twice() {
        let names: std::collections::BTreeSet<_> = attempt::all().map(|attempt| attempt.name).collect();
        assert_eq!(names.len(), attempt::all().count());
    }
}
