//! The figures, in the order of the table.

mod latency;
mod memory;
mod refusals;
mod scale;
mod start;
mod streams;
mod throughput;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Fault;
use crate::gateway::{BINARY, Durability, Setting};
use crate::load::{Closed, Plan};
use crate::mock::Mock;
use crate::options::{Options, Pace};
use crate::process::Guard;
use crate::report::{Report, Row, Target};
use crate::stats::{amount, median};

/// A kind of figure, and what measures it.
type Figure = (&'static str, fn(&mut Bench) -> Result<(), Fault>);

/// All of them; the names are what `--only` takes.
pub const FIGURES: [Figure; 8] = [
    ("throughput", throughput::measure),
    ("latency", latency::measure),
    ("streams", streams::measure),
    ("refusals", refusals::measure),
    ("memory", memory::measure),
    ("start", start::measure),
    ("scale", scale::measure),
    ("size", measure_size),
];

static DIRECTORIES: AtomicU64 = AtomicU64::new(0);

/// What every figure needs.
pub struct Bench {
    /// What was asked for.
    pub options: Options,
    /// The provider.
    pub mock: Arc<Mock>,
    /// What was found.
    pub report: Report,
    /// Where prepared databases are kept.
    pub data: PathBuf,
    /// Where this run works.
    pub runs: PathBuf,
    /// Where the processes under test run.
    pub guard: Guard,
}

impl Bench {
    /// A directory that is not there yet.
    pub fn fresh_directory(&self) -> PathBuf {
        self.runs.join(DIRECTORIES.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// A gateway in a directory that is not there yet.
    pub fn setting(&self, durability: Durability) -> Setting {
        Setting {
            binary: BINARY.into(),
            directory: self.fresh_directory(),
            upstream: self.mock.address,
            durability,
            guard: self.guard,
        }
    }

    /// A closed loop of this run's length.
    pub fn plan(&self, connections: usize) -> Plan {
        let Pace { warm, time, .. } = self.options.pace;
        Plan { connections, warm, time }
    }
}

/// The medians of CPU by thread, in words: `worker 20.1 + writer 8.0`.
fn by_thread(rounds: &[Closed]) -> String {
    let mut threads: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, micros) in rounds.iter().flat_map(|run| &run.by_thread) {
        // A bar would end the table's cell.
        threads.entry(name.replace('|', " ")).or_default().push(*micros);
    }
    let medians = threads.into_iter().map(|(name, micros)| (name, median(&micros)));
    let mut parts: Vec<_> = medians.filter(|(_, micros)| *micros >= 0.05).collect();
    parts.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let parts: Vec<_> = parts.iter().map(|(name, micros)| format!("{name} {micros:.1}")).collect();
    parts.join(" + ")
}

fn measure_size(bench: &mut Bench) -> Result<(), Fault> {
    let bytes = std::fs::metadata(BINARY).map_err(|error| error.to_string())?.len();
    bench.report.add(
        Row::new("release binary", "tollgate", "MB").of([amount(bytes) / 1e6]).target(Target::AtMost(20.0)),
    );
    Ok(())
}
