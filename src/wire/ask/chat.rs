//! Reads the body of `POST /v1/chat/completions`, in one pass.

use super::messages::walk_messages;
use super::reader::{Reader, integer};
use super::tally::long;
use super::{AskLimits, ServiceTier, StreamOptions};
use crate::wire::json::{JsonFault, Kind, Names, Text};

/// What is read at the top level.
const READ: [&str; 24] = [
    "model",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "best_of",
    "messages",
    "tools",
    "functions",
    "response_format",
    "web_search_options",
    "prediction",
    "modalities",
    "service_tier",
    "thinking",
    "background",
    "models",
    "fallbacks",
    "previous_response_id",
    "conversation",
    "prompt",
    "cached_content",
    "extra_body",
];

/// What steers the provider and never reaches the model as input.
const CONTROLS: [&str; 25] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "user",
    "stop",
    "metadata",
    "store",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "parallel_tool_calls",
    "reasoning_effort",
    "verbosity",
    "audio",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "min_tokens",
    "ignore_eos",
    "stop_token_ids",
];

/// A response can be followed up by the token alone that asked for it, and where that is known.
fn previous(reader: &mut Reader<'_>) -> Result<(), JsonFault> {
    if reader.cursor.skip()? != "null" {
        let message = "previous_response_id is a field of POST /v1/responses, not of a chat";
        reader.refuse("previous_response_id", message);
    }
    Ok(())
}

/// What is read of a chat alone.
struct Chat {
    choices: [(&'static str, i64); 2],
    has_messages: bool,
}

/// Reads the whole body.
///
/// # Errors
/// When it is not one strict JSON object.
pub(super) fn read(reader: &mut Reader<'_>, limits: &AskLimits) -> Result<(), JsonFault> {
    let mut chat = Chat { choices: [("n", 1), ("best_of", 1)], has_messages: false };
    reader.body(&READ, |reader, key, name| chat.member(reader, key, name))?;
    reader.require_model("gpt-4o-mini");
    if !chat.has_messages {
        reader.refuse("messages", "messages is missing; it must be an array of messages");
    }
    for (name, choices) in chat.choices {
        if choices < 1 || choices > limits.max_choices {
            let most = limits.max_choices;
            reader.refuse(name, &format!("{name} must be an integer from 1 to {most}"));
        }
        reader.fields.choices = reader.fields.choices.max(choices);
    }
    Ok(())
}

impl Chat {
    fn member<'a>(&mut self, reader: &mut Reader<'a>, key: &Text<'a>, name: &str) -> Result<(), JsonFault> {
        match name {
            "model" => reader.model(),
            "messages" => {
                self.has_messages = true;
                reader.messages()
            }
            "stream" => {
                reader.fields.stream = reader.flag("stream")?;
                Ok(())
            }
            "stream_options" => reader.stream_options(),
            "max_tokens" => reader.cap("max_tokens"),
            "max_completion_tokens" => reader.cap("max_completion_tokens"),
            "n" | "best_of" => self.choices(reader, name),
            "tools" => reader.tools(is_own_type),
            "functions" => reader.functions(),
            "response_format" => reader.given(),
            "prediction" => reader.prediction(),
            "modalities" => reader.modalities(),
            "service_tier" => reader.service_tier(),
            "thinking" => reader.thinking(),
            "background" => reader.background(),
            "models" | "fallbacks" => reader.second_model(name),
            "previous_response_id" => previous(reader),
            "web_search_options" | "conversation" | "prompt" | "cached_content" | "extra_body" => {
                reader.named_elsewhere(key, name)
            }
            _ if CONTROLS.contains(&name) => reader.control(),
            _ => reader.unknown(key),
        }
    }

    fn choices(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<(), JsonFault> {
        // What is no integer is out of range: `read` knows the range.
        let choices = integer(reader.cursor.skip()?).map_or(0, |choices| choices.unwrap_or(1));
        for (field, value) in &mut self.choices {
            if *field == name {
                *value = choices;
            }
        }
        Ok(())
    }
}

impl Reader<'_> {
    fn messages(&mut self) -> Result<(), JsonFault> {
        if self.cursor.kind()? == Kind::Array {
            return walk_messages(&mut self.cursor, &mut self.fields.tally);
        }
        self.cursor.skip()?;
        self.refuse("messages", "messages must be an array of messages");
        Ok(())
    }

    pub(super) fn stream_options(&mut self) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Object {
            let span = self.cursor.skip_span()?;
            if self.cursor.since(span.start) != "null" {
                self.refuse("stream_options", "stream_options must be an object");
            }
            self.fields.marks.stream_options = StreamOptions::Null(span);
            return Ok(());
        }
        let mut names = Names::default();
        let mut object = self.cursor.enter()?;
        let start = self.cursor.offset();
        let mut usage = None;
        let mut continues = false;
        while let Some(key) = self.cursor.next_key(&mut object)? {
            continues = true;
            let name = key.decode();
            names.note(name.clone(), &["include_usage"])?;
            if name == "include_usage" {
                self.cursor.kind()?;
                let from = self.cursor.offset();
                self.fields.wants_usage = self.flag("stream_options.include_usage")?;
                usage = Some(from..self.cursor.offset());
            } else {
                self.cursor.skip()?;
            }
        }
        self.fields.marks.stream_options = match usage {
            Some(span) => StreamOptions::Usage(span),
            None => StreamOptions::Silent { start, continues },
        };
        names.check()
    }

    fn prediction(&mut self) -> Result<(), JsonFault> {
        let json = self.cursor.skip()?;
        if json != "null" {
            self.fields.predicted_bytes = long(json.len());
            self.fields.tally.raw(json);
        }
        Ok(())
    }

    fn modalities(&mut self) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Array {
            return self.cursor.skip().map(|_| ());
        }
        let mut array = self.cursor.enter()?;
        while self.cursor.next_item(&mut array)? {
            match self.cursor.kind()? {
                Kind::Text => self.fields.spoken |= self.cursor.text()?.decode() == "audio",
                _ => self.cursor.skip().map(|_| ())?,
            }
        }
        Ok(())
    }

    pub(super) fn service_tier(&mut self) -> Result<(), JsonFault> {
        match self.cursor.kind()? {
            Kind::Text => self.fields.tier = ServiceTier::named(&self.cursor.text()?.decode()),
            _ if self.cursor.skip()? == "null" => {}
            _ => self.refuse("service_tier", "service_tier must be a string"),
        }
        Ok(())
    }

    pub(super) fn background(&mut self) -> Result<(), JsonFault> {
        if !matches!(self.cursor.skip()?, "false" | "null") {
            self.refuse(
                "background",
                "background must be false: an answer nobody waits for cannot be metered",
            );
        }
        Ok(())
    }
}

/// Whether a tool of this type is run by the client.
fn is_own_type(kind: Option<&str>) -> bool {
    matches!(kind, Some("function" | "custom"))
}
