//! The plain sections: what they hold when resolved, their defaults and ranges.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use log::LevelFilter;

use super::reader::Section;
use crate::directory::Unpriced;
use crate::relay::OnDisconnect;
use crate::store::{Durability, Recovery};
use crate::telemetry::LogFormat;

/// The largest size that a key may state: 64 GiB.
const MAX_BYTES: i64 = 64 * GIB;
const MIB: i64 = 1024 * 1024;
const GIB: i64 = 1024 * MIB;

/// The least time that is a time limit.
const A_MOMENT: Duration = Duration::from_millis(1);

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where to listen; port 0 = any.
    pub listen: SocketAddr,
    /// Worker threads; 0 = one for each core.
    pub workers: usize,
    /// The largest request body, bytes.
    pub max_body_bytes: usize,
    /// The largest event of a stream, bytes.
    pub max_event_bytes: usize,
    /// The largest answer that is read whole, bytes.
    pub max_response_bytes: usize,
    /// All bodies in memory together, bytes.
    pub max_buffered_bytes: usize,
    /// How long running requests may take to finish when the server stops.
    pub shutdown_grace: Duration,
    /// Time limits towards clients.
    pub timeouts: ClientTimeouts,
    /// The socket that commands reach a running server through.
    pub control_socket: PathBuf,
    /// Where the metrics are read without a key; `None` = nowhere. Port 0 = any.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether a server without a working channel says that it is not ready.
    pub ready_needs_channel: bool,
}

/// How long a client may take.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// To send a request's head.
    pub header: Duration,
    /// To send its body.
    pub body: Duration,
    /// To take anything of an answer.
    pub write: Duration,
}

/// `[database]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// The file.
    pub path: PathBuf,
    /// What a commit survives.
    pub durability: Durability,
}

/// `[accounting]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounting {
    /// Whose midnight ends a day and a month.
    pub timezone: Tz,
    /// What becomes of models without a price.
    pub unpriced_models: Unpriced,
    /// The output cap of a request that names none, tokens.
    pub default_max_output_tokens: i64,
    /// The least output, in tokens, that a budget must be able to pay.
    pub min_output_tokens: i64,
    /// What becomes of a stream whose client went away.
    pub on_disconnect: OnDisconnect,
    /// How holds that a crash left are settled.
    pub recovery: Recovery,
    /// Days that the ledger's rows are kept; 0 = for ever.
    pub retention_days: i64,
}

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls of the token API, per token and minute; 0 = no limit.
    pub management_rpm: u32,
    /// The most answers to one request (`n` and its like).
    pub max_choices: i64,
    /// The most requests in flight.
    pub max_concurrent_requests: usize,
    /// The most connections from one address; 0 = no limit.
    pub max_connections_per_ip: usize,
}

/// `[logging]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// The form of a line.
    pub format: LogFormat,
    /// The least grave level that is logged.
    pub level: LevelFilter,
}

/// Reads `[server]`; `database` is the database's path, beside which the control socket stands by default.
pub(super) fn server(mut section: Section<'_>, database: &Path) -> Server {
    let listen = section.parsed("listen", address);
    let bytes = |section: &mut Section<'_>, key, default: i64| {
        section.whole(key, 1..=MAX_BYTES, usize::try_from(default).unwrap_or(usize::MAX))
    };
    let server = Server {
        listen: listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
        workers: section.whole("workers", 0..=1_024, 0),
        max_body_bytes: bytes(&mut section, "max_body_bytes", 32 * MIB),
        max_event_bytes: bytes(&mut section, "max_event_bytes", 16 * MIB),
        max_response_bytes: bytes(&mut section, "max_response_bytes", 64 * MIB),
        max_buffered_bytes: bytes(&mut section, "max_buffered_bytes", GIB),
        shutdown_grace: section.seconds("shutdown_grace", Duration::ZERO, Duration::from_secs(30)),
        timeouts: client_timeouts(section.section("timeouts")),
        control_socket: section
            .parsed("control_socket", socket_path)
            .unwrap_or_else(|| database.with_file_name("tollgate.sock")),
        metrics_listen: section.parsed("metrics_listen", address),
        ready_needs_channel: section.flag("ready_needs_channel").unwrap_or(false),
    };
    section.finish();
    server
}

