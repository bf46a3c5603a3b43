//! How much a model of Gemini's is to think. Those of 2.5 are told in output units, newer ones how hard to try, older ones cannot.
//! What was thought is told where the client asked for thinking, as its provider's summary.

use serde::Serialize;

use crate::wire::ask::AskFault;
use crate::wire::translate::prompt::{Effort, Set, Thinking};

/// What is left for the answer when thinking has its budget and the client named no cap, in output units.
const BESIDE_THINKING: i64 = 4_096;

/// Parts of the names of models that can be told to think next to nothing (`minimal`), which Google documents as the counterpart of no
/// thinking. All other ones of this kind try at least a little (`low`).
const MINIMAL: [&str; 4] = ["-3-flash", "-3.1-flash", "-3.5-flash", "-3.6-flash"];

/// What Gemini is told of it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_thoughts: Option<bool>,
}

/// How a model can be told.
enum Way {
    /// Not at all.
    None,
    /// In output units.
    Budget(Range),
    /// In words.
    Level,
}

/// The budgets that a model takes.
struct Range {
    least: i64,
    most: i64,
    /// Whether it also takes none.
    stops: bool,
}

/// What is told, and the cap that holds then, of a model that gives `most` units of output, where that is known.
///
/// # Errors
/// When the model cannot do it.
pub(super) fn thinking(
    asked: &Set<Thinking>,
    cap: Option<i64>,
    most: Option<i64>,
    provider_model: &str,
) -> Result<(Option<ThinkingConfig>, Option<i64>), AskFault> {
    match way(provider_model) {
        Way::None if asked.value == Thinking::Off => Ok((None, cap)),
        Way::None => Err(asked.refuse(
            "cannot be had of this model of its provider's (Google), which does not think; leave it out",
        )),
        Way::Budget(range) => {
            let (config, cap) = budget(asked, (cap, most), &range)?;
            Ok((Some(config), cap))
        }
        Way::Level => Ok((Some(level(asked, provider_model)?), cap)),
    }
}

fn way(model: &str) -> Way {
    if model.contains("gemini-1") || model.contains("gemini-2.0") {
        Way::None
    } else if model.contains("gemini-2.5-pro") {
        Way::Budget(Range { least: 128, most: 32_768, stops: false })
    } else if model.contains("gemini-2.5-flash-lite") {
        Way::Budget(Range { least: 512, most: 24_576, stops: true })
    } else if model.contains("gemini-2.5") {
        Way::Budget(Range { least: 1, most: 24_576, stops: true })
    } else {
        Way::Level
    }
}

fn budget(
    asked: &Set<Thinking>,
    (mut cap, most): (Option<i64>, Option<i64>),
    range: &Range,
) -> Result<(ThinkingConfig, Option<i64>), AskFault> {
    let told = |budget| ThinkingConfig {
        thinking_budget: Some(budget),
        include_thoughts: Some(true),
        thinking_level: None,
    };
    let units = match asked.value {
        Thinking::Off if range.stops => {
            return Ok((ThinkingConfig { thinking_budget: Some(0), ..ThinkingConfig::default() }, cap));
        }
        Thinking::Off => return Err(always_thinks(asked)),
        // It decides by itself.
        Thinking::Adaptive => return Ok((told(-1), cap)),
        Thinking::Budget(units) => units.min(range.most),
        // As Google's own OpenAI-compatible API has it. The cap includes what is thought; half of it is left for the answer.
        Thinking::Effort(effort) => {
            let units = match effort {
                Effort::Minimal | Effort::Low => 1_024,
                Effort::Medium => 8_192,
                Effort::High => 24_576,
                Effort::Highest => range.most,
            };
            // Where the model gives less than would be asked for, that is what can be divided.
            let is_short = |most: &i64| *most < units.saturating_add(BESIDE_THINKING);
            cap = cap.or_else(|| most.filter(is_short));
            cap.map_or(units, |cap| units.min(cap.div_euclid(2)))
        }
    };
    if units < range.least {
        let least = range.least.saturating_mul(2);
        return Err(asked.refuse(&format!(
            "leaves too little to think with: this model thinks at least {} units; ask for an answer of at least {least}, or name no cap",
            range.least
        )));
    }
    Ok((told(units), cap.or(Some(units.saturating_add(BESIDE_THINKING)))))
}

fn level(asked: &Set<Thinking>, model: &str) -> Result<ThinkingConfig, AskFault> {
    let stops = MINIMAL.iter().any(|part| model.contains(part));
    let least = if stops { "minimal" } else { "low" };
    let level = match asked.value {
        Thinking::Off if stops => {
            return Ok(ThinkingConfig { thinking_level: Some("minimal"), ..ThinkingConfig::default() });
        }
        Thinking::Off => return Err(always_thinks(asked)),
        Thinking::Adaptive => None,
        Thinking::Effort(Effort::Minimal) => Some(least),
        Thinking::Effort(Effort::Low) => Some("low"),
        Thinking::Effort(Effort::Medium) => Some("medium"),
        Thinking::Effort(Effort::High | Effort::Highest) => Some("high"),
        // The words by the units they stand for in Google's own table; never more than was allowed.
        Thinking::Budget(..1_024) => Some(least),
        Thinking::Budget(..8_192) => Some("low"),
        Thinking::Budget(..24_576) => Some("medium"),
        Thinking::Budget(_) => Some("high"),
    };
    Ok(ThinkingConfig { thinking_level: level, include_thoughts: Some(true), thinking_budget: None })
}

fn always_thinks(asked: &Set<Thinking>) -> AskFault {
    asked.refuse("cannot be turned off: this model of its provider's (Google) always thinks; leave it out, or ask for little")
}
