//! Reads the `generationConfig` of a request in Gemini's dialect: its cap, its choices, its thinking, and what it gives the
//! model to read.

use super::gemini::object;
use super::reader::{Reader, integer};
use super::{AskLimits, CapField, LARGEST_CAP, Place};
use crate::wire::json::{JsonFault, Kind, Text};

/// What is read of it.
const READ: [&str; 8] = [
    "maxOutputTokens",
    "candidateCount",
    "thinkingConfig",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "responseMimeType",
    "speechConfig",
];

/// What is read of `thinkingConfig`.
const THINKING_READ: [&str; 1] = ["thinkingBudget"];

/// What steers the provider and never reaches the model as input.
const CONTROLS: [&str; 15] = [
    "temperature",
    "topP",
    "topK",
    "seed",
    "stopSequences",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "responseMimeType",
    "mediaResolution",
    "enableEnhancedCivicAnswers",
    "speechConfig",
    "imageConfig",
    "audioTimestamp",
];

impl<'a> Reader<'a> {
    /// The value of `generationConfig`.
    pub(super) fn generation_config(&mut self, limits: &AskLimits) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Object {
            let span = self.cursor.skip_span()?;
            if self.cursor.since(span.start) != "null" {
                self.refuse("generationConfig", "generationConfig must be an object");
            }
            self.fields.marks.generation_config = Place::Null(span);
            return Ok(());
        }
        let start = self.cursor.offset().saturating_add(1);
        let mut continues = false;
        object(self, &READ, |reader, key, name| {
            continues = true;
            reader.generation_member(key, name, limits)
        })?;
        self.fields.marks.generation_config = Place::Object { start, continues };
        Ok(())
    }

    fn generation_member(&mut self, key: &Text<'a>, name: &str, limits: &AskLimits) -> Result<(), JsonFault> {
        match name {
            "maxOutputTokens" => self.generation_cap(),
            "candidateCount" => self.candidates(limits.max_choices),
            "thinkingConfig" => self.thinking_config(),
            "responseSchema" | "responseJsonSchema" => self.given(),
            "responseModalities" => self.response_modalities(),
            _ if CONTROLS.contains(&name) => self.control(),
            _ => self.unknown(key),
        }
    }

    fn generation_cap(&mut self) -> Result<(), JsonFault> {
        let span = self.cursor.skip_span()?;
        let value = match integer(self.cursor.since(span.start)) {
            Ok(value) if value.is_none_or(|cap| (1..=LARGEST_CAP).contains(&cap)) => value,
            _ => {
                let message =
                    format!("generationConfig.maxOutputTokens must be an integer from 1 to {LARGEST_CAP}");
                self.refuse("generationConfig.maxOutputTokens", &message);
                None
            }
        };
        let cap = &mut self.fields.cap;
        cap.asked = value;
        cap.fields.push(CapField { name: "maxOutputTokens", value, span });
        Ok(())
    }

    fn candidates(&mut self, most: i64) -> Result<(), JsonFault> {
        match integer(self.cursor.skip()?) {
            Ok(None) => {}
            Ok(Some(count)) if (1..=most).contains(&count) => self.fields.choices = count,
            _ => {
                let message = format!("generationConfig.candidateCount must be an integer from 1 to {most}");
                self.refuse("generationConfig.candidateCount", &message);
            }
        }
        Ok(())
    }

    /// A budget of −1 leaves it to the provider.
    fn thinking_config(&mut self) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Object {
            return self.control();
        }
        object(self, &THINKING_READ, |reader, _, name| {
            let value = reader.cursor.skip()?;
            if name != THINKING_READ[0] {
                return Ok(());
            }
            match integer(value) {
                Ok(budget) if budget.is_none_or(|budget| (-1..=LARGEST_CAP).contains(&budget)) => {
                    reader.fields.thinking_budget = budget.filter(|budget| *budget > 0);
                }
                _ => reader.refuse(
                    "generationConfig.thinkingConfig.thinkingBudget",
                    "generationConfig.thinkingConfig.thinkingBudget must be an integer, at least -1",
                ),
            }
            Ok(())
        })
    }

    fn response_modalities(&mut self) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Array {
            return self.control();
        }
        let mut array = self.cursor.enter()?;
        while self.cursor.next_item(&mut array)? {
            match self.cursor.kind()? {
                Kind::Text => {
                    let word = self.cursor.text()?.decode();
                    self.fields.spoken |= word.to_ascii_uppercase().contains("AUDIO");
                }
                // Google takes an enum's number too.
                _ => self.fields.spoken |= self.cursor.skip()? != "null",
            }
        }
        Ok(())
    }
}
