//! How much the model is to think: older models are told in output units, newer ones how hard to try.

use serde::Serialize;

use crate::wire::ask::AskFault;
use crate::wire::translate::prompt::{self, Effort, Part, Prompt, Set, Speaker};
use crate::wire::translate::proof::unmarked;

/// The least that Anthropic takes for thinking, in output units.
const LEAST_BUDGET: i64 = 1_024;

/// What is left for the answer when thinking has its budget and the client named no cap, in output units.
const BESIDE_THINKING: i64 = 4_096;

/// Parts of the names of models that are told how much to think in output units. All newer ones are told how hard to try.
const BUDGETED: [&str; 7] =
    ["claude-3", "-4-0", "-4-1", "-4-5", "opus-4-2025", "sonnet-4-2025", "haiku-4-2025"];

/// The member `thinking`.
#[derive(Serialize)]
pub(super) struct Thinking {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_tokens: Option<i64>,
    /// Newer models keep their thoughts to themselves unless they are asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<&'static str>,
}

/// What is said about thinking, and what follows from it.
pub(super) struct Plan {
    /// The member itself.
    pub(super) thinking: Thinking,
    /// How hard to try.
    pub(super) effort: Option<&'static str>,
    /// The cap of the output, thoughts and all.
    pub(super) cap: Option<i64>,
}

/// The plan for a model of that name at the provider; `None` where nothing need be said.
///
/// # Errors
/// When the client's cap leaves no room for it.
pub(super) fn plan(prompt: &Prompt<'_>, provider_model: &str) -> Result<Option<Plan>, AskFault> {
    let Some(asked) = &prompt.thinking else { return Ok(None) };
    let is_budgeted = BUDGETED.iter().any(|part| provider_model.contains(part));
    let (budget, effort) = match asked.value {
        prompt::Thinking::Off => return Ok(None),
        prompt::Thinking::Adaptive => (budget_of(Effort::Medium), None),
        prompt::Thinking::Effort(effort) => (budget_of(effort), Some(word(effort))),
        prompt::Thinking::Budget(budget) => (budget, None),
    };
    if !is_budgeted {
        let thinking = Thinking { kind: "adaptive", budget_tokens: None, display: Some("summarized") };
        return Ok(Some(Plan { thinking, effort, cap: prompt.cap }));
    }
    if awaits_thought(prompt) {
        return Ok(None);
    }
    // Where the model gives less than would be asked for, that is what can be divided.
    let is_short = |most: &i64| *most < budget.saturating_add(BESIDE_THINKING);
    budgeted(asked, budget, prompt.cap.or_else(|| prompt.most.filter(is_short))).map(Some)
}

/// The cap includes what is thought; half of the client's own, or of the model's, is left for the answer.
fn budgeted(asked: &Set<prompt::Thinking>, budget: i64, cap: Option<i64>) -> Result<Plan, AskFault> {
    let budget = cap.map_or(budget, |cap| budget.min(cap.div_euclid(2)));
    if budget < LEAST_BUDGET {
        return Err(asked.refuse("needs an output cap of at least 2048 with this model, or none"));
    }
    let thinking = Thinking { kind: "enabled", budget_tokens: Some(budget), display: None };
    Ok(Plan { thinking, effort: None, cap: Some(cap.unwrap_or(budget.saturating_add(BESIDE_THINKING))) })
}

/// Whether the outcome of a tool comes last, and what the model thought before it called was not sent back with its proof. Older
/// models then refuse to think, so they are not asked to.
fn awaits_thought(prompt: &Prompt<'_>) -> bool {
    let is_outcome = |part: &Set<Part>| matches!(part.value, Part::Outcome(_));
    let is_proof = |part: &Set<Part>| match &part.value {
        Part::Thought { signature: Some(signature), .. } => unmarked(signature).is_none(),
        _ => false,
    };
    let [.., call, last] = prompt.turns.as_slice() else { return false };
    last.speaker == Speaker::User
        && last.parts.iter().any(is_outcome)
        && !call.parts.first().is_some_and(is_proof)
}

const fn budget_of(effort: Effort) -> i64 {
    match effort {
        Effort::Minimal => LEAST_BUDGET,
        Effort::Low => 2_048,
        Effort::Medium => 8_192,
        Effort::High => 16_384,
        Effort::Highest => 32_768,
    }
}

const fn word(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Highest => "xhigh",
    }
}
