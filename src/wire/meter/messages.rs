//! Reads what Anthropic's messages answer: a message whole, or the events of a stream of one.

use super::usage::{Figures, Reported, each, larger};
use super::{Content, Document, Meter};
use crate::usage::TokenCount;
use crate::wire::ask::ServiceTier;
use crate::wire::json::{Cursor, JsonFault, Kind};

impl Meter {
    /// Reads a message, or an event of a stream of one.
    pub(super) fn message_or_event(&mut self, cursor: &mut Cursor<'_>) -> Result<Document, JsonFault> {
        let mut document = Document::default();
        self.members(cursor, |meter, cursor, name| {
            match name {
                "type" => match content_of(cursor)? {
                    Some(Content::Idle) if document.content == Content::Some => {}
                    Some(content) => document.content = content,
                    None => document.is_error = true,
                },
                "error" => document.is_error |= !matches!(cursor.skip()?, "null" | "false" | "\"\""),
                "usage" => document.has_usage |= meter.message_usage(cursor)?,
                "message" => meter.members(cursor, |meter, cursor, name| meter.of_message(cursor, name))?,
                "content" => {
                    document.content = Content::Some;
                    meter.blocks(cursor)?;
                }
                "content_block" => meter.block(cursor)?,
                "delta" => meter.message_delta(cursor)?,
                _ => cursor.skip().map(|_| ())?,
            }
            Ok(())
        })?;
        Ok(document)
    }

    fn of_message(&mut self, cursor: &mut Cursor<'_>, name: &str) -> Result<(), JsonFault> {
        match name {
            "usage" => self.message_usage(cursor).map(|_| ()),
            "content" => self.blocks(cursor),
            _ => cursor.skip().map(|_| ()),
        }
    }

    fn message_usage(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, JsonFault> {
        let mut read = UsageReader::default();
        let reported = read.object(cursor)?;
        self.tier = self.tier.filter(|tier| *tier == ServiceTier::Priority).or(read.tier).or(self.tier);
        Ok(self.take_usage(&reported))
    }

    fn blocks(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        if cursor.kind()? != Kind::Array {
            return cursor.skip().map(|_| ());
        }
        let mut array = cursor.enter()?;
        while cursor.next_item(&mut array)? {
            self.block(cursor)?;
        }
        Ok(())
    }

    /// A block of content: what the model wrote. What a tool of the provider found is in `content`, and is input.
    fn block(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        self.members(cursor, |meter, cursor, name| match name {
            "text" | "thinking" | "name" => meter.plain_text(cursor),
            "input" => {
                let json = cursor.skip()?;
                meter.wrote(if json == "{}" { 0 } else { json.len() });
                Ok(())
            }
            // Thoughts that only the provider can read.
            "data" => {
                meter.has_output |= !matches!(cursor.skip()?, "null" | "\"\"");
                Ok(())
            }
            _ => cursor.skip().map(|_| ()),
        })
    }

    fn message_delta(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        self.members(cursor, |meter, cursor, name| match name {
            "text" | "thinking" | "partial_json" | "content" => meter.plain_text(cursor),
            _ => cursor.skip().map(|_| ()),
        })
    }
}

/// What a document of this `type`, which comes next, is of an answer; `None` for an error.
fn content_of(cursor: &mut Cursor<'_>) -> Result<Option<Content>, JsonFault> {
    if cursor.kind()? != Kind::Text {
        return cursor.skip().map(|_| Some(Content::None));
    }
    Ok(match cursor.text()?.decode().as_ref() {
        "message" | "message_start" | "message_delta" => Some(Content::Some),
        "content_block_start" | "content_block_delta" | "content_block_stop" => Some(Content::Some),
        "message_stop" => Some(Content::End),
        "error" => None,
        // Events that are not known here may come at any time, and mean nothing to a client that does not know them either.
        _ => Some(Content::Idle),
    })
}

/// Reads one `usage`. Input, cache reads and cache writes are apart in it.
#[derive(Default)]
struct UsageReader {
    figures: Figures,
    tier: Option<ServiceTier>,
    is_nonsense: bool,
}

impl UsageReader {
    fn object(&mut self, cursor: &mut Cursor<'_>) -> Result<Reported, JsonFault> {
        if cursor.kind()? != Kind::Object {
            return Ok(if cursor.skip()? == "null" { Reported::Nothing } else { Reported::Nonsense });
        }
        let mut object = cursor.enter()?;
        while let Some(key) = cursor.next_key(&mut object)? {
            self.member(cursor, &key.decode())?;
        }
        if self.is_nonsense {
            return Ok(Reported::Nonsense);
        }
        let is_empty = self.figures == Figures::default();
        Ok(if is_empty { Reported::Nothing } else { Reported::Figures(self.figures) })
    }

    fn member(&mut self, cursor: &mut Cursor<'_>, name: &str) -> Result<(), JsonFault> {
        let figures = &mut self.figures;
        let field = match name {
            "input_tokens" => &mut figures.input,
            "output_tokens" => &mut figures.output,
            "cache_read_input_tokens" => &mut figures.cached,
            "cache_creation_input_tokens" => &mut figures.cache_write,
            "cache_creation" => return self.cache_creation(cursor),
            "server_tool_use" => return self.server_tools(cursor),
            "iterations" => return self.iterations(cursor),
            "service_tier" | "speed" => return self.tier(cursor),
            _ => return cursor.skip().map(|_| ()),
        };
        let value = cursor.skip()?;
        self.is_nonsense |= value != "null" && !larger(field, value.parse().unwrap_or(-1));
        Ok(())
    }

    fn cache_creation(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        let figures = &mut self.figures;
        let believed = each(cursor, |name, count| match name {
            "ephemeral_5m_input_tokens" => larger(&mut figures.cache_write_5m, count),
            "ephemeral_1h_input_tokens" => larger(&mut figures.cache_write_1h, count),
            _ => true,
        })?;
        self.is_nonsense |= !believed;
        Ok(())
    }

    /// Calls of tools that cost by the call: all that are counted but fetches, which cost their input alone.
    fn server_tools(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        let figures = &mut self.figures;
        let believed = each(cursor, |name, count| {
            if name != "web_fetch_requests" {
                let calls = figures.tool_calls.unwrap_or_default();
                figures.tool_calls = Some(calls.plus(TokenCount::clamped(count)));
            }
            TokenCount::parse(count).is_some()
        })?;
        self.is_nonsense |= !believed;
        Ok(())
    }

    /// Where a request took several rounds, each is billed; the totals need not have them all.
    fn iterations(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        if cursor.kind()? != Kind::Array {
            return cursor.skip().map(|_| ());
        }
        let mut sum = Figures::default();
        let mut array = cursor.enter()?;
        while cursor.next_item(&mut array)? {
            let mut one = Self::default();
            match one.object(cursor)? {
                Reported::Nothing => {}
                Reported::Nonsense => self.is_nonsense = true,
                Reported::Figures(figures) => sum = sum.plus(figures),
            }
        }
        self.figures = self.figures.merged(sum);
        Ok(())
    }

    /// `fast` is charged at the prices of `priority`, whatever the tier.
    fn tier(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        if cursor.kind()? != Kind::Text {
            return cursor.skip().map(|_| ());
        }
        match cursor.text()?.decode().as_ref() {
            "priority" | "fast" => self.tier = Some(ServiceTier::Priority),
            "standard" => self.tier = self.tier.or(Some(ServiceTier::Default)),
            _ => {}
        }
        Ok(())
    }
}
