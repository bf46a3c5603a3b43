//! Reads the body of `POST /v1/chat/completions`, in one pass. Syntax is judged before fields: a bad field is
//! remembered, and told when the rest of the body has turned out to be JSON.

use std::borrow::Cow;

use super::messages::walk_messages;
use super::tally::{Tally, long};
use super::{AskFault, AskLimits, Cap, CapField, LARGEST_CAP, Marks, ServiceTier, StreamOptions};
use crate::wire::json::{Cursor, JsonFault, Kind, Names, Text};

/// The longest name of a model, in bytes.
const LONGEST_MODEL: usize = 256;

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

/// What was read of a body.
#[derive(Default)]
pub(super) struct ChatFields<'a> {
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) wants_usage: bool,
    pub(super) cap: Cap,
    pub(super) choices: i64,
    pub(super) provider_calls: i64,
    pub(super) predicted_bytes: i64,
    pub(super) spoken: bool,
    pub(super) tier: ServiceTier,
    pub(super) thinking_budget: Option<i64>,
    pub(super) marks: Marks,
    pub(super) tally: Tally<'a>,
}

/// Reads one body.
pub(super) struct ChatReader<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) fields: ChatFields<'a>,
    choices: [(&'static str, i64); 2],
    has_model: bool,
    has_messages: bool,
    fault: Option<AskFault>,
}

impl<'a> ChatReader<'a> {
    /// At the start of `text`.
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            cursor: Cursor::new(text),
            fields: ChatFields::default(),
            choices: [("n", 1), ("best_of", 1)],
            has_model: false,
            has_messages: false,
            fault: None,
        }
    }

    /// The same, keeping the texts it walks.
    pub(super) fn collecting(text: &'a str) -> Self {
        let mut reader = Self::new(text);
        reader.fields.tally.texts = Some(Vec::new());
        reader
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// When it is not one strict JSON object.
    pub(super) fn read(&mut self) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Object {
            self.cursor.skip()?;
            self.cursor.end()?;
            return Err(JsonFault::NotAnObject);
        }
        let mut names = Names::default();
        let mut object = self.cursor.enter()?;
        self.fields.marks.start = self.cursor.offset();
        while let Some(key) = self.cursor.next_key(&mut object)? {
            let name = key.decode();
            names.note(name.clone(), &READ)?;
            self.member(&key, &name)?;
        }
        self.cursor.end()?;
        names.check()
    }

    /// What was read.
    ///
    /// # Errors
    /// The first field that is not what it must be, or one that is missing.
    pub(super) fn finish(mut self, limits: &AskLimits) -> Result<ChatFields<'a>, AskFault> {
        if !self.has_model {
            self.refuse("model", "model is missing; name a model, as in \"model\": \"gpt-4o-mini\"");
        }
        if !self.has_messages {
            self.refuse("messages", "messages is missing; it must be an array of messages");
        }
        for (name, choices) in self.choices {
            if choices < 1 || choices > limits.max_choices {
                let most = limits.max_choices;
                self.refuse(name, &format!("{name} must be an integer from 1 to {most}"));
            }
            self.fields.choices = self.fields.choices.max(choices);
        }
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.fields),
        }
    }

    /// The texts that were walked.
    pub(super) fn into_texts(self) -> Vec<Cow<'a, str>> {
        self.fields.tally.texts.unwrap_or_default()
    }

    fn member(&mut self, key: &Text<'a>, name: &str) -> Result<(), JsonFault> {
        match name {
            "model" => self.model(),
            "messages" => self.messages(),
            "stream" => {
                self.fields.stream = self.flag("stream")?;
                Ok(())
            }
            "stream_options" => self.stream_options(),
            "max_tokens" => self.cap("max_tokens"),
            "max_completion_tokens" => self.cap("max_completion_tokens"),
            "n" | "best_of" => self.choices(name),
            "tools" => self.tools(),
            "functions" => self.functions(),
            "response_format" => {
                self.fields.tally.raw_text(self.cursor.skip()?);
                Ok(())
            }
            "prediction" => self.prediction(),
            "modalities" => self.modalities(),
            "service_tier" => self.service_tier(),
            "thinking" => self.thinking(),
            "background" => self.background(),
            "models" | "fallbacks" => self.second_model(name),
            "web_search_options"
            | "previous_response_id"
            | "conversation"
            | "prompt"
            | "cached_content"
            | "extra_body" => self.named_elsewhere(key, name),
            _ if CONTROLS.contains(&name) => self.cursor.skip().map(|_| ()),
            _ => {
                self.fields.tally.key(key);
                self.fields.tally.raw(self.cursor.skip()?);
                Ok(())
            }
        }
    }

    fn model(&mut self) -> Result<(), JsonFault> {
        self.has_model = true;
        let kind = self.cursor.kind()?;
        let start = self.cursor.offset();
        let name = match kind {
            Kind::Text => self.cursor.text()?.decode(),
            _ => {
                self.cursor.skip()?;
                self.refuse("model", "model must be a string");
                return Ok(());
            }
        };
        if name.is_empty() || name.len() > LONGEST_MODEL || name.chars().any(char::is_control) {
            self.refuse("model", "model must be 1 to 256 bytes without control characters");
        } else {
            self.fields.model = name.into_owned();
            self.fields.marks.model = start..self.cursor.offset();
        }
        Ok(())
    }

    fn messages(&mut self) -> Result<(), JsonFault> {
        self.has_messages = true;
        if self.cursor.kind()? == Kind::Array {
            return walk_messages(&mut self.cursor, &mut self.fields.tally);
        }
        self.cursor.skip()?;
        self.refuse("messages", "messages must be an array of messages");
        Ok(())
    }

    /// True or false; null is false, anything else is refused.
    fn flag(&mut self, param: &'static str) -> Result<bool, JsonFault> {
        match self.cursor.skip()? {
            "true" => return Ok(true),
            "false" | "null" => {}
            _ => self.refuse(param, &format!("{param} must be true or false")),
        }
        Ok(false)
    }

    fn stream_options(&mut self) -> Result<(), JsonFault> {
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

    fn cap(&mut self, name: &'static str) -> Result<(), JsonFault> {
        let span = self.cursor.skip_span()?;
        let value = match integer(self.cursor.since(span.start)) {
            Ok(value) if value.is_none_or(|cap| (1..=LARGEST_CAP).contains(&cap)) => value,
            _ => {
                self.refuse(name, &format!("{name} must be an integer from 1 to {LARGEST_CAP}"));
                None
            }
        };
        let cap = &mut self.fields.cap;
        cap.asked = cap.asked.max(value);
        cap.fields.push(CapField { name, value, span });
        Ok(())
    }

    fn choices(&mut self, name: &str) -> Result<(), JsonFault> {
        // What is no integer is out of range: `finish` knows the range.
        let choices = integer(self.cursor.skip()?).map_or(0, |choices| choices.unwrap_or(1));
        for (field, value) in &mut self.choices {
            if *field == name {
                *value = choices;
            }
        }
        Ok(())
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

    fn service_tier(&mut self) -> Result<(), JsonFault> {
        match self.cursor.kind()? {
            Kind::Text => self.fields.tier = ServiceTier::named(&self.cursor.text()?.decode()),
            _ if self.cursor.skip()? == "null" => {}
            _ => self.refuse("service_tier", "service_tier must be a string"),
        }
        Ok(())
    }

    fn thinking(&mut self) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Object {
            return self.cursor.skip().map(|_| ());
        }
        let mut names = Names::default();
        let mut object = self.cursor.enter()?;
        while let Some(key) = self.cursor.next_key(&mut object)? {
            let name = key.decode();
            names.note(name.clone(), &["budget_tokens"])?;
            let value = self.cursor.skip()?;
            if name == "budget_tokens" {
                match integer(value) {
                    Ok(budget) if budget.is_none_or(|budget| (0..=LARGEST_CAP).contains(&budget)) => {
                        self.fields.thinking_budget = budget;
                    }
                    _ => self.refuse(
                        "thinking.budget_tokens",
                        "thinking.budget_tokens must be an integer, at least 0",
                    ),
                }
            }
        }
        names.check()
    }

    fn background(&mut self) -> Result<(), JsonFault> {
        if !matches!(self.cursor.skip()?, "false" | "null") {
            self.refuse(
                "background",
                "background must be false: an answer nobody waits for cannot be metered",
            );
        }
        Ok(())
    }

    /// Some routers take a list of further models, which were neither allowed nor priced here.
    fn second_model(&mut self, name: &str) -> Result<(), JsonFault> {
        if self.cursor.skip()? != "null" {
            let param = if name == "models" { "models" } else { "fallbacks" };
            self.refuse(param, &format!("{param} is not supported: name one model, in model"));
        }
        Ok(())
    }

    /// Remembers the first fault.
    pub(super) fn refuse(&mut self, param: &'static str, message: &str) {
        let fault = || AskFault::Parameter { param: Cow::Borrowed(param), message: message.to_owned() };
        self.fault.get_or_insert_with(fault);
    }
}

/// An integer as JSON spells it, or null.
pub(super) fn integer(json: &str) -> Result<Option<i64>, ()> {
    if json == "null" { Ok(None) } else { json.parse().map(Some).map_err(|_| ()) }
}
