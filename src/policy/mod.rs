//! From a merged profile and the host to a policy: absolute, nothing optional left.

mod arguments;
mod links;
pub mod mounts;
pub mod sensitive;
