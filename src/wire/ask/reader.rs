//! What all forms of a request's body have in common: one pass over the top level, and the fields that mean the same in
//! each. Syntax is judged before fields: a bad field is remembered, and told when the rest of the body has turned out to
//! be JSON.

use std::borrow::Cow;
use std::ops::Range;

use super::tally::Tally;
use super::{AskFault, Cap, CapField, LARGEST_CAP, Marks, Media, ServiceTier};
use crate::ids::ResponseId;
use crate::wire::json::{Cursor, JsonFault, Kind, Names, Text};

/// The longest name of a model, in bytes.
const LONGEST_MODEL: usize = 256;

/// What was read of a body.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) wants_usage: bool,
    pub(super) cap: Cap,
    pub(super) choices: i64,
    pub(super) provider_calls: i64,
    pub(super) predicted_bytes: i64,
    pub(super) spoken: bool,
    pub(super) media: Media,
    pub(super) tier: ServiceTier,
    pub(super) thinking_budget: Option<i64>,
    pub(super) stores: bool,
    pub(super) previous: Option<ResponseId>,
    /// Units of input that the provider adds by itself.
    pub(super) added: i64,
    pub(super) marks: Marks,
    pub(super) tally: Tally<'a>,
}

/// Reads one body.
pub(super) struct Reader<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) fields: Fields<'a>,
    fault: Option<AskFault>,
}

impl<'a> Reader<'a> {
    /// At the start of `text`.
    pub(super) fn new(text: &'a str) -> Self {
        Self { cursor: Cursor::new(text), fields: Fields::default(), fault: None }
    }

    /// The same, keeping the texts it walks.
    pub(super) fn collecting(text: &'a str) -> Self {
        let mut reader = Self::new(text);
        reader.fields.tally.texts = Some(Vec::new());
        reader
    }

    /// Reads the whole body: gives each member of the one object it must be to `member`, which consumes its value. `names` are
    /// those that are read.
    ///
    /// # Errors
    /// When it is not one strict JSON object.
    pub(super) fn body(
        &mut self,
        names: &[&str],
        mut member: impl FnMut(&mut Self, &Text<'a>, &str) -> Result<(), JsonFault>,
    ) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Object {
            self.cursor.skip()?;
            self.cursor.end()?;
            return Err(JsonFault::NotAnObject);
        }
        let mut seen = Names::default();
        let mut object = self.cursor.enter()?;
        self.fields.marks.start = self.cursor.offset();
        while let Some(key) = self.cursor.next_key(&mut object)? {
            let name = key.decode();
            seen.note(name.clone(), names)?;
            member(self, &key, &name)?;
        }
        self.cursor.end()?;
        seen.check()
    }

    /// What was read.
    ///
    /// # Errors
    /// The first field that is not what it must be.
    pub(super) fn finish(self) -> Result<Fields<'a>, AskFault> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.fields),
        }
    }

    /// The texts that were walked.
    pub(super) fn into_texts(self) -> Vec<Cow<'a, str>> {
        self.fields.tally.texts.unwrap_or_default()
    }

    /// Remembers the first fault.
    pub(super) fn refuse(&mut self, param: &'static str, message: &str) {
        let fault = || AskFault::Parameter { param: Cow::Borrowed(param), message: message.to_owned() };
        self.fault.get_or_insert_with(fault);
    }

    /// A member that nobody here knows: it may reach the model in whatever form.
    pub(super) fn unknown(&mut self, key: &Text<'a>) -> Result<(), JsonFault> {
        self.fields.tally.key(key);
        self.fields.tally.raw(self.cursor.skip()?);
        Ok(())
    }

    /// JSON that is given to the model, as a schema is.
    pub(super) fn given(&mut self) -> Result<(), JsonFault> {
        self.fields.tally.raw_text(self.cursor.skip()?);
        Ok(())
    }

    /// A member that steers the provider and never reaches the model as input.
    pub(super) fn control(&mut self) -> Result<(), JsonFault> {
        self.cursor.skip().map(|_| ())
    }

    pub(super) fn model(&mut self) -> Result<(), JsonFault> {
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
        let end = self.cursor.offset();
        self.take_model(&name, start..end);
        Ok(())
    }

    /// The model's name, whose value stands at `span`.
    pub(super) fn take_model(&mut self, name: &str, span: Range<usize>) {
        if name.is_empty() || name.len() > LONGEST_MODEL || name.chars().any(char::is_control) {
            self.refuse("model", "model must be 1 to 256 bytes without control characters");
        } else {
            name.clone_into(&mut self.fields.model);
            self.fields.marks.model = span;
        }
    }

    /// Refuses a body in which no good `model` was found, unless something else was refused before.
    pub(super) fn require_model(&mut self, example: &str) {
        if self.fields.model.is_empty() {
            self.refuse("model", &format!("model is missing; name a model, as in \"model\": \"{example}\""));
        }
    }

    /// True or false; null is false, anything else is refused.
    pub(super) fn flag(&mut self, param: &'static str) -> Result<bool, JsonFault> {
        match self.cursor.skip()? {
            "true" => return Ok(true),
            "false" | "null" => {}
            _ => self.refuse(param, &format!("{param} must be true or false")),
        }
        Ok(false)
    }

    /// A field that caps the output.
    pub(super) fn cap(&mut self, name: &'static str) -> Result<(), JsonFault> {
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

    pub(super) fn thinking(&mut self) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Object {
            return self.control();
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

    /// Some routers take a list of further models, which were neither allowed nor priced here.
    pub(super) fn second_model(&mut self, name: &str) -> Result<(), JsonFault> {
        if self.cursor.skip()? != "null" {
            let param = if name == "models" { "models" } else { "fallbacks" };
            self.refuse(param, &format!("{param} is not supported: name one model, in model"));
        }
        Ok(())
    }
}

/// An integer as JSON spells it, or null.
pub(super) fn integer(json: &str) -> Result<Option<i64>, ()> {
    if json == "null" { Ok(None) } else { json.parse().map(Some).map_err(|_| ()) }
}
