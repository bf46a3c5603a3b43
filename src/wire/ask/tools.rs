//! The part of a request that is about tools: the client's own are text, those that the provider runs are calls it bills
//! and input that nobody here sees.

use std::borrow::Cow;

use super::reader::{Reader, integer};
use crate::wire::json::{JsonFault, Kind, Names, Text};

/// Calls of a provider's tool that are held when the client bounds them not.
pub(super) const UNBOUNDED_CALLS: i64 = 10;

impl<'a> Reader<'a> {
    /// The array `tools`; `is_own` says of a tool's type, if it has one, whether the client runs it.
    pub(super) fn tools(&mut self, is_own: fn(Option<&str>) -> bool) -> Result<(), JsonFault> {
        let kind = self.cursor.kind()?;
        let start = self.cursor.offset();
        if kind != Kind::Array {
            return self.null_or_array("tools");
        }
        self.each_tool(is_own)?;
        self.fields.tally.raw_text(self.cursor.since(start));
        Ok(())
    }

    /// The tools of the array that comes next.
    fn each_tool(&mut self, is_own: fn(Option<&str>) -> bool) -> Result<(), JsonFault> {
        let mut array = self.cursor.enter()?;
        while self.cursor.next_item(&mut array)? {
            self.fields.tally.tools = self.fields.tally.tools.saturating_add(1);
            self.tool(is_own)?;
        }
        Ok(())
    }

    /// One tool: the client's own, or one that the provider runs and bills; with those inside it, where it is a group.
    fn tool(&mut self, is_own: fn(Option<&str>) -> bool) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Object {
            return self.cursor.skip().map(|_| ());
        }
        let mut names = Names::default();
        let mut kind = None;
        let mut has_function = false;
        let mut calls = UNBOUNDED_CALLS;
        let mut object = self.cursor.enter()?;
        while let Some(key) = self.cursor.next_key(&mut object)? {
            let name = key.decode();
            names.note(name.clone(), &["type", "function", "custom", "max_uses", "tools"])?;
            if name == "tools" && self.cursor.kind()? == Kind::Array {
                self.each_tool(is_own)?;
                continue;
            }
            let value = self.cursor.skip()?;
            match name.as_ref() {
                "type" => kind = type_of(value),
                "function" => has_function = true,
                "max_uses" => {
                    calls = integer(value).ok().flatten().filter(|uses| *uses >= 0).unwrap_or(calls);
                }
                _ => {}
            }
        }
        if !is_own(kind.as_deref().or(has_function.then_some("function"))) {
            self.provider_tool(calls);
        }
        names.check()
    }

    pub(super) fn provider_tool(&mut self, calls: i64) {
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

    pub(super) fn null_or_array(&mut self, name: &'static str) -> Result<(), JsonFault> {
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

/// The `type` of a tool, given as JSON.
fn type_of(json: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str(json).ok()
}
