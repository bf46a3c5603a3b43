//! Stands in for `crate::server` until that room is merged: what the command line wants of it.

use std::fmt;
use std::process::ExitCode;

use crate::config::Config;
use crate::store::OpenFault;

/// The parts of a server that run without its listener.
pub struct Core;

/// Why a server does not start.
#[derive(Debug)]
pub enum StartFault {
    /// The database does not open.
    Open(OpenFault),
}

impl fmt::Display for StartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(fault) => fault.fmt(f),
        }
    }
}

impl Core {
    /// Answers a call of the API as the local administrator.
    pub async fn answer(&self, _method: &str, _path: &str, _query: &str, _body: &[u8]) -> (u16, Vec<u8>) {
        (503, Vec::new())
    }
}

/// Opens the database and puts the parts together.
pub fn assemble(_config: &Config) -> Result<Core, StartFault> {
    Ok(Core)
}

/// Runs the gateway until it is told to stop.
pub fn run(_config: Config) -> ExitCode {
    ExitCode::from(1)
}
