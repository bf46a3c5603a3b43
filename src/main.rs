//! tollgate.

mod clock;

mod ids;
mod money;
mod secret;
mod usage;

mod catalogue;
mod tokens;
mod wire;

mod ledger;
mod limits;

mod admission;
mod telemetry;

mod channels;

mod directory;

mod relay;
mod store;

mod api;

mod config;

mod server;

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os())
}
