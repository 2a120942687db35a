//! The changes to clients' files, for programs.

use serde_json::{Value, json};

use super::changes::{Outcome, Refused};
use super::changes_table::action;
use crate::clients::find::FoundFile;
use crate::wrap::plan::{Action, FilePlan, Row};

/// Every file with its servers, what was done to it, and what went wrong.
pub fn files(done: &[(FilePlan, Outcome)], refused: &[Refused]) -> Value {
    let file = |file: &FoundFile| {
        json!({
            "client": file.client.name,
            "scope": file.kind.scope.name(),
            "path": file.path.to_string_lossy(),
        })
    };
    let mut files = Vec::new();
    for (plan, outcome) in done {
        let mut value = file(&plan.file);
        value["servers"] = plan.rows.iter().map(server).collect();
        let (state, error) = match outcome {
            Outcome::Unchanged => ("unchanged", None),
            Outcome::Planned => ("planned", None),
            Outcome::Written { .. } => ("written", None),
            Outcome::Failed { error, written: true } => ("written", Some(error)),
            Outcome::Failed {
                error,
                written: false,
            } => ("unchanged", Some(error)),
        };
        value["state"] = state.into();
        value["error"] = error.map(ToString::to_string).into();
        if let Outcome::Written { backup } = outcome {
            value["backup"] = backup.to_string_lossy().into();
        }
        files.push(value);
    }
    for one in refused {
        let mut value = file(&one.file);
        value["state"] = "unchanged".into();
        value["error"] = one.error.to_string().into();
        value["servers"] = json!([]);
        files.push(value);
    }
    json!({"version": 1, "files": files})
}

fn server(row: &Row) -> Value {
    let mut value = json!({
        "name": row.server.name,
        "within": row.server.within,
        "disabled": row.disabled,
        "notes": row.notes,
    });
    let (word, detail) = action(&row.action);
    value["action"] = word.into();
    match &row.action {
        Action::Box { profile, flags } => {
            value["profile"] = profile.as_deref().unwrap_or("default").into();
            value["flags"] = flags.clone().into();
        }
        Action::Unbox { exact } => value["exact"] = (*exact).into(),
        Action::Done(_) | Action::Leave(_) | Action::NoProfile(_) => value["reason"] = detail.into(),
    }
    value
}
