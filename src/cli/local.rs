//! Calls without a server: this process takes the database itself, under the instance lock, exactly as a server does, and
//! asks the same desk.

use std::io::{self, Write};

use super::answer::Reply;
use super::request::Request;
use crate::api::{Call, Language};
use crate::config::Config;
use crate::server::{Core, StartFault, assemble};
use crate::tokens::{Caller, Key};

/// The database, taken. Given back, with all that was done on disk, when this is dropped.
pub struct Local(Core);

impl Local {
    /// Takes the database. If it was made by this, the first admin key is shown, on standard error: standard output is the
    /// command's.
    ///
    /// # Errors
    /// As a server's start.
    pub async fn take(config: &Config) -> Result<Self, StartFault> {
        let core = assemble(config).await?;
        if let Some(key) = &core.first_key {
            show(key);
        }
        Ok(Self(core))
    }

    /// Makes a call as the administrator at this machine.
    pub async fn call(&self, request: &Request) -> Reply {
        let answer = self.0.desk.answer(Call {
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

fn show(key: &Key) {
    let rule = "=".repeat(80);
    let block = format!(
        "{rule}\n  tollgate: a new database. The admin key, shown this once and stored nowhere:\n\n      sk-{}\n{rule}\n",
        key.reveal()
    );
    // Whoever closed standard error has lost it; `tollgate admin-key` makes another.
    drop(io::stderr().lock().write_all(block.as_bytes()));
}
