//! The meter: watches a reply go by, whole or as a stream, and ends as a [`Reading`]. It builds no tree, whatever the size
//! of an event, and changes nothing; it only says which event is the gateway's own. Must not know prices.

#[cfg(test)]
mod tests;
mod usage;

use super::ask::ServiceTier;
use super::json::{Cursor, JsonFault, Kind, utf8};
use super::sse::Event;
use crate::usage::{TokenCount, Usage};
use usage::{Figures, Reported};

/// Bytes of text that make about one unit of output.
const BYTES_PER_UNIT: i64 = 4;

/// Whose the event is that holds usage alone.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum UsageEvent {
    /// The client asked for it.
    Client,
    /// Only the gateway did: the client must not see it.
    Gateway,
}

/// What to do with an event.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Pass it on.
    Forward,
    /// Drop it: it holds usage alone, and the client did not ask for that.
    Strip,
    /// It ends the stream: pass it on when the books are closed.
    Terminator,
    /// It is an error, and ends the stream.
    Fault,
}

/// What kind of answer a reply is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No bytes, or only comments.
    Nothing,
    /// An HTML page.
    Page,
    /// An error object, without an answer before it.
    Error,
    /// JSON, but no answer: `null`, `[]`, `{}`, anything without choices.
    Empty,
    /// No JSON, or cut short.
    Unreadable,
    /// An answer, at least its beginning.
    Given,
}

/// What a reply came to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What the provider says was used, if it says so believably.
    pub usage: Option<Usage>,
    /// Whether output went by after the last of those figures: they are not all there was.
    pub is_outdated: bool,
    /// Whether it said something that is not believed.
    pub suspect: bool,
    /// Bytes of text that the model wrote.
    pub output_bytes: i64,
    /// Whether any output went by, also such that has no text.
    pub has_output: bool,
    /// The tier that served, if the answer names one.
    pub tier: Option<ServiceTier>,
    /// What kind of answer it was.
    pub answer: Answer,
    /// Whether an error object went by, also behind an answer's beginning.
    pub has_error: bool,
}

impl Reading {
    /// About so many units of output went by: a quarter of the bytes, rounded up.
    pub fn estimated_output(&self) -> TokenCount {
        let rounded = self.output_bytes.saturating_add(BYTES_PER_UNIT).saturating_sub(1);
        TokenCount::clamped(rounded.div_euclid(BYTES_PER_UNIT))
    }
}

/// Watches one reply.
#[derive(Debug)]
pub struct Meter {
    usage_event: UsageEvent,
    figures: Option<Figures>,
    /// `output_bytes` behind the document with the last figures; `None` within it.
    output_then: Option<i64>,
    tier: Option<ServiceTier>,
    output_bytes: i64,
    has_output: bool,
    suspect: bool,
    seen: Seen,
}

/// What went by so far.
#[derive(Copy, Clone, Debug, Default)]
struct Seen {
    page: bool,
    error: bool,
    no_answer: bool,
    unreadable: bool,
    choices: bool,
}

/// What one JSON document of the reply holds.
#[derive(Copy, Clone, Debug, Default)]
struct Document {
    is_error: bool,
    has_usage: bool,
    /// `None` without `choices`.
    choices: Option<usize>,
}

impl Meter {
    /// Of a reply whose usage event is whose.
    pub fn new(usage_event: UsageEvent) -> Self {
        Self {
            usage_event,
            figures: None,
            output_then: None,
            tier: None,
            output_bytes: 0,
            has_output: false,
            suspect: false,
            seen: Seen::default(),
        }
    }

    /// Watches an event of a stream.
    pub fn on_event(&mut self, event: &Event) -> Step {
        let Some(data) = event.data() else {
            return self.on_no_data(&event.raw);
        };
        match data.trim_ascii() {
            b"[DONE]" => return Step::Terminator,
            b"" => return Step::Forward,
            _ => {}
        }
        let is_error = event.name() == Some(b"error");
        self.seen.error |= is_error;
        let document = self.document(&data);
        if is_error || document.is_error {
            return Step::Fault;
        }
        if document.has_usage && document.choices == Some(0) && self.usage_event == UsageEvent::Gateway {
            return Step::Strip;
        }
        Step::Forward
    }

