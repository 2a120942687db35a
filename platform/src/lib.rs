//! What every operating system must enforce, and how each one does it.
//!
//! [`Policy`] is the input language: absolute, nothing optional left. [`Support`] says what this host
//! can enforce, measured by doing it. A [`Plan`] is the ordered list of steps made from both; it is
//! data, printed by `--dry-run` and carried out by [`launch`]. One back end is picked here by `cfg`
//! and nowhere else.

mod bytes;
pub mod linux;
mod policy;
mod support;
mod text;

pub use bytes::Bytes;
pub use policy::{Access, Command, Home, HomeKind, Link, Mount, Network, Policy, Process, User};
pub use support::{Support, Unenforceable};
pub use text::quote;
