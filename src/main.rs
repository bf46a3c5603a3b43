//! tollgate: a gateway for LLM APIs that lets a request through only if its budgets permit it, and charges what it cost,
//! once. One process, one SQLite file. This page is the map; `docs/accounting.md` has the rules of money, `schema.sql` the
//! data, `config.toml` the configuration, README.md an operator's first hour.
//!
//! # Floors
//!
//! A room uses only rooms of lower floors. The `mod` list below is written in floors, lowest first, a blank line between
//! two; `tests/it/tidy.rs` reads it and fails on an arrow that goes up or sideways. So whoever changes a room knows who
//! may depend on it, and two things hold by construction: the path of a request cannot touch SQL (`relay` and `store`
//! share a floor), and nothing that decides about money can know of HTTP or files.
//!
//! | room | owns | must not know |
//! |---|---|---|
//! | [`clock`] | the only reader of time | calendars |
//! | [`spread`] | maps by keys that nobody outside chooses | what they are asked about |
//! | [`sync`] | the locks of the concurrent core, which a test may replace | what they guard |
//! | [`ids`] | numbers of users and tokens, request ids (UUIDv7) | what they identify |
//! | [`money`] | nanodollars, checked; quota and credits as their spellings | floats |
//! | [`secret`] | a value that is never printed | what it is for |
//! | [`usage`] | what a model used, by kind | prices, wire formats |
//! | [`catalogue`] | models, prices, `Terms`: the only rounding | budgets, channels, files |
//! | [`tokens`] | `ApiToken`, keys, credentials, `Caller`, allow-lists | money spent, storage, HTTP |
//! | [`wire`] | the dialects, bytes in and values out: the table of routes, `Ask`, `Meter`, splitters of streams, errors, `Translation` | tokens, prices, HTTP libraries |
//! | [`ledger`] | `Book`: every rule of money; reservations, windows, the journal's sending half | SQL, HTTP, models' prices |
//! | [`limits`] | requests and tokens a minute, requests in flight | money |
//! | [`admission`] | `Gate`: the one place that lets a request through | HTTP, SQL, how a refusal is worded |
//! | [`stored`] | which channel made a response that its provider stores, and for which token; what must keep that | SQL, HTTP, what it says |
//! | [`telemetry`] | the log, one line per request; metrics | keys, prompts, completions |
//! | [`channels`] | configured providers, the HTTP client, the `demo` provider | money, dialects' bodies |
//! | [`directory`] | the board: live tokens, prices, channels | SQL, HTTP |
//! | [`relay`] | the straight line of a request; the pump, the verdict, the table of failures | SQL, the token API |
//! | [`store`] | the database: the writer thread, readers, recovery, the proof | HTTP, models |
//! | [`api`] | the token API: routes, fields, shapes | models, channels, running requests |
//! | [`config`] | every key, its default and its range | how anything is started |
//! | [`server`] | assembly, listeners, signals, the stop | what a request means |
//! | [`cli`] | arguments, what is printed, exit codes | SQL, the rules of money |
//!
//! # The life of a request, as types
//!
//! | hop | gives | which proves |
//! |---|---|---|
//! | `server::dispatch`, `relay::serve` | a `Route` of the one table in `wire::endpoints` | the route is metered, or declared free |
//! | `relay::inbound` | `Caller` | a live token; only `tokens` makes one |
//! | `relay::call`, `wire::Ask::parse` | `Ask` | read once; what is sent is cut from the same bytes |
//! | `Gate::admit` | `PendingAdmission` | allowed, within rates, money held in memory; the hold is on its way to the disk |
//! | `PendingAdmission::durable` | `Admission` | the hold is on disk: the right to send |
//! | `relay::pump` | `Metered`, over the admission | somebody who outlives the client owns the money |
//! | `relay::verdict` | `Settlement` | what it costs, from how it ended and what was seen; pure |
//! | `Admission::settle` | `Charged` and its `Ack` | it consumes: paid once. The last byte waits for the `Ack` |
//!
//! A call that is declared free goes through `Gate::admit_free` and holds nothing (`pump::free`). What follows up a stored
//! response is free too, and goes to the channel that made it (`relay::follow_up`, `pump::follow_up`): the pump has that
//! remembered (`pump::kept`) before the client learns the response's id.
//!
//! Where nobody serves the model as the client asks for it, `relay::call` makes the `Ask` into one of another dialect
//! (`relay::interpret`, `wire::Translation`) and asks the gate again: from there on the body that was made is what is held for, cut,
//! sent and metered, as if a client had sent it. Only what the client is told is translated back, behind the meter.
//!
//! Dropping is the clean-up. A reservation that is dropped before it was sent is void; one that was sent costs what was
//! seen, at least the floor. There is no other path.
//!
//! # Invariants, and where they are asserted
//!
//! | | says | held by | asserted in |
//! |---|---|---|---|
//! | I1 | counters are sums of the ledger | `store::txn`: counters and rows in one transaction | `store::verify`, at the end of each test of the binary |
//! | I2 | memory's held = Σ open holds | `ledger::book::move_held` | `ledger::tests::world` |
//! | I3 | used + held + hold ≤ limit | `Book::hold`: in all budgets or in none | `ledger::tests`, `tests/it/quota.rs` |
//! | I4 | a settlement takes no more than is free | `Book::settle` | `ledger::tests` |
//! | I5 | one hold, one row | `settle` consumes; `Txn::settle` writes the row if its hold was there | `ledger::tests`, `store::tests::journal` |
//! | I6 | what a provider got has a hold or a row | `Admission` comes from a durable hold alone | `crash.rs::kill_under_load` |
//! | I7 | a clean end was charged | `pump::stream::terminate`, `pump::plain`, `pump::sound` wait for the `Ack` | `stream.rs`, `speech.rs`, `crash.rs::kill_under_load` |
//! | I8 | memory shows no more room than the disk | `journal::take_over`: after the commit, before the acknowledgement | `store::tests::journal`, `ledger::tests` |
//! | I9 | nothing in flight, nothing held | `Drop` of a reservation | `ledger::tests`, at the end of each test of the binary |
//! | I10 | charges are in range, counters not below 0 | `Money`, CHECKs of `schema.sql` | `ledger::book::counter` stops the process; `ledger::tests` |
//! | I11 | charged to the day of admission | `Hold::windows` | `ledger::tests`, `tests/it/quota.rs` |
//! | I12 | a refusal wrote nothing and reached nobody | `Gate::pass` takes all together or nothing | `admission::tests`, `tests/it/quota.rs` |
//!
//! # Where the tree differs from what you might expect
//!
//! - No `lib.rs`: every room is private, so the dead-code lint sees the whole program.
//! - Traits point downwards: `ledger::Journal`, `stored::Shelf`, `admission::Market` and `tokens::Registry` are declared where
//!   they are needed; `store` and `directory`, above, implement them.
//! - Routes are not actix's. `server::dispatch` chooses a room by path; the rooms have one table each (`wire::endpoints`,
//!   `api::routes`).
//! - `api` needs no server. A command without a running server calls the same `Desk` in its own process.
//! - What `relay` does for a request (the pump) outlives its handler: a client that leaves turns it into a task.
//! - `channels::client` is written on hyper's connections, not on a client library: a body that is cut short must not look
//!   like an end, and "sent or not" must be known.
//! - Short statements stand in the Rust that binds them; only the long ones are files in `store/sql`. `schema.sql` at the
//!   root is the first migration.
//! - `tests/it` drives the real binary against a scripted provider and knows nothing of the program; only `tidy` reads it.

mod clock;
mod spread;
mod sync;

mod ids;
mod money;
mod secret;
mod usage;

mod catalogue;
mod tokens;
mod wire;

mod ledger;
mod limits;

mod admission;
mod stored;
mod telemetry;

mod channels;

mod directory;

mod relay;
mod store;

mod api;

mod config;

mod server;

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os())
}