/// Where to listen.
fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an IP address and a port, such as 127.0.0.1:8080 or [::]:8080")
}

/// A path that a Unix socket can be bound to.
fn socket_path(text: &str) -> Result<PathBuf, &'static str> {
    if text.len() > 107 || text.contains('\0') {
        return Err("must be a path of at most 107 bytes: the system binds no longer one");
    }
    Ok(PathBuf::from(text))
}

fn client_timeouts(mut section: Section<'_>) -> ClientTimeouts {
    let timeouts = ClientTimeouts {
        header: section.seconds("header", A_MOMENT, Duration::from_secs(5)),
        body: section.seconds("body", A_MOMENT, Duration::from_secs(30)),
        write: section.seconds("write", A_MOMENT, Duration::from_secs(30)),
    };
    section.finish();
    timeouts
}

/// Reads `[database]`.
pub(super) fn database(mut section: Section<'_>) -> Database {
    let database = Database {
        path: section.text("path").map_or_else(|| "data/tollgate.db".into(), |path| path.value.into()),
        durability: section
            .choice("durability", &[("power", Durability::Power), ("process", Durability::Process)]),
    };
    section.finish();
    database
}

/// Reads `[accounting]`.
pub(super) fn accounting(mut section: Section<'_>) -> Accounting {
    const MAX_TOKENS: i64 = 2_147_483_647;
    let timezone = section.parsed("timezone", |text| {
        text.parse::<Tz>().map_err(|_| "must be the name of a time zone, such as UTC or Europe/Berlin")
    });
    let accounting = Accounting {
        timezone: timezone.unwrap_or(Tz::UTC),
        unpriced_models: section
            .choice("unpriced_models", &[("reject", Unpriced::Refused), ("free", Unpriced::Free)]),
        default_max_output_tokens: section.whole("default_max_output_tokens", 1..=MAX_TOKENS, 4_096),
        min_output_tokens: section.whole("min_output_tokens", 1..=MAX_TOKENS, 16),
        on_disconnect: section
            .choice("on_disconnect", &[("abort", OnDisconnect::Abort), ("drain", OnDisconnect::Drain)]),
        recovery: section.choice(
            "recovery",
            &[("hold", Recovery::Hold), ("floor", Recovery::Floor), ("void", Recovery::Void)],
        ),
        retention_days: section.whole("retention_days", 0..=36_500, 0),
    };
    section.finish();
    accounting
}

/// Reads `[limits]`.
pub(super) fn limits(mut section: Section<'_>) -> Limits {
    let limits = Limits {
        management_rpm: section.whole("management_rpm", 0..=1_000_000, 600),
        max_choices: section.whole("max_choices", 1..=1_024, 128),
        max_concurrent_requests: section.whole("max_concurrent_requests", 1..=1_000_000, 4_096),
        max_connections_per_ip: section.whole("max_connections_per_ip", 0..=1_000_000, 1_024),
    };
    section.finish();
    limits
}

/// Reads `[logging]`.
pub(super) fn logging(mut section: Section<'_>) -> Logging {
    let logging = Logging {
        format: section.choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]),
        level: section.choice(
            "level",
            &[
                ("info", LevelFilter::Info),
                ("off", LevelFilter::Off),
                ("error", LevelFilter::Error),
                ("warn", LevelFilter::Warn),
                ("debug", LevelFilter::Debug),
                ("trace", LevelFilter::Trace),
            ],
        ),
    };
    section.finish();
    logging
}

/// Reads the time limits of a channel.
pub(super) fn channel_timeouts(mut section: Section<'_>) -> crate::channels::Timeouts {
    let timeouts = crate::channels::Timeouts {
        connect: section.seconds("connect", A_MOMENT, Duration::from_secs(10)),
        first_byte: section.seconds("first_byte", A_MOMENT, Duration::from_secs(120)),
        idle: section.seconds("idle", A_MOMENT, Duration::from_secs(300)),
        total: section.seconds("total", A_MOMENT, Duration::from_secs(1_800)),
    };
    section.finish();
    timeouts
}
