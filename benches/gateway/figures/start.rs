//! From the start of the process to its first answer, with few and with many tokens.

use std::time::Instant;

use super::Bench;
use crate::Fault;
use crate::gateway::{Durability, Gateway, Setting, get};
use crate::load::ask_once;
use crate::options::Reach;
use crate::report::{Row, Target};
use crate::seed::{self, Size};

/// Tokens, and the target in milliseconds.
const SIZES: [(i64, f64); 3] = [(10, 30.0), (10_000, 60.0), (1_000_000, 1_500.0)];

/// Measures each.
///
/// # Errors
/// When the answer is wrong.
pub fn measure(bench: &mut Bench) -> Result<(), Fault> {
    let is_quick = bench.options.pace.reach == Reach::Quick;
    for (tokens, most) in SIZES.into_iter().filter(|(tokens, _)| !is_quick || *tokens <= 10_000) {
        let size = Size { tokens, rows_each: 0 };
        let setting =
            Setting { directory: seed::directory(bench, size)?, ..bench.setting(Durability::Power) };
        let keys = seed::keys(size, 10);
        let mut times = Vec::new();
        for key in keys.iter().cycle().take(bench.options.pace.rounds.max(5)) {
            let began = Instant::now();
            let gateway = Gateway::start(&setting)?;
            let (status, _) = ask_once(gateway.address, get("/v1/balance", key))?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
            gateway.stop()?;
            if status != 200 {
                return Err(format!("the first answer is a {status}"));
            }
        }
        let row = Row::new(format!("start to first answer, {tokens} tokens"), "tollgate, power", "ms");
        bench.report.add(row.of(times).target(Target::AtMost(most)));
        // Large, and not needed any more; the prepared one is kept.
        drop(std::fs::remove_dir_all(&setting.directory));
    }
    Ok(())
}
