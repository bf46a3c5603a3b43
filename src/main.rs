//! tollgate.
#![allow(dead_code, unused_imports, clippy::allow_attributes, reason = "skeleton")]

mod clock;
mod ids;
mod money;
mod secret;
mod usage;

mod catalogue;
mod tokens;

mod channels;

mod config;

fn main() {}
