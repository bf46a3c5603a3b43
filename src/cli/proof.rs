//! `tollgate verify`: the store's proof, printed. Only reads, beside a running server too.

use serde::Serialize;

use super::args::VerifyArgs;
use super::failed::{Exit, Failed};
use super::screen::{Out, safe, safe_json};
use crate::config::Config;
use crate::store::{self, Report};

/// A proof as JSON.
#[derive(Debug, Serialize)]
pub struct ShownReport<'a> {
    rows: i64,
    open_holds: i64,
    head: String,
    drift: &'a [String],
}

impl<'a> From<&'a Report> for ShownReport<'a> {
    fn from(report: &'a Report) -> Self {
        Self {
            rows: report.rows,
            open_holds: report.open_holds,
            head: report.head.spell(),
            drift: &report.drift,
        }
    }
}

/// Proves the database and prints the report.
///
/// # Errors
/// When something does not add up, or the database cannot be read.
pub fn verify(config: &Config, args: &VerifyArgs, out: Out<'_>) -> Result<(), Failed> {
    let report = store::verify(&config.database.path, args.head).map_err(|fault| Failed::of_open(&fault))?;
    if args.format.json {
        let json = serde_json::to_string(&ShownReport::from(&report))
            .expect("a report has string keys and cannot fail to be written");
        writeln!(out, "{}", safe_json(&json))?;
    } else {
        print(&report, out)?;
    }
    judge(&report)
}

/// Prints a report for people, and for scripts that look for its `head` line.
///
/// # Errors
/// Of the output.
pub fn print(report: &Report, out: Out<'_>) -> std::io::Result<()> {
    writeln!(out, "rows {}", report.rows)?;
    writeln!(out, "open holds {}", report.open_holds)?;
    if report.drift.is_empty() {
        writeln!(out, "drift 0")?;
    }
    for line in &report.drift {
        writeln!(out, "drift: {}", safe(line))?;
    }
    writeln!(out, "head {}", report.head.spell())
}

/// A failure, when something does not add up.
///
/// # Errors
/// That.
pub fn judge(report: &Report) -> Result<(), Failed> {
    if report.drift.is_empty() {
        return Ok(());
    }
    Err(Failed::new(
        Exit::Failure,
        "the database was changed from outside, or is damaged: it does not add up",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::chain::Head;

    fn report(drift: &[&str]) -> Report {
        let drift = drift.iter().map(|line| (*line).to_owned()).collect();
        Report { rows: 3, open_holds: 1, head: Head { seq: 3, hash: [0xab; 32] }, drift }
    }

    fn printed(report: &Report) -> String {
        let mut out = Vec::new();
        print(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_proof_ends_with_the_head() {
        let head = format!("head 3:{}\n", "ab".repeat(32));
        assert_eq!(printed(&report(&[])), format!("rows 3\nopen holds 1\ndrift 0\n{head}"));
        assert!(judge(&report(&[])).is_ok());
    }

    #[test]
    fn drift_is_told_and_is_a_failure() {
        let report = report(&["token 5: \u{1b}used"]);
        assert!(printed(&report).contains("drift: token 5: \\u{1b}used\n"));
        assert_eq!(judge(&report).map_err(|failed| failed.exit), Err(Exit::Failure));
    }
}
