//! Puts the rooms together: for the server, and for a command on a stopped one.

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use crate::admission::{Gate, Settings as GateSettings};
use crate::api::{Desk, DeskParts};
use crate::channels::Roster;
use crate::clock::Clock;
use crate::config::Config;
use crate::directory::{Directory, Supply};
use crate::ledger::Zone;
use crate::relay::{Parts, Relay, Settings as RelaySettings};
use crate::store::admins::{self, Environment};
use crate::store::{Denied, OpenFault, Settings as StoreSettings, Store, WriteFault};
use crate::telemetry::Metrics;
use crate::tokens::{Key, KeyMint};

/// What the rooms above need of those below.
pub struct Core {
    /// The open store.
    pub store: Arc<Store>,
    /// Tokens, models, channels.
    pub directory: Arc<Directory>,
    /// The token API.
    pub desk: Arc<Desk>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
    /// Where days begin.
    pub zone: Zone,
}

/// Why the program does not start.
#[derive(Debug)]
pub enum StartFault {
    /// The database does not open.
    Open(OpenFault),
    /// Anything else; a sentence.
    Failed(String),
}

impl StartFault {
    /// The exit code of the contract.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Open(OpenFault::Locked(_)) => ExitCode::from(4),
            Self::Open(OpenFault::Directory(_)) => ExitCode::from(3),
            Self::Open(OpenFault::Damaged(_) | OpenFault::Failed(_)) | Self::Failed(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for StartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(fault) => fault.fmt(f),
            Self::Failed(what) => f.write_str(what),
        }
    }
}

/// What the rooms are put together for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A server: the admin token of the environment is made to follow it.
    Serve,
    /// A command on a stopped server, whose shell may not have the server's environment.
    Command,
}

/// Opens the store as `config` says.
///
/// # Errors
/// When it does not open.
pub fn assemble(config: &Config) -> Result<Core, StartFault> {
    let (clock, zone) = (Clock::System, Zone(config.accounting.timezone));
    let directory = Arc::new(Directory::new(Supply {
        catalogue: Arc::clone(&config.catalogue),
        roster: Roster::new(config.roster.channels().to_vec()),
        groups: config.groups.clone(),
        unpriced: config.accounting.unpriced_models,
    }));
    let settings = StoreSettings {
        path: config.database.path.clone(),
        durability: config.database.durability,
        recovery: config.accounting.recovery,
        retention_days: config.accounting.retention_days,
    };
    let metrics = Arc::new(Metrics::new(directory.every_model()));
    let store = Store::open(&settings, &directory, &clock, zone, &metrics).map_err(StartFault::Open)?;
    let store = Arc::new(store);
    let desk = Arc::new(Desk::new(DeskParts {
        store: Arc::clone(&store),
        directory: Arc::clone(&directory),
        clock: clock.clone(),
        zone,
        mint: key_mint()?,
        management_rpm: i64::from(config.limits.management_rpm),
    }));
    Ok(Core { store, directory, desk, metrics, clock, zone })
}

fn key_mint() -> Result<KeyMint, StartFault> {
    KeyMint::try_new().map_err(|error| StartFault::Failed(format!("no randomness: {error}")))
}

/// Sees to the administrators: the one of the environment, or at the first start one whose key is made here; that key, to
/// be shown once, if so. The last thing of a start that can fail: a key that was made is shown.
///
/// # Errors
/// When it cannot be recorded.
pub async fn make_administrators(
    core: &Core,
    config: &Config,
    purpose: Purpose,
) -> Result<Option<Key>, StartFault> {
    let given = config.admin_key.clone();
    let fresh = key_mint()?.mint();
    let made = core
        .store
        .write(move |txn| {
            let is_first = admins::is_first_start(txn.sql())?;
            let follows = purpose == Purpose::Serve || given.is_some();
            if follows && admins::environment_key(txn, given.as_ref())? == Environment::Disabled {
                log::warn!("TOLLGATE_ADMIN_KEY is not set any more: the token `environment` is disabled");
            }
            if !is_first || given.is_some() {
                return Ok(None);
            }
            admins::first_start(txn, &fresh)?;
            Ok::<_, Denied<()>>(Some(fresh))
        })
        .await;
    made.map_err(|fault| match fault {
        WriteFault::Store(fault) => {
            StartFault::Failed(format!("the first start could not be recorded: {fault}"))
        }
        WriteFault::Refused(()) => StartFault::Failed("the first start was refused".to_owned()),
    })
}

/// The relay over `core`, as `config` says.
pub fn relay(config: &Config, core: &Core) -> Relay {
    let (accounting, server) = (&config.accounting, &config.server);
    let gate = Gate::new(
        Arc::clone(core.store.books()),
        core.clock.clone(),
        core.zone,
        GateSettings::new(accounting.default_max_output_tokens, accounting.min_output_tokens),
        i64::try_from(config.limits.max_concurrent_requests).unwrap_or(i64::MAX),
    );
    let settings = RelaySettings {
        max_body_bytes: server.max_body_bytes,
        max_event_bytes: server.max_event_bytes,
        max_response_bytes: server.max_response_bytes,
        max_buffered_bytes: server.max_buffered_bytes,
        body_timeout: server.timeouts.body,
        write_timeout: server.timeouts.write,
        on_disconnect: accounting.on_disconnect,
        max_choices: config.limits.max_choices,
    };
    let (directory, metrics) = (Arc::clone(&core.directory), Arc::clone(&core.metrics));
    let shelf = Arc::clone(&core.store);
    Relay::new(Parts { gate, directory, shelf, clock: core.clock.clone(), settings, metrics })
}
