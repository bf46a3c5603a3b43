//! The benchmark: `cargo bench` starts everything on the loopback, measures in alternating rounds, prints one table and
//! leaves `target/bench-results.json`. It never fails on a speed, only on a wrong answer or on books that do not add up.
//!
//! ```text
//! cargo bench -- [--quick | --full] [--only NAME]… [--pin] [--beside BINARY]
//! ```
//!
//! `--quick` takes a minute or two, `--full` adds the ledger of 10^7 rows (prepared once, some gigabytes in
//! `target/bench-data`), `--only` names figures (a part of a name is enough), `--pin` gives the process under test a core
//! of its own, and the rest the next one; `--beside` measures another build of the gateway in the same rounds, which is the
//! way to tell on a noisy machine whether a change pays.
//!
//! - `options`, `stats`, `report`: what is asked, what is made of the samples, how it is shown
//! - `wire`, `load`: a raw HTTP/1.1 client, and the closed and open loops over it
//! - `mock`: the provider; `proxy`: a bare actix-web proxy, the ceiling of this stack; `nginx`: when it is installed
//! - `process`, `gateway`, `fleet`: the processes under test; `seed`: databases with many rows
//! - `figures/`: one file for each kind of figure
//!
//! It shares no line with the program: what it measures is observable from outside, but for the rows that `seed` makes.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]
#![expect(clippy::print_stderr, reason = "progress and faults belong beside the table, not in it")]

mod figures;
mod fleet;
mod gateway;
mod load;
mod mock;
mod nginx;
mod options;
mod process;
mod proxy;
mod report;
mod seed;
mod stats;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use figures::{Bench, FIGURES};
use mock::Mock;
use options::{Options, Wanted};
use process::Guard;
use report::Report;

/// What cannot be measured, in a sentence: a wrong answer, a process that ended, books that do not add up.
type Fault = String;

fn main() -> ExitCode {
    let wanted = match Options::parse(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(what) => return failed(&what),
    };
    let done = match wanted {
        Wanted::Proxy(upstream) => serve_proxy(upstream),
        Wanted::Bench(options) => measure(options),
    };
    done.map_or_else(|what| failed(&what), |()| ExitCode::SUCCESS)
}

fn failed(what: &str) -> ExitCode {
    eprintln!("bench: {what}");
    ExitCode::FAILURE
}

fn serve_proxy(upstream: SocketAddr) -> Result<(), Fault> {
    proxy::serve(upstream).map_err(|error| format!("the bare proxy: {error}"))
}

fn measure(options: Options) -> Result<(), Fault> {
    process::raise_descriptor_limit();
    process::end_children_on_signals(options.pace.at_most)?;
    let target = target_directory();
    let runs = RunDirectory::make(&target)?;
    if options.pin {
        process::pin_this_process()?;
    }
    let mut bench = Bench {
        mock: Arc::new(Mock::start().map_err(|error| format!("the mock provider: {error}"))?),
        report: Report::begin(),
        data: target.join("bench-data"),
        runs: runs.0.clone(),
        guard: if options.pin { Guard::Pinned } else { Guard::Free },
        options,
    };
    for (name, measure) in FIGURES {
        if bench.options.wants(name) {
            eprintln!("measuring {name} …");
            measure(&mut bench).map_err(|what| format!("{name}: {what}"))?;
        }
    }
    print!("{}", bench.report.table());
    let path = target.join("bench-results.json");
    std::fs::write(&path, bench.report.lines())
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("\nEach figure with its rounds: {}", path.display());
    Ok(())
}

fn target_directory() -> PathBuf {
    let inner = Path::new(env!("CARGO_TARGET_TMPDIR"));
    inner.parent().unwrap_or(inner).to_path_buf()
}

/// Where the processes under test work: on the disk that is measured, and gone afterwards.
struct RunDirectory(PathBuf);

impl RunDirectory {
    fn make(target: &Path) -> Result<Self, Fault> {
        remove_left_over(target);
        let path = target.join(format!("bench-run-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

/// What a run that was interrupted has left.
fn remove_left_over(target: &Path) {
    for entry in std::fs::read_dir(target).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix("bench-run-"));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
