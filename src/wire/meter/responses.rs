//! Reads what OpenAI's responses answer: a response whole, or the typed events of a stream of one. A stream tells its text twice,
//! piece by piece and again as a whole: the larger of both counts.

use super::{Content, Document, Meter};
use crate::ids::ResponseId;
use crate::wire::json::{Cursor, JsonFault, Kind};

/// Items that are calls of tools which the provider bills by the call. No figure counts them.
const BILLED_CALLS: [&str; 4] =
    ["web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"];

/// What an event says of the answer.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
enum Event {
    /// It is no event, but a response.
    #[default]
    None,
    /// The answer has not begun, or nothing has happened.
    Idle,
    /// A part of it.
    Part,
    /// An item of it begins.
    Begun,
    /// An item of it is there.
    Done,
    /// Its end, whether or not it was cut at its cap.
    End,
    /// Its end by a failure.
    Failure,
    /// An error.
    Error,
}

impl Meter {
    /// The id by which the response can be followed up: the first that went by and is safe to repeat.
    pub fn response_id(&self) -> Option<&ResponseId> {
        self.response_id.as_ref()
    }

    /// Reads a response, or an event of a stream of one.
    pub(super) fn response_or_event(&mut self, cursor: &mut Cursor<'_>) -> Result<Document, JsonFault> {
        let mut document = Document::default();
        let mut event = Event::None;
        let mut calls = 0;
        let mut id = None;
        let before = (self.output_bytes, self.tool_calls);
        self.members(cursor, |meter, cursor, name| {
            match name {
                "type" => event = event_of(cursor)?,
                "delta" => meter.plain_text(cursor)?,
                "partial_image_b64" => meter.has_output |= cursor.skip()? != "null",
                "item" => calls = meter.unspoken_item(cursor)?,
                "id" => id = id_of(cursor)?,
                "response" => {
                    meter.whole(cursor, &mut document)?;
                    meter.output_bytes = meter.output_bytes.max(before.0);
                }
                _ => meter.of_response(cursor, name, &mut document)?,
            }
            Ok(())
        })?;
        // An event has an id of another kind, where it has one.
        if event == Event::None && document.content == Content::Some {
            self.response_id = self.response_id.take().or(id);
        }
        self.has_output |= event == Event::Begun;
        self.tool_calls = self.tool_calls.max(before.1);
        if event == Event::Done {
            self.tool_calls = self.tool_calls.max(before.1.saturating_add(calls));
        }
        document.content = match event {
            // Only a response has its output at the top.
            Event::None => document.content,
            Event::Idle => Content::Idle,
            Event::Part | Event::Begun | Event::Done => Content::Some,
            Event::End => Content::End,
            Event::Failure => {
                document.is_error = true;
                Content::End
            }
            Event::Error => {
                document.is_error = true;
                Content::None
            }
        };
        Ok(document)
    }

    /// A response inside an event. Its output counts from the beginning.
    fn whole(&mut self, cursor: &mut Cursor<'_>, document: &mut Document) -> Result<(), JsonFault> {
        (self.output_bytes, self.tool_calls) = (0, 0);
        self.members(cursor, |meter, cursor, name| {
            if name == "id" && meter.response_id.is_none() {
                meter.response_id = id_of(cursor)?;
                return Ok(());
            }
            meter.of_response(cursor, name, document)
        })
    }

    fn of_response(
        &mut self,
        cursor: &mut Cursor<'_>,
        name: &str,
        document: &mut Document,
    ) -> Result<(), JsonFault> {
        match name {
            "error" => document.is_error |= !matches!(cursor.skip()?, "null" | "false" | "\"\""),
            "usage" => document.has_usage |= self.usage(cursor)?,
            "service_tier" => self.tier(cursor)?,
            "output" if cursor.kind()? == Kind::Array => {
                document.content = Content::Some;
                let mut array = cursor.enter()?;
                while cursor.next_item(&mut array)? {
                    let calls = self.item(cursor)?;
                    self.tool_calls = self.tool_calls.saturating_add(calls);
                }
            }
            _ => cursor.skip().map(|_| ())?,
        }
        Ok(())
    }

    /// An item of the output: what the model wrote of it counts. How many billed calls of the provider's tools it is.
    fn item(&mut self, cursor: &mut Cursor<'_>) -> Result<i64, JsonFault> {
        let mut is_call = false;
        let mut is_search = true;
        self.members(cursor, |meter, cursor, name| match name {
            "type" if cursor.kind()? == Kind::Text => {
                let kind = cursor.text()?.decode();
                is_call = BILLED_CALLS.contains(&kind.as_ref());
                Ok(())
            }
            // Opening a page that was found is no search.
            "action" => {
                is_search = is_search_action(cursor.skip()?);
                Ok(())
            }
            "content" | "summary" => meter.spoken(cursor),
            "name" | "arguments" | "input" | "code" => meter.plain_text(cursor),
            "encrypted_content" | "result" => {
                meter.has_output |= !matches!(cursor.skip()?, "null" | "\"\"");
                Ok(())
            }
            _ => cursor.skip().map(|_| ()),
        })?;
        self.has_output |= is_call;
        Ok(i64::from(is_call && is_search))
    }

    /// An item whose text has been told before, piece by piece.
    fn unspoken_item(&mut self, cursor: &mut Cursor<'_>) -> Result<i64, JsonFault> {
        let before = self.output_bytes;
        let calls = self.item(cursor);
        self.output_bytes = before;
        calls
    }

    /// Parts of content or of a summary.
    fn spoken(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        if cursor.kind()? != Kind::Array {
            return self.plain_text(cursor);
        }
        let mut array = cursor.enter()?;
        while cursor.next_item(&mut array)? {
            self.members(cursor, |meter, cursor, name| match name {
                "text" | "refusal" => meter.plain_text(cursor),
                _ => cursor.skip().map(|_| ()),
            })?;
        }
        Ok(())
    }
}

fn event_of(cursor: &mut Cursor<'_>) -> Result<Event, JsonFault> {
    if cursor.kind()? != Kind::Text {
        return cursor.skip().map(|_| Event::None);
    }
    Ok(match cursor.text()?.decode().as_ref() {
        "response.completed" | "response.incomplete" | "response.done" => Event::End,
        "response.failed" | "response.cancelled" => Event::Failure,
        "response.output_item.added" => Event::Begun,
        "response.output_item.done" => Event::Done,
        "response.created" | "response.in_progress" | "response.queued" => Event::Idle,
        "error" => Event::Error,
        name if name.starts_with("response.") => Event::Part,
        // What is not known here says nothing to a client that does not know it either.
        _ => Event::Idle,
    })
}

/// The id that comes next, if it is one.
fn id_of(cursor: &mut Cursor<'_>) -> Result<Option<ResponseId>, JsonFault> {
    if cursor.kind()? != Kind::Text {
        return cursor.skip().map(|_| None);
    }
    Ok(ResponseId::parse(&cursor.text()?.decode()))
}

/// Whether the action of a search, given as JSON, is a search at all.
fn is_search_action(json: &str) -> bool {
    !(json.contains("\"open_page\"") || json.contains("\"find_in_page\""))
}
