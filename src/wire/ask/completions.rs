//! Reads the body of `POST /v1/completions`, the older kind, in one pass. Each prompt is answered by itself, and `best_of` answers
//! are billed of which `n` are shown.

use super::AskLimits;
use super::reader::{Reader, integer};
use crate::wire::json::{JsonFault, Text};

/// What is read at the top level.
const READ: [&str; 12] = [
    "model",
    "prompt",
    "suffix",
    "stream",
    "stream_options",
    "max_tokens",
    "n",
    "best_of",
    "service_tier",
    "background",
    "models",
    "fallbacks",
];

/// What steers the provider and never reaches the model as input.
const CONTROLS: [&str; 16] = [
    "echo",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "user",
    "stop",
    "logprobs",
    "logit_bias",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "min_tokens",
    "ignore_eos",
    "stop_token_ids",
];

/// What multiplies the output.
struct Multiplied {
    prompts: i64,
    choices: i64,
    most: i64,
}

/// Reads the whole body.
///
/// # Errors
/// When it is not one strict JSON object.
pub(super) fn read(reader: &mut Reader<'_>, limits: &AskLimits) -> Result<(), JsonFault> {
    let mut multiplied = Multiplied { prompts: 0, choices: 1, most: limits.max_choices };
    let mut has_prompt = false;
    reader.body(&READ, |reader, key, name| {
        has_prompt |= name == "prompt";
        multiplied.member(reader, key, name)
    })?;
    reader.require_model("gpt-3.5-turbo-instruct");
    if !has_prompt {
        reader.refuse("prompt", "prompt is missing; it must be a string, an array of strings, or token ids");
    }
    reader.fields.choices = multiplied.prompts.max(1).saturating_mul(multiplied.choices);
    Ok(())
}

impl Multiplied {
    fn member<'a>(&mut self, reader: &mut Reader<'a>, key: &Text<'a>, name: &str) -> Result<(), JsonFault> {
        match name {
            "model" => reader.model(),
            "prompt" => {
                self.prompts = reader.inputs("prompt")?;
                Ok(())
            }
            "suffix" => reader.string("suffix"),
            "stream" => {
                reader.fields.stream = reader.flag("stream")?;
                Ok(())
            }
            "stream_options" => reader.stream_options(),
            "max_tokens" => reader.cap("max_tokens"),
            "n" => self.choices(reader, "n"),
            "best_of" => self.choices(reader, "best_of"),
            "service_tier" => reader.service_tier(),
            "background" => reader.background(),
            "models" | "fallbacks" => reader.second_model(name),
            _ if CONTROLS.contains(&name) => reader.control(),
            _ => reader.unknown(key),
        }
    }

    /// The larger of `n` and `best_of` is billed.
    fn choices(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Result<(), JsonFault> {
        let choices = integer(reader.cursor.skip()?).map_or(0, |choices| choices.unwrap_or(1));
        if (1..=self.most).contains(&choices) {
            self.choices = self.choices.max(choices);
        } else {
            reader.refuse(name, &format!("{name} must be an integer from 1 to {}", self.most));
        }
        Ok(())
    }
}
