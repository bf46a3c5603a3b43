//! Requests a second in a closed loop, and what each costs in CPU.

use super::{Bench, by_thread};
use crate::Fault;
use crate::fleet::{Fleet, Who};
use crate::load::{Closed, closed};
use crate::mock::PLAIN;
use crate::nginx;
use crate::report::{Row, Target};
use crate::stats::ratios;

/// Measures 1, 32 and 128 connections.
///
/// # Errors
/// When an answer is wrong, or the books do not add up.
pub fn measure(bench: &mut Bench) -> Result<(), Fault> {
    let fleet = Fleet::start(bench)?;
    for connections in [1, 32, 128] {
        measure_at(bench, &fleet, connections)?;
    }
    if !nginx::is_installed() {
        bench.report.add(Row::new("throughput", Who::Nginx.name(), "").note("not installed"));
    }
    fleet.end(bench)
}

fn measure_at(bench: &mut Bench, fleet: &Fleet, connections: usize) -> Result<(), Fault> {
    let subjects = fleet.subjects();
    let mut rounds: Vec<Vec<Closed>> = subjects.iter().map(|_| Vec::new()).collect();
    for _ in 0..bench.options.pace.rounds {
        for (subject, found) in subjects.iter().zip(&mut rounds) {
            let run = closed(&subject.chats(PLAIN), bench.plan(connections), subject.pid);
            found.push(run.map_err(|what| format!("{}: {what}", subject.who.name()))?);
        }
    }
    let rates = |rounds: &[Closed]| rounds.iter().map(|run| run.rate).collect::<Vec<_>>();
    let bare = subjects.iter().zip(&rounds).find(|(subject, _)| subject.who == Who::Bare);
    let bare = bare.map(|(_, rounds)| rates(rounds)).unwrap_or_default();
    for (subject, rounds) in subjects.iter().zip(&rounds) {
        let load =
            if connections == 1 { "1 connection".to_owned() } else { format!("{connections} connections") };
        let figure = format!("throughput, {load}");
        let name = subject.who.name();
        bench.report.add(Row::new(&figure, name, "/s").of(rates(rounds)));
        if matches!(subject.who, Who::Direct) {
            continue;
        }
        if subject.who != Who::Bare {
            let is_asked = connections == 32 && subject.who == Who::Power;
            let target = if is_asked { Target::AtLeast(0.6) } else { Target::None };
            let of_bare = ratios(&rates(rounds), &bare);
            bench.report.add(Row::new(format!("{figure} ÷ bare"), name, "").of(of_bare).target(target));
        }
        let cpu: Vec<_> = rounds.iter().map(|run| run.cpu).collect();
        let is_asked = connections == 32 && matches!(subject.who, Who::Power | Who::Process);
        let target = if is_asked { Target::AtMost(30.0) } else { Target::None };
        let note = by_thread(rounds);
        let figure = format!("CPU per request, {load}");
        bench.report.add(Row::new(figure, name, "µs").of(cpu).target(target).note(note));
    }
    Ok(())
}
