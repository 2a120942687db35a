//! One file per sub-command.

pub mod check;
pub mod out;
pub mod profiles;
