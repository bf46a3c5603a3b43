//! Streams whose twenty events come at once: how many a second, what each costs, and when their first byte is there.

use super::{Bench, by_thread};
use crate::Fault;
use crate::fleet::{Fleet, Subject, Who};
use crate::load::{Closed, Open, Pick, closed, open};
use crate::mock::{BURST, EVENTS};
use crate::report::{Row, Target};
use crate::stats::{differences, ratios};

/// Connections of the closed loop.
const CONNECTIONS: usize = 32;
/// Streams a second of the open loop.
const RATE: u32 = 500;

/// Measures both.
///
/// # Errors
/// When an answer is wrong, or the books do not add up.
pub fn measure(bench: &mut Bench) -> Result<(), Fault> {
    let fleet = Fleet::start(bench)?;
    let subjects = fleet.subjects();
    let mut rounds: Vec<(Vec<Closed>, Vec<Open>)> = subjects.iter().map(|_| Default::default()).collect();
    for _ in 0..bench.options.pace.rounds {
        for (subject, (closed_runs, open_runs)) in subjects.iter().zip(&mut rounds) {
            let questions = subject.chats(BURST);
            let told = |what| format!("{}: {what}", subject.who.name());
            closed_runs.push(closed(&questions, bench.plan(CONNECTIONS), subject.pid).map_err(told)?);
            open_runs.push(open(&questions, RATE, bench.options.pace.time).map_err(told)?);
        }
    }
    let place = |who| subjects.iter().position(|subject| subject.who == who).unwrap_or(0);
    let rates = |at: usize| rounds[at].0.iter().map(|run| run.rate).collect::<Vec<_>>();
    for (at, subject) in subjects.iter().enumerate() {
        report_rate(bench, subject, &rounds[at].0, &rates(place(Who::Bare)));
    }
    for (at, subject) in subjects.iter().enumerate().skip(1) {
        report_first_byte(bench, subject, &rounds[at].1, &rounds[place(Who::Direct)].1);
    }
    fleet.end(bench)
}

fn report_rate(bench: &mut Bench, subject: &Subject, runs: &[Closed], bare: &[f64]) {
    let name = subject.who.name();
    let figure = format!("streams of {EVENTS} events, {CONNECTIONS} connections");
    let rates: Vec<_> = runs.iter().map(|run| run.rate).collect();
    bench.report.add(Row::new(&figure, name, "/s").of(rates.as_slice()));
    if subject.who == Who::Direct {
        return;
    }
    if subject.who != Who::Bare {
        let target = if subject.who == Who::Power { Target::AtLeast(0.4) } else { Target::None };
        let row = Row::new(format!("{figure} ÷ bare"), name, "").of(ratios(&rates, bare));
        bench.report.add(row.target(target));
    }
    let cpu: Vec<_> = runs.iter().map(|run| run.cpu).collect();
    let row = Row::new("CPU per stream", name, "µs").of(cpu);
    bench.report.add(row.note(by_thread(runs)));
}

fn report_first_byte(bench: &mut Bench, subject: &Subject, runs: &[Open], direct: &[Open]) {
    let percentiles: [(&str, f64, Pick); 2] =
        [("p50", 0.6, |run| run.first_p50), ("p99", 1.5, |run| run.first_p99)];
    for (share, most, pick) in percentiles {
        let of = |runs: &[Open]| runs.iter().map(pick).collect::<Vec<_>>();
        let added = differences(&of(runs), &of(direct));
        let target = if subject.who == Who::Power { Target::AtMost(most) } else { Target::None };
        let figure = format!("first byte of a stream, added at {RATE}/s, {share}");
        bench.report.add(Row::new(figure, subject.who.name(), "ms").of(added).target(target));
    }
}