    /// Watches a reply that is not a stream.
    pub fn on_body(&mut self, body: &[u8]) {
        match body.trim_ascii_start().first() {
            None => {}
            Some(b'<') => self.seen.page = true,
            Some(_) => {
                self.document(body);
            }
        }
    }

    /// What the reply came to, so far.
    pub fn reading(&self) -> Reading {
        let usage = self.figures.map(Figures::usage);
        // Text without output is no usage.
        let believed = usage.filter(|usage| !self.has_output || usage.all_output() > TokenCount::ZERO);
        let is_outdated = believed.is_some() && self.output_then.is_some_and(|then| self.output_bytes > then);
        Reading {
            usage: believed,
            is_outdated,
            suspect: self.suspect || believed != usage || is_outdated,
            output_bytes: self.output_bytes,
            has_output: self.has_output,
            tier: self.tier,
            answer: self.seen.answer(),
            has_error: self.seen.error,
        }
    }

    /// A comment; or something that is no event at all, under a content type that says it is.
    fn on_no_data(&mut self, raw: &[u8]) -> Step {
        match raw.trim_ascii_start().first() {
            Some(b'<') => self.seen.page = true,
            Some(b'{' | b'[') if self.document(raw).is_error => {}
            _ => return Step::Forward,
        }
        Step::Fault
    }

    /// Reads one JSON document; what cannot be read counts as output, byte by byte.
    fn document(&mut self, bytes: &[u8]) -> Document {
        let before = (self.output_bytes, self.has_output);
        let read = utf8(bytes).and_then(|text| {
            let mut cursor = Cursor::new(text);
            let document = self.top_level(&mut cursor)?;
            cursor.end().map(|()| document)
        });
        let Ok(document) = read else {
            (self.output_bytes, self.has_output) = before;
            self.wrote(bytes.len());
            self.seen.unreadable = true;
            self.suspect = true;
            return Document::default();
        };
        self.output_then.get_or_insert(self.output_bytes);
        self.seen.error |= document.is_error;
        self.seen.choices |= document.choices.is_some() && !document.is_error;
        self.seen.no_answer |= document.choices.is_none() && !document.is_error;
        document
    }

    fn top_level(&mut self, cursor: &mut Cursor<'_>) -> Result<Document, JsonFault> {
        let mut document = Document::default();
        match cursor.kind()? {
            Kind::Object => {}
            Kind::Array => {
                // Google wraps its errors so.
                let mut array = cursor.enter()?;
                while cursor.next_item(&mut array)? {
                    document.is_error |= self.top_level(cursor)?.is_error;
                }
                return Ok(document);
            }
            _ => return cursor.skip().map(|_| document),
        }
        let mut object = cursor.enter()?;
        while let Some(key) = cursor.next_key(&mut object)? {
            match key.decode().as_ref() {
                "error" => document.is_error |= !matches!(cursor.skip()?, "null" | "false" | "\"\""),
                "usage" => document.has_usage |= self.usage(cursor)?,
                "x_groq" => self.nested_usage(cursor)?,
                "service_tier" => self.tier(cursor)?,
                "choices" if cursor.kind()? == Kind::Array => document.choices = Some(self.choices(cursor)?),
                _ => cursor.skip().map(|_| ())?,
            }
        }
        Ok(document)
    }

    /// Reads the usage that comes next; whether it says anything.
    fn usage(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, JsonFault> {
        match Reported::read(cursor)? {
            Reported::Nothing => return Ok(false),
            Reported::Nonsense => self.suspect = true,
            Reported::Figures(figures) => {
                self.figures = Some(self.figures.map_or(figures, |seen| seen.merged(figures)));
                self.output_then = None;
            }
        }
        Ok(true)
    }

    fn nested_usage(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(|_| ());
        }
        let mut object = cursor.enter()?;
        while let Some(key) = cursor.next_key(&mut object)? {
            match key.decode().as_ref() {
                "usage" => self.usage(cursor).map(|_| ())?,
                _ => cursor.skip().map(|_| ())?,
            }
        }
        Ok(())
    }

