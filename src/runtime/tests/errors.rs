//! What is refused, by which exit code, and what the error says.

use super::*;
use crate::error::Kind;

#[test]
fn a_missing_command_is_not_found() {
    let error = Disk::new().fail(&["no-such-command"]);
    assert_eq!(error.kind, Kind::NotFound);
    assert!(error.to_string().contains("\"no-such-command\""));
}
