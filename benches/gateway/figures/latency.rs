//! What is added to an answer's time at 1 000 requests a second, in an open loop.

use super::Bench;
use crate::Fault;
use crate::fleet::{Fleet, Who};
use crate::load::{Open, Pick, open};
use crate::mock::PLAIN;
use crate::report::{Row, Target};
use crate::stats::differences;

/// Requests a second.
const RATE: u32 = 1_000;

/// Measures it.
///
/// # Errors
/// When an answer is wrong, or the books do not add up.
pub fn measure(bench: &mut Bench) -> Result<(), Fault> {
    let fleet = Fleet::start(bench)?;
    let subjects = fleet.subjects();
    let mut rounds: Vec<Vec<Open>> = subjects.iter().map(|_| Vec::new()).collect();
    for _ in 0..bench.options.pace.rounds {
        for (subject, found) in subjects.iter().zip(&mut rounds) {
            let run = open(&subject.chats(PLAIN), RATE, bench.options.pace.time);
            found.push(run.map_err(|what| format!("{}: {what}", subject.who.name()))?);
        }
    }
    let of = |wanted: Who, pick: Pick| {
        let found = subjects.iter().zip(&rounds).find(|(subject, _)| subject.who == wanted);
        found.map(|(_, rounds)| rounds.iter().map(pick).collect::<Vec<_>>()).unwrap_or_default()
    };
    let percentiles: [(&str, Pick); 2] = [("p50", |run| run.p50), ("p99", |run| run.p99)];
    for subject in &subjects {
        for (share, pick) in percentiles {
            let name = subject.who.name();
            let took = of(subject.who, pick);
            if subject.who == Who::Direct {
                bench.report.add(Row::new(format!("latency at {RATE}/s, {share}"), name, "ms").of(took));
                continue;
            }
            let added = format!("latency added at {RATE}/s, {share}");
            let to_direct = differences(&took, &of(Who::Direct, pick));
            bench.report.add(Row::new(format!("{added}, to direct"), name, "ms").of(to_direct));
            if subject.who != Who::Bare {
                let to_bare = differences(&took, &of(Who::Bare, pick));
                let row = Row::new(format!("{added}, to bare"), name, "ms").of(to_bare);
                bench.report.add(row.target(target(subject.who, share)));
            }
        }
    }
    fleet.end(bench)
}

fn target(who: Who, share: &str) -> Target {
    match (who, share) {
        (Who::Power, "p50") => Target::AtMost(0.5),
        (Who::Power, "p99") => Target::AtMost(1.2),
        (Who::Process, "p50") => Target::AtMost(0.15),
        _ => Target::None,
    }
}
