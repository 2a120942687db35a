//! `resources.cpu` under real load: a test program of its own, since programs run one after the other and these want the
//! machine for themselves.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../limits/loads.rs"]
#[allow(dead_code, reason = "the other limits use more of it")]
mod loads;

mod busy;
