//! Escapes: one file per class of attack, each with a positive control.
//!
//! The attacks are made by the probe (`tests/probe`). A test shows that an act fails in the box and that the same
//! act succeeds outside it, or in a box whose flags permit it; otherwise the failure would prove nothing.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod broker_races;
mod broker_reports;
mod broker_sockets;
mod broker_unix;
mod command_names;
mod descriptors;
mod dumpable;
mod excluded_files;
mod explain;
mod inherited;
mod kernel_calls;
mod keyring;
mod mounting;
mod namespaces;
mod network;
mod other_call_tables;
mod outside_files;
mod own_binary;
mod privileges;
mod procfs;
mod read_only_mounts;
mod replaced_devices;
mod replaced_folder;
mod secrets;
mod setuid_programs;
mod socket_families;
mod standard_streams;
mod swapped_source;
mod temporary_files;
mod terminal;
mod tracing;
mod unix_sockets;
