//! Memory: idle, at 128 connections, and with 2 000 slow streams.

use std::time::Duration;

use super::Bench;
use crate::Fault;
use crate::fleet::bare;
use crate::gateway::{Durability, Gateway, chats, get};
use crate::load::{Questions, ask_once, closed, streams};
use crate::mock::{PLAIN, SLOW};
use crate::process::Memory;
use crate::report::{Row, Target};

const CONNECTIONS: usize = 128;
const STREAMS: u32 = 2_000;
/// All streams begin within this.
const RAMP: Duration = Duration::from_secs(2);

/// Measures the gateway, and the bare proxy beside it.
///
/// # Errors
/// When an answer is wrong, or the books do not add up.
pub fn measure(bench: &mut Bench) -> Result<(), Fault> {
    let setting = bench.setting(Durability::Power);
    let gateway = Gateway::fresh(&setting)?;
    let keys = gateway.keys.clone();
    gateway.stop()?;
    let gateway = Gateway::start(&setting)?;
    ask_once(gateway.address, get("/v1/models", &keys[0]))?;
    std::thread::sleep(Duration::from_millis(100));
    add(bench, "memory idle", Memory::of(gateway.pid()), Target::AtMost(20.0));
    closed(&chats(gateway.address, &keys, PLAIN), bench.plan(CONNECTIONS), None)?;
    let figure = format!("memory after {CONNECTIONS} connections");
    add(bench, &figure, Memory::of(gateway.pid()), Target::AtMost(60.0));
    gateway.verify()?;
    gateway.stop()?;
    let gateway = Gateway::start(&setting)?;
    let questions = chats(gateway.address, &keys, SLOW);
    let memory = streams(&questions, STREAMS, RAMP, || Memory::of(gateway.pid()))?;
    add(bench, &format!("memory with {STREAMS} slow streams"), memory, Target::AtMost(150.0));
    gateway.verify()?;
    gateway.stop()?;
    measure_bare(bench, &questions)
}

fn measure_bare(bench: &mut Bench, questions: &Questions) -> Result<(), Fault> {
    let (process, address) = bare(bench.mock.address, bench.guard)?;
    let questions = Questions { address, ..questions.clone() };
    let memory = streams(&questions, STREAMS, RAMP, || Memory::of(process.pid()))?;
    let row = Row::new(format!("memory with {STREAMS} slow streams"), "bare actix-web proxy", "MiB");
    bench.report.add(row.of([memory.resident]));
    Ok(())
}

fn add(bench: &mut Bench, figure: &str, memory: Memory, target: Target) {
    let note = format!("{:.1} of it not of files", memory.anonymous);
    bench
        .report
        .add(Row::new(figure, "tollgate, power", "MiB").of([memory.resident]).target(target).note(note));
}
