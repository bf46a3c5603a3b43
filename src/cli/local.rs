//! Calls without a server: this process takes the database itself, under the instance lock, exactly as a server does, and
//! asks the same desk.

use super::answer::Reply;
use super::request::Request;
use super::screen::Out;
use crate::api::{Call, Language};
use crate::config::Config;
use crate::server::{Core, Purpose, StartFault, assemble, make_administrators};
use crate::tokens::{Caller, Key};

/// The database, taken. Given back, with all that was done on disk, when this is dropped.
pub struct Local {
    core: Core,
    /// The admin key that was made with a new database.
    first_key: Option<Key>,
}

impl Local {
    /// Takes the database.
    ///
    /// # Errors
    /// As a server's start.
    pub async fn take(config: &Config) -> Result<Self, StartFault> {
        let core = assemble(config)?;
        let first_key = make_administrators(&core, config, Purpose::Command).await?;
        Ok(Self { core, first_key })
    }

    /// Shows the first admin key, if the database was just made: `out` is standard error, as standard output is the
    /// command's.
    pub fn show_first_key(&self, out: Out<'_>) {
        let Some(key) = &self.first_key else { return };
        let rule = "=".repeat(80);
        let key = key.reveal();
        let shown = writeln!(
            out,
            "{rule}\n  tollgate: a new database. The admin key, shown this once and stored nowhere:\n\n      sk-{key}\n{rule}"
        );
        // Whoever closed standard error has lost it; `tollgate admin-key` makes another.
        drop(shown);
    }

    /// Makes a call as the administrator at this machine.
    pub async fn call(&self, request: &Request) -> Reply {
        let answer = self.core.desk.answer(Call {
            method: request.method,
            path: &request.path,
            query: &request.query,
            body: &request.body,
            idempotency_key: None,
            language: Language::English,
            caller: Caller::local(),
            origin: "local",
        });
        let answer = answer.await;
        Reply { status: answer.status, body: answer.body }
    }
}
