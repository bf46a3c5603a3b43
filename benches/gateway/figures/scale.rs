//! Throughput with 10^6 tokens and 10^7 ledger rows, beside an empty ledger. Prepared once, and long.

use super::Bench;
use crate::Fault;
use crate::gateway::{Durability, Gateway, Setting, chats};
use crate::load::closed;
use crate::mock::PLAIN;
use crate::options::Reach;
use crate::report::{Row, Target};
use crate::seed::{self, Size};
use crate::stats::ratios;

const CONNECTIONS: usize = 32;
/// Tokens that are used, of either database.
const USED: i64 = 1_024;
/// Nothing but the tokens that are used.
const EMPTY: Size = Size { tokens: USED, rows_each: 0 };
/// The longest that is promised for.
const LARGE: Size = Size { tokens: 1_000_000, rows_each: 9 };

/// Measures both in turn.
///
/// # Errors
/// When an answer is wrong, or the books do not add up.
pub fn measure(bench: &mut Bench) -> Result<(), Fault> {
    let figure = "throughput, 10^6 tokens and 10^7 rows ÷ empty";
    if bench.options.pace.reach != Reach::Full {
        bench.report.add(Row::new(figure, "tollgate, power", "").note("with --full"));
        return Ok(());
    }
    let mut gateways = Vec::new();
    for size in [EMPTY, LARGE] {
        let setting =
            Setting { directory: seed::directory(bench, size)?, ..bench.setting(Durability::Power) };
        let gateway = Gateway::start(&setting)?;
        let questions = chats(gateway.address, &seed::keys(size, USED), PLAIN);
        gateways.push((gateway, questions, Vec::new()));
    }
    for _ in 0..bench.options.pace.rounds {
        for (gateway, questions, rates) in &mut gateways {
            rates.push(closed(questions, bench.plan(CONNECTIONS), Some(gateway.pid()))?.rate);
        }
    }
    if let [(_, _, empty), (_, _, large)] = gateways.as_slice() {
        let row = Row::new(figure, "tollgate, power", "").of(ratios(large, empty));
        bench.report.add(row.target(Target::AtLeast(0.95)));
    }
    for (gateway, ..) in gateways {
        gateway.verify()?;
        gateway.stop()?;
    }
    Ok(())
}
