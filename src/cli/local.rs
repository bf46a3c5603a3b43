//! Calls without a server: this process takes the database itself, under the instance lock, exactly as a server does, and
//! asks the same desk.

use super::answer::Reply;
use super::request::Request;
use super::stand_in::{Core, StartFault, assemble};
use crate::config::Config;

/// The database, taken.
pub struct Local(Core);

impl Local {
    /// Takes the database.
    ///
    /// # Errors
    /// As a server's start.
    pub fn take(config: &Config) -> Result<Self, StartFault> {
        assemble(config).map(Self)
    }

    /// Makes a call as the administrator at this machine.
    pub async fn call(&self, request: &Request) -> Reply {
        let (status, body) =
            self.0.answer(request.method, &request.path, &request.query, &request.body).await;
        Reply { status, body }
    }
}
