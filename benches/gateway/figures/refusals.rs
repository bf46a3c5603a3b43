//! Refusals: how many a second, what each costs, and that none of them writes to the disk.

use std::time::Duration;

use serde_json::json;

use super::{Bench, by_thread};
use crate::Fault;
use crate::gateway::{Durability, Gateway, chats, get};
use crate::load::{Closed, Questions, closed};
use crate::mock::PLAIN;
use crate::process::written;
use crate::report::{Row, Target};
use crate::seed;
use crate::stats::{amount, ratios};

const CONNECTIONS: usize = 32;
/// Until what was written before has been moved into the database.
const QUIET: Duration = Duration::from_millis(600);

/// A refusal, and its name.
type Case = (&'static str, Questions);

/// Measures each, beside what is served.
///
/// # Errors
/// When an answer is wrong, a refusal is a ledger row, or the books do not add up.
pub fn measure(bench: &mut Bench) -> Result<(), Fault> {
    let gateway = Gateway::fresh(&bench.setting(Durability::Power))?;
    let cases = cases(&gateway)?;
    let served_by = chats(gateway.address, &gateway.keys, PLAIN);
    let mut served = Vec::new();
    let mut rounds: Vec<(Vec<Closed>, Vec<f64>)> = cases.iter().map(|_| Default::default()).collect();
    for _ in 0..bench.options.pace.rounds {
        served.push(closed(&served_by, bench.plan(CONNECTIONS), None)?.rate);
        let rows = gateway.verify()?;
        std::thread::sleep(QUIET);
        for ((name, questions), (runs, bytes)) in cases.iter().zip(&mut rounds) {
            let before = written(gateway.pid());
            let run = closed(questions, bench.plan(CONNECTIONS), Some(gateway.pid()));
            runs.push(run.map_err(|what| format!("{name}: {what}"))?);
            bytes.push(amount(written(gateway.pid()) - before));
        }
        if gateway.verify()? != rows {
            return Err("a refusal left a row in the ledger".to_owned());
        }
    }
    for ((name, _), (runs, bytes)) in cases.iter().zip(&rounds) {
        let rates: Vec<_> = runs.iter().map(|run| run.rate).collect();
        let cpu: Vec<_> = runs.iter().map(|run| run.cpu).collect();
        let notes = by_thread(runs);
        let report = &mut bench.report;
        report.add(Row::new(format!("refused with {name}"), "tollgate, power", "/s").of(rates.as_slice()));
        let of_served = Row::new(format!("refused with {name} ÷ served"), "tollgate, power", "");
        report.add(of_served.of(ratios(&rates, &served)).target(Target::AtLeast(1.5)));
        report.add(Row::new(format!("CPU per {name}"), "tollgate, power", "µs").of(cpu).note(notes));
        let disk = Row::new(format!("written to disk by {name}"), "tollgate, power", "bytes");
        report.add(disk.of(bytes.as_slice()).target(Target::AtMost(0.0)));
    }
    gateway.verify()?;
    gateway.stop()
}

fn cases(gateway: &Gateway) -> Result<Vec<Case>, Fault> {
    let open = json!({"name": "bench", "unlimited_quota": true});
    let mut bodies = vec![open.clone(), open.clone(), open];
    bodies[0] = json!({"name": "bench"});
    bodies[1]["daily_quota"] = json!(1);
    bodies[2]["model_limits_enabled"] = json!(true);
    bodies[2]["model_limits"] = json!("gpt-4o-mini,claude-*");
    let keys = gateway.make_tokens(&bodies)?;
    let unknown = format!("sk-{}", seed::key(-1));
    let chat = |key: &str, status| Questions {
        status,
        ..chats(gateway.address, std::slice::from_ref(&key.to_owned()), PLAIN)
    };
    let [spent, daily, barred] = keys.as_slice() else { return Err("three tokens were to be made".into()) };
    let list = Questions { requests: vec![get("/v1/models", &unknown)], ..chat(&unknown, 401) };
    Ok(vec![
        ("402", chat(spent, 402)),
        ("429", chat(daily, 429)),
        ("403", chat(barred, 403)),
        ("401", list),
        ("401 and a close", chat(&unknown, 401)),
    ])
}
