//! The command line: reads the arguments, sets the process up, and carries a command out: a call of the API, through a
//! running server or without one; or a look at configuration and database. Owns what is printed and the exit codes. Must
//! not know SQL or the rules of money: whatever changes data is a call.

mod answer;
mod args;
mod check;
mod failed;
mod local;
mod proof;
mod reach;
mod remote;
mod request;
mod screen;
mod view;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use log::LevelFilter;
use serde::Deserialize;

use self::args::{Command, CommandLine, Format};
use self::failed::{Exit, Failed};
use self::reach::{Missing, Reach};
use self::request::{Plan, Query, Request};
use self::screen::{Out, safe};
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::server;
use crate::telemetry::start_logging;

/// Runs the program with `arguments`, whose first is its own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Before any file is made: the database, its log, the lock and the socket are nobody else's to read.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(fault) => return end_of_parsing(&fault),
    };
    let command = match line.command.unwrap_or(Command::Serve) {
        Command::Serve => return serve(line.config.as_deref()),
        command => command,
    };
    let done = carry_out(command, line.config.as_deref(), &mut io::stdout().lock());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => failure(&failed),
    }
}

/// Help and version are printed and fine; the rest is a usage error.
fn end_of_parsing(fault: &clap::Error) -> ExitCode {
    let printed = fault.print();
    if fault.exit_code() == 0 && printed.is_ok() { ExitCode::SUCCESS } else { Exit::Usage.into() }
}

fn failure(failed: &Failed) -> ExitCode {
    let mut out = io::stderr().lock();
    for line in failed.message.lines() {
        // There is nowhere to tell that standard error is closed.
        drop(writeln!(out, "error: {}", safe(line)));
    }
    failed.exit.into()
}

fn serve(config: Option<&Path>) -> ExitCode {
    match load(config) {
        Ok(config) => server::run(config),
        Err(failed) => failure(&failed),
    }
}

fn load(path: Option<&Path>) -> Result<Config, Failed> {
    Ok(Config::load(path, &Environment::of_process())?)
}

fn carry_out(command: Command, config: Option<&Path>, out: Out<'_>) -> Result<(), Failed> {
    let plan = match command {
        Command::Serve => return Ok(()),
        Command::Check(format) => return check::check(&load(config)?, format, out),
        Command::Verify(args) => return proof::verify(&load(config)?, &args, out),
        Command::Completions { shell } => return Ok(print_completions(shell, out)?),
        Command::Backup(_) => return Err(not_built("backup")),
        Command::Restore(_) => return Err(not_built("restore")),
        Command::Import(_) => return Err(not_built("import")),
        Command::Reload(_) => return Err(not_built("reload")),
        Command::AdminKey(format) => return call(&load(config)?, Work::AdminKey(format), out),
        Command::Token(command) => request::plan_token(command),
        Command::User(command) => request::plan_user(command),
        Command::Ledger(command) => Ok(request::plan_ledger(command)),
    };
    let plan = plan?;
    call(&load(config)?, Work::Plan(plan), out)
}

fn not_built(name: &str) -> Failed {
    Failed::new(Exit::Usage, format!("`tollgate {name}` is not built yet"))
}

fn print_completions(shell: clap_complete::Shell, out: Out<'_>) -> io::Result<()> {
    // The generator panics when it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "tollgate", &mut script);
    out.write_all(&script)
}

/// Work that calls the API.
enum Work {
    /// One call.
    Plan(Plan),
    /// Finding an admin, and making a token for it.
    AdminKey(Format),
}

impl Work {
    /// What a missing database is: where nothing is made, the wrong directory or file, and not a first start.
    fn missing(&self) -> Missing {
        let request = match self {
            // Another key is for a database that has one already.
            Self::AdminKey(_) => return Missing::Told,
            Self::Plan(plan) => &plan.request,
        };
        let makes = request.method == "POST" && ["/v1/tokens", "/v1/users"].contains(&request.path.as_str());
        if makes { Missing::Made } else { Missing::Told }
    }
}

fn call(config: &Config, work: Work, out: Out<'_>) -> Result<(), Failed> {
    let unable = |fault: io::Error| Failed::new(Exit::Failure, format!("cannot start: {fault}"));
    let logging = &config.logging;
    start_logging(logging.format, logging.level.min(LevelFilter::Warn), Clock::System).map_err(unable)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unable)?;
    let called = runtime.block_on(perform(config, work, &mut io::stderr()));
    log::logger().flush();
    let (data, plan) = called?;
    plan.view.print(&data, plan.format, out)?;
    Ok(out.flush()?)
}

/// Does the work; the answer's data, and how it is shown. What is to be known besides goes to `aside`.
async fn perform(config: &Config, work: Work, aside: Out<'_>) -> Result<(String, Plan), Failed> {
    let reach = Reach::find(config, work.missing()).await?;
    if let Reach::Local(local) = &reach {
        local.show_first_key(aside);
    }
    let plan = match work {
        Work::Plan(plan) => plan,
        Work::AdminKey(format) => request::plan_admin_key(find_admin(&reach).await?, format),
    };
    Ok((reach.call(&plan.request).await?, plan))
}

#[derive(Deserialize)]
struct Users {
    items: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    id: i64,
    role: String,
    status: i64,
}

impl User {
    fn is_live_admin(&self) -> bool {
        self.role == "admin" && self.status == 1
    }
}

/// An admin that is not disabled, for a token that can do everything: user 1, or if that was demoted, another.
async fn find_admin(reach: &Reach) -> Result<i64, Failed> {
    let unreadable = |_| Failed::new(Exit::Failure, "the answer about users cannot be read");
    let first = reach.call(&Request::get("/v1/users/1", Query::default())).await?;
    let first: User = serde_json::from_str(&first).map_err(unreadable)?;
    if first.is_live_admin() {
        return Ok(first.id);
    }
    for page in 1_u64.. {
        let query = Query::default().with("page", Some(page)).with("page_size", Some(100));
        let users: Users = serde_json::from_str(&reach.call(&Request::get("/v1/users", query)).await?)
            .map_err(unreadable)?;
        if let Some(admin) = users.items.iter().find(|user| user.is_live_admin()) {
            return Ok(admin.id);
        }
        if users.items.is_empty() {
            break;
        }
    }
    Err(Failed::new(Exit::Failure, "there is no admin user that is not disabled"))
}

#[cfg(test)]
mod tests;
