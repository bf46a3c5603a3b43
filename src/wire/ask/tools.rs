//! The part of a chat request that is about tools: the client's own are text, those that the provider runs are calls it
//! bills and input that nobody here sees.

use std::borrow::Cow;

use super::chat::{ChatReader, integer};
use crate::wire::json::{JsonFault, Kind, Names, Text};

/// Calls of a provider's tool that are held when the client bounds them not.
const UNBOUNDED_CALLS: i64 = 10;

impl<'a> ChatReader<'a> {
    pub(super) fn tools(&mut self) -> Result<(), JsonFault> {
        let kind = self.cursor.kind()?;
        let start = self.cursor.offset();
        if kind != Kind::Array {
            return self.null_or_array("tools");
        }
        let mut array = self.cursor.enter()?;
        while self.cursor.next_item(&mut array)? {
            self.fields.tally.tools = self.fields.tally.tools.saturating_add(1);
            self.tool()?;
        }
        self.fields.tally.raw_text(self.cursor.since(start));
        Ok(())
    }

    /// One tool: the client's own, or one that the provider runs and bills.
    fn tool(&mut self) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Object {
            return self.cursor.skip().map(|_| ());
        }
        let mut names = Names::default();
        let mut own = None;
        let mut has_function = false;
        let mut calls = UNBOUNDED_CALLS;
        let mut object = self.cursor.enter()?;
        while let Some(key) = self.cursor.next_key(&mut object)? {
            let name = key.decode();
            names.note(name.clone(), &["type", "function", "custom", "max_uses"])?;
            let value = self.cursor.skip()?;
            match name.as_ref() {
                "type" => own = Some(is_own_type(value)),
                "function" => has_function = true,
                "max_uses" => {
                    calls = integer(value).ok().flatten().filter(|uses| *uses >= 0).unwrap_or(calls);
                }
                _ => {}
            }
        }
        if !own.unwrap_or(has_function) {
            self.provider_tool(calls);
        }
        names.check()
    }

    fn provider_tool(&mut self, calls: i64) {
        self.fields.provider_calls = self.fields.provider_calls.saturating_add(calls);
        // What the tool finds becomes input.
        self.fields.tally.unseen = true;
    }

    pub(super) fn functions(&mut self) -> Result<(), JsonFault> {
        let kind = self.cursor.kind()?;
        let start = self.cursor.offset();
        if kind != Kind::Array {
            return self.null_or_array("functions");
        }
        let mut array = self.cursor.enter()?;
        while self.cursor.next_item(&mut array)? {
            self.fields.tally.tools = self.fields.tally.tools.saturating_add(1);
            self.cursor.skip()?;
        }
        self.fields.tally.raw_text(self.cursor.since(start));
        Ok(())
    }

    fn null_or_array(&mut self, name: &'static str) -> Result<(), JsonFault> {
        if self.cursor.skip()? != "null" {
            self.refuse(name, &format!("{name} must be an array"));
        }
        Ok(())
    }

    /// A member that brings input which is not in the body.
    pub(super) fn named_elsewhere(&mut self, key: &Text<'a>, name: &str) -> Result<(), JsonFault> {
        let json = self.cursor.skip()?;
        if json == "null" {
            return Ok(());
        }
        self.fields.tally.key(key);
        self.fields.tally.raw(json);
        match name {
            "web_search_options" => self.provider_tool(UNBOUNDED_CALLS),
            // Gemini's own fields; the one that counts is cached_content (or cachedContent, or hidden by an escape).
            "extra_body" => self.fields.tally.unseen |= json.contains("ached") || json.contains('\\'),
            _ => self.fields.tally.unseen = true,
        }
        Ok(())
    }
}

/// Whether a tool of this `type`, as JSON, is run by the client.
fn is_own_type(json: &str) -> bool {
    let kind: Option<Cow<'_, str>> = serde_json::from_str(json).ok();
    matches!(kind.as_deref(), Some("function" | "custom"))
}
