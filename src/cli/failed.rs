//! Why a command fails, and with which exit code.

use std::io;
use std::process::ExitCode;

use crate::config::ConfigFault;
use crate::server::StartFault;
use crate::store::OpenFault;

/// The exit codes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A failure.
    Failure,
    /// The command line is wrong.
    Usage,
    /// The configuration is wrong.
    Configuration,
    /// Another instance has the database.
    Locked,
}

impl Exit {
    /// Its number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Configuration => 3,
            Self::Locked => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What the process ends with.
    pub exit: Exit,
    /// For standard error; nothing where all was said, or nobody reads on.
    pub message: String,
}

impl Failed {
    /// With a message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// A server, or a command in its place, does not start.
    pub fn of_start(fault: &StartFault) -> Self {
        match fault {
            StartFault::Open(fault) => Self::of_open(fault),
            StartFault::Failed(what) => Self::new(Exit::Failure, what.clone()),
        }
    }

    /// The database does not open.
    pub fn of_open(fault: &OpenFault) -> Self {
        let exit = match fault {
            OpenFault::Locked(_) => Exit::Locked,
            OpenFault::Directory(_) => Exit::Configuration,
            OpenFault::Damaged(_) | OpenFault::Failed(_) => Exit::Failure,
        };
        Self::new(exit, fault.to_string())
    }
}

impl From<ConfigFault> for Failed {
    fn from(fault: ConfigFault) -> Self {
        Self::new(Exit::Configuration, fault.to_string())
    }
}

impl From<io::Error> for Failed {
    /// Of the output. A reader that has seen enough is no news, but the rest was not printed.
    fn from(fault: io::Error) -> Self {
        let message = match fault.kind() {
            io::ErrorKind::BrokenPipe => String::new(),
            _ => format!("cannot print: {fault}"),
        };
        Self::new(Exit::Failure, message)
    }
}
