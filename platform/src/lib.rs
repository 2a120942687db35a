//! What every operating system must enforce, and how each one does it.
//!
//! [`Policy`] is the input language: absolute, nothing optional left. [`Support`] says what this host
//! can enforce. A [`linux::Plan`] is the ordered list of steps made from both: pure data, made on any
//! operating system, printed by `--dry-run` and carried out by `linux::launch`.

mod bytes;
pub mod files;
pub mod limits;
pub mod linux;
pub mod net;
pub mod observed;
mod policy;
mod support;
mod text;

pub use bytes::Bytes;
pub use limits::{Hit, Kind, Limit, Limits, Percent, Usage};
pub use net::Network;
pub use policy::{Access, Command, Home, HomeKind, Link, Mount, Policy, Process, User};
pub use support::{Groups, Legacy, Manager, Notification, Support, Unenforceable, Unified};
pub use text::quote;
