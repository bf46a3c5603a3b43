//! What is asked of a run: the flags behind `--`, and the times that follow from them. Must not know what is measured.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long to measure.
#[derive(Copy, Clone, Debug)]
pub struct Pace {
    /// Alternating rounds; a figure is their median.
    pub rounds: usize,
    /// Unmeasured load before each measurement.
    pub warm: Duration,
    /// Each measurement.
    pub time: Duration,
    /// The whole run: after it, everything is ended.
    pub at_most: Duration,
    /// How much is measured.
    pub reach: Reach,
}

/// How much is measured.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// No database of more than 10^4 tokens.
    Quick,
    /// All but the ledger of 10^7 rows.
    Normal,
    /// Everything.
    Full,
}

/// A benchmark's flags.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long to measure.
    pub pace: Pace,
    /// Parts of names of figures; empty is all.
    only: Vec<String>,
    /// Whether the process under test gets a core of its own.
    pub pin: bool,
    /// Another build of the gateway, measured beside this one.
    pub beside: Option<PathBuf>,
}

/// What this executable is to do.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Measure.
    Bench(Options),
    /// Be the bare proxy before this address.
    Proxy(SocketAddr),
}

impl Options {
    /// Reads the arguments behind the program's name; `--bench`, which cargo adds, means nothing.
    ///
    /// # Errors
    /// A sentence about the first that is not known.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Wanted, String> {
        let mut options = Self { pace: Pace::of(Reach::Normal), only: Vec::new(), pin: false, beside: None };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => {}
                "--quick" => options.pace = Pace::of(Reach::Quick),
                "--full" => options.pace = Pace::of(Reach::Full),
                "--pin" => options.pin = true,
                "--only" => options.only.push(arguments.next().ok_or("--only wants a name")?),
                "--beside" => {
                    let path = arguments.next().ok_or("--beside wants a binary")?;
                    options.beside = Some(std::path::absolute(path).map_err(|error| error.to_string())?);
                }
                "--proxy" => {
                    let upstream = arguments.next().and_then(|address| address.parse().ok());
                    return Ok(Wanted::Proxy(upstream.ok_or("--proxy wants an address")?));
                }
                _ => {
                    return Err(format!(
                        "{argument} is no flag: --quick, --full, --only NAME, --pin, --beside BINARY"
                    ));
                }
            }
        }
        Ok(Wanted::Bench(options))
    }

    /// Whether the figure `name` is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}

impl Pace {
    fn of(reach: Reach) -> Self {
        let (rounds, warm, time, minutes) = match reach {
            Reach::Quick => (3, 150, 400, 15),
            Reach::Normal => (5, 300, 1_500, 45),
            Reach::Full => (7, 500, 3_000, 180),
        };
        Self {
            rounds,
            warm: Duration::from_millis(warm),
            time: Duration::from_millis(time),
            at_most: Duration::from_secs(minutes * 60),
            reach,
        }
    }
}
