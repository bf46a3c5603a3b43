//! How a command reaches the data: through a running server, or by taking the database itself.

use std::time::Duration;

use super::answer::Reply;
use super::failed::{Exit, Failed};
use super::local::Local;
use super::remote::Remote;
use super::request::Request;
use crate::config::Config;
use crate::server::StartFault;
use crate::store::OpenFault;

/// A database that is locked while no socket answers is mostly a server that starts or stops, or another command at work:
/// so often it is looked at again,
const LOOKS: u32 = 20;

/// and so long after the look before.
const PAUSE: Duration = Duration::from_millis(100);

/// The way to the data.
pub enum Reach {
    /// A server runs.
    Remote(Remote),
    /// None does.
    Local(Local),
}

/// What becomes of a database that is not there.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is made, as by a first start.
    Made,
    /// That is told.
    Told,
}

impl Reach {
    /// Finds the way.
    ///
    /// # Errors
    /// When the database is locked though no server answers, neither can be opened, or there is none.
    pub async fn find(config: &Config, missing: Missing) -> Result<Self, Failed> {
        let mut looks = 1;
        loop {
            let socket = &config.server.control_socket;
            let remote = Remote::find(socket).await.map_err(|fault| {
                Failed::new(
                    Exit::Failure,
                    format!("cannot open the control socket {}: {fault}", socket.display()),
                )
            })?;
            if let Some(remote) = remote {
                return Ok(Self::Remote(remote));
            }
            let database = &config.database.path;
            if missing == Missing::Told && !database.exists() {
                let message = format!(
                    "there is no database {} and no server at {}",
                    database.display(),
                    socket.display()
                );
                return Err(Failed::new(Exit::Failure, message));
            }
            match Local::take(config).await {
                Ok(local) => return Ok(Self::Local(local)),
                Err(StartFault::Open(OpenFault::Locked(_))) if looks < LOOKS => {
                    looks += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(StartFault::Open(OpenFault::Locked(database))) => {
                    return Err(Failed::new(Exit::Locked, locked(&database, socket)));
                }
                Err(fault) => return Err(Failed::of_start(&fault)),
            }
        }
    }

    /// Makes a call; its answer's `data`, as JSON text.
    ///
    /// # Errors
    /// When the call is refused, or the server goes away meanwhile.
    pub async fn call(&self, request: &Request) -> Result<String, Failed> {
        let reply: Reply = match self {
            Self::Local(local) => local.call(request).await,
            Self::Remote(remote) => remote.call(request).await.map_err(|fault| {
                Failed::new(
                    Exit::Failure,
                    format!("the running server broke off: {fault}; see whether it was done"),
                )
            })?,
        };
        reply.data().map_err(|message| Failed::new(Exit::Failure, message))
    }
}

fn locked(database: &std::path::Path, socket: &std::path::Path) -> String {
    format!(
        "the database {} is in use, but nobody answers at {}: a server with another `control_socket`, or one that starts or stops",
        database.display(),
        socket.display()
    )
}