    fn tier(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        match cursor.kind()? {
            Kind::Text => self.tier = Some(ServiceTier::named(&cursor.text()?.decode())),
            _ => cursor.skip().map(|_| ())?,
        }
        Ok(())
    }

    /// Reads the choices; how many there are.
    fn choices(&mut self, cursor: &mut Cursor<'_>) -> Result<usize, JsonFault> {
        let mut count = 0_usize;
        let mut array = cursor.enter()?;
        while cursor.next_item(&mut array)? {
            count = count.saturating_add(1);
            self.members(cursor, |meter, cursor, name| match name {
                "delta" | "message" => meter.message(cursor),
                "text" => meter.text(cursor),
                _ => cursor.skip().map(|_| ()),
            })?;
        }
        Ok(count)
    }

    /// What the model wrote: one message, or the next piece of it.
    fn message(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        // Some send the same thought under two names; the longer counts.
        let (mut thought, mut same_thought) = (0, 0);
        self.members(cursor, |meter, cursor, name| {
            match name {
                "content" | "refusal" => meter.text(cursor)?,
                "reasoning_content" => thought = meter.measure(cursor)?,
                "reasoning" => same_thought = meter.measure(cursor)?,
                "tool_calls" | "function_call" | "audio" => meter.parts(cursor)?,
                "images" => meter.has_output |= cursor.skip()? != "null",
                _ => cursor.skip().map(|_| ())?,
            }
            Ok(())
        })?;
        self.wrote(thought.max(same_thought));
        Ok(())
    }

    /// Text, or an array of parts that hold text.
    fn text(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        match cursor.kind()? {
            Kind::Text => {
                let length = cursor.text()?.length;
                self.wrote(length);
                Ok(())
            }
            Kind::Object | Kind::Array => self.parts(cursor),
            _ => cursor.skip().map(|_| ()),
        }
    }

    /// The bytes of a text that comes next, which do not count yet.
    fn measure(&self, cursor: &mut Cursor<'_>) -> Result<usize, JsonFault> {
        match cursor.kind()? {
            Kind::Text => Ok(cursor.text()?.length),
            _ => cursor.skip().map(|_| 0),
        }
    }

    /// Tool calls, sound, parts of content: what the model wrote is under these names, at any depth.
    fn parts(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        match cursor.kind()? {
            Kind::Array => {
                let mut array = cursor.enter()?;
                while cursor.next_item(&mut array)? {
                    self.parts(cursor)?;
                }
                Ok(())
            }
            Kind::Object => self.members(cursor, |meter, cursor, name| match name {
                "text" | "refusal" | "name" | "arguments" | "input" | "transcript" => meter.text(cursor),
                "data" => {
                    meter.has_output |= !matches!(cursor.skip()?, "null" | "\"\"");
                    Ok(())
                }
                "function" | "custom" | "thinking" => meter.text(cursor),
                _ => cursor.skip().map(|_| ()),
            }),
            _ => cursor.skip().map(|_| ()),
        }
    }

    /// Gives each member of the object that comes next to `take`, which must consume its value.
    fn members<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        mut take: impl FnMut(&mut Self, &mut Cursor<'a>, &str) -> Result<(), JsonFault>,
    ) -> Result<(), JsonFault> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(|_| ());
        }
        let mut object = cursor.enter()?;
        while let Some(key) = cursor.next_key(&mut object)? {
            take(self, cursor, &key.decode())?;
        }
        Ok(())
    }

    fn wrote(&mut self, bytes: usize) {
        self.has_output |= bytes > 0;
        self.output_bytes = self.output_bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

impl Seen {
    const fn answer(self) -> Answer {
        if self.choices {
            return Answer::Given;
        }
        if self.error {
            return Answer::Error;
        }
        if self.page {
            return Answer::Page;
        }
        if self.unreadable {
            return Answer::Unreadable;
        }
        if self.no_answer { Answer::Empty } else { Answer::Nothing }
    }
}
