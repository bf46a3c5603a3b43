//! The command line as typed. Flags of commands that call the API are its field names with dashes: the structs here are
//! both, what clap parses and what serde writes as the body. Must not know how a command is carried out.

pub mod fields;
pub mod token;
pub mod user;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::ids::RequestId;
use crate::store::chain::Head;
use token::TokenCommand;
use user::UserCommand;

/// A self-hosted gateway for LLM APIs with hard budgets
#[derive(Debug, Parser)]
#[command(
    name = "tollgate",
    version,
    after_help = "Without a command: serve.\n\nExit codes: 0 fine, 1 failure, 2 usage, 3 configuration, 4 database locked by another instance."
)]
pub struct CommandLine {
    /// The configuration file [default: config.toml, then /etc/tollgate/config.toml, then built-in defaults]
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway
    Serve,
    /// Check the configuration and the database, without changing either
    Check(Format),
    /// Make and manage tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make and manage users
    #[command(subcommand)]
    User(UserCommand),
    /// Make another admin token, when the key of the first is lost, and print its key
    AdminKey(Format),
    /// Read the journal of money, and give charges back
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Recompute every counter from the ledger, and prove its chain of hashes
    Verify(VerifyArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Not built yet
    #[command(hide = true)]
    Backup(Ignored),
    /// Not built yet
    #[command(hide = true)]
    Restore(Ignored),
    /// Not built yet
    #[command(hide = true)]
    Import(Ignored),
    /// Not built yet
    #[command(hide = true)]
    Reload(Ignored),
}

/// In which form answers are printed.
#[derive(Copy, Clone, Debug, Default, Args)]
pub struct Format {
    /// Print the answer as one line of JSON: what the API calls `data`
    #[arg(long)]
    pub json: bool,
}

/// The arguments of a command that is not built yet.
#[derive(Debug, Args)]
pub struct Ignored {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// `tollgate ledger …`
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// List ledger rows, newest first
    List {
        /// Which rows.
        #[command(flatten)]
        filter: LedgerFilter,
        /// How they are printed.
        #[command(flatten)]
        format: Format,
    },
    /// Give back what a row charged, once
    Refund {
        /// The row's id: the request's x-request-id
        #[arg(value_parser = parse_request_id)]
        id: RequestId,
        /// Why; kept in the ledger
        #[arg(long)]
        reason: String,
        /// How the answer is printed.
        #[command(flatten)]
        format: Format,
    },
}

/// Which ledger rows are listed.
#[derive(Debug, Default, Args)]
pub struct LedgerFilter {
    /// Only this token's
    #[arg(long, value_name = "ID")]
    pub token_id: Option<u64>,
    /// Only this request's
    #[arg(long, value_name = "ID", value_parser = parse_request_id)]
    pub request_id: Option<RequestId>,
    /// Only rows of this outcome, such as ok or credit
    #[arg(long, value_name = "WORD")]
    pub outcome: Option<String>,
    /// The page.
    #[command(flatten)]
    pub page: PageArgs,
}

/// Which part of a list is shown.
#[derive(Debug, Default, Args)]
pub struct PageArgs {
    /// The page, from 1
    #[arg(long, value_name = "N")]
    pub page: Option<u64>,
    /// Rows on a page, 1 to 100 [default: 20]
    #[arg(long, value_name = "N")]
    pub page_size: Option<u64>,
}

/// `tollgate verify …`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A head printed earlier: proves that nothing up to it was changed since
    #[arg(long, value_name = "SEQ:HASH", value_parser = parse_head)]
    pub head: Option<Head>,
    /// How the report is printed.
    #[command(flatten)]
    pub format: Format,
}

fn parse_request_id(text: &str) -> Result<RequestId, &'static str> {
    RequestId::parse(text).ok_or("must be a request id such as 0190b6e0-0000-7000-8000-000000000000")
}

fn parse_head(text: &str) -> Result<Head, &'static str> {
    Head::parse(text).ok_or("must be SEQ:HASH as `tollgate verify` printed it")
}
