//! The meter: watches a reply go by, whole or as a stream, and ends as a [`Reading`]. It builds no tree, whatever the size
//! of an event, and changes nothing; it only says which event is the gateway's own. Must not know prices.

mod chat;
mod gemini;
mod images;
mod inputs;
mod messages;
mod responses;
mod seen;
mod speech;
#[cfg(test)]
mod tests;
mod transcript;
mod usage;

use super::ask::ServiceTier;
use super::json::{Cursor, JsonFault, Kind, utf8};
use super::sse::Event;
use crate::ids::ResponseId;
use crate::usage::{TokenCount, Usage};
pub use seen::Answer;
use seen::{Media, Seen};
use usage::{Figures, Reported};

/// Bytes of text that make about one unit of output.
const BYTES_PER_UNIT: i64 = 4;

/// Where a reply says what was used, and how it is read.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Metering {
    /// OpenAI's chat completions: `usage` of the body, or of an event of its own.
    Chat,
    /// Anthropic's messages: `usage` of the body, or of `message_start` and each `message_delta`.
    Messages,
    /// OpenAI's responses: `usage` of the response, also of the one in the last event of a stream.
    Responses,
    /// Answers without output (embeddings, moderations, rankings): `usage` of the body, where it has one.
    Inputs,
    /// Gemini's answers: `usageMetadata` of the body, or of each chunk of a stream.
    Generate,
    /// Speech: `usage` of the last event of a stream, where it has one; in sound by itself nowhere.
    Speech,
    /// Images: `usage` of the body, or of the event in which the image is complete.
    Images,
    /// Transcripts: `usage` of the body, or of the event with the whole text; else the length that they tell.
    Transcript,
}

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
    /// It ends the stream and says itself that the answer failed: pass it on when the books are closed.
    Failure,
    /// The answer ends with it: pass it on, and all that follows, when the stream has ended and the books are closed.
    Last,
    /// It is an error, and ends the stream.
    Fault,
}

/// What a reply came to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What the provider says was used, if it says so believably.
    pub usage: Option<Usage>,
    /// Whether output went by after the last of those figures: they are not all there was.
    pub is_outdated: bool,
    /// Calls of tools of the provider that went by, where the usage does not count them.
    pub tool_calls: TokenCount,
    /// Whether it said something that is not believed.
    pub suspect: bool,
    /// Images that were made.
    pub images: TokenCount,
    /// Seconds of sound, rounded up, as the answer tells, or as its own sound does.
    pub seconds: Option<TokenCount>,
    /// Seconds of sound that there are at least: up to the last subtitle, whatever is behind it.
    pub least_seconds: TokenCount,
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
        estimated(self.output_bytes)
    }
}

fn estimated(output_bytes: i64) -> TokenCount {
    let rounded = output_bytes.saturating_add(BYTES_PER_UNIT).saturating_sub(1);
    TokenCount::clamped(rounded.div_euclid(BYTES_PER_UNIT))
}

/// Watches one reply.
#[derive(Debug)]
pub struct Meter {
    metering: Metering,
    usage_event: UsageEvent,
    figures: Option<Figures>,
    /// `output_bytes` behind the document with the last figures; `None` within it.
    output_then: Option<i64>,
    tier: Option<ServiceTier>,
    output_bytes: i64,
    tool_calls: i64,
    candidates: gemini::Candidates,
    response_id: Option<ResponseId>,
    has_output: bool,
    suspect: bool,
    media: Media,
    seen: Seen,
}

/// What one JSON document of the reply holds.
#[derive(Copy, Clone, Debug, Default)]
struct Document {
    is_error: bool,
    has_usage: bool,
    /// Of an answer.
    content: Content,
}

/// What part of an answer a document is.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
enum Content {
    /// None at all.
    #[default]
    None,
    /// None, and it says nothing: it keeps the connection alive.
    Idle,
    /// Some, or its frame.
    Some,
    /// Some, by its form, with nothing in it.
    Hollow,
    /// Its last part, which more that is none may follow.
    Last,
    /// Its end.
    End,
}

impl Meter {
    /// Of a reply that is read by `metering`, and whose usage event is whose.
    pub fn new(metering: Metering, usage_event: UsageEvent) -> Self {
        Self {
            metering,
            usage_event,
            figures: None,
            output_then: None,
            tier: None,
            output_bytes: 0,
            tool_calls: 0,
            candidates: gemini::Candidates::default(),
            response_id: None,
            has_output: false,
            suspect: false,
            media: Media::default(),
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
        if document.is_error && document.content == Content::End {
            return Step::Failure;
        }
        if is_error || document.is_error {
            return Step::Fault;
        }
        match document.content {
            Content::End => return Step::Terminator,
            Content::Last => return Step::Last,
            _ => {}
        }
        let is_hollow = document.has_usage && document.content == Content::Hollow;
        if is_hollow && self.usage_event == UsageEvent::Gateway { Step::Strip } else { Step::Forward }
    }

    /// Watches a reply that is not a stream.
    pub fn on_body(&mut self, body: &[u8]) {
        match body.trim_ascii_start().first() {
            None => {}
            Some(b'<') => self.seen.page = true,
            // Whatever keeps a stream alive is no answer by itself.
            Some(_) => self.seen.no_answer |= self.document(body).content == Content::Idle,
        }
    }

    /// What the reply came to, so far.
    pub fn reading(&self) -> Reading {
        let is_outdated =
            self.figures.is_some() && self.output_then.is_some_and(|then| self.output_bytes > then);
        let written = if is_outdated { estimated(self.output_bytes) } else { TokenCount::ZERO };
        let usage = self.figures.and_then(|figures| self.usage_of(figures, written));
        // Text without output is no usage.
        let believed = usage.filter(|usage| !self.has_output || usage.all_output() > TokenCount::ZERO);
        let is_outdated = is_outdated && believed.is_some();
        Reading {
            usage: believed,
            is_outdated,
            tool_calls: TokenCount::clamped(self.tool_calls),
            suspect: self.suspect || (self.figures.is_some() && believed.is_none()) || is_outdated,
            images: TokenCount::clamped(self.media.images),
            seconds: self.media.seconds(),
            least_seconds: self.media.least_seconds(),
            output_bytes: self.output_bytes,
            has_output: self.has_output,
            tier: self.tier,
            answer: self.seen.answer(),
            has_error: self.seen.error,
        }
    }

    /// The kinds of these figures. Anthropic's come before the output, too: `written` was counted here since.
    fn usage_of(&self, figures: Figures, written: TokenCount) -> Option<Usage> {
        match self.metering {
            Metering::Chat => Some(figures.usage()),
            Metering::Responses => {
                let usage = figures.usage();
                let calls = TokenCount::clamped(self.tool_calls);
                Some(Usage { tool_calls: usage.tool_calls.max(calls), ..usage })
            }
            Metering::Generate => {
                let calls = TokenCount::clamped(self.tool_calls);
                Some(Usage { tool_calls: calls, ..figures.google_usage() })
            }
            Metering::Inputs => figures.input_usage(),
            Metering::Speech => Some(figures.spoken_usage()),
            Metering::Images => Some(figures.drawn_usage()),
            Metering::Transcript => Some(figures.heard_usage()),
            Metering::Messages => {
                let usage = figures.disjoint_usage()?;
                Some(Usage { output: usage.output.max(written), ..usage })
            }
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

    /// Reads one JSON document; what cannot be read counts as output, byte by byte, but where those would be of an image or of sound.
    fn document(&mut self, bytes: &[u8]) -> Document {
        let before = (self.output_bytes, self.has_output, self.tool_calls);
        let read = utf8(bytes).and_then(|text| {
            let mut cursor = Cursor::new(text);
            let document = match self.metering {
                Metering::Chat => self.chat(&mut cursor)?,
                Metering::Messages => self.message_or_event(&mut cursor)?,
                Metering::Responses => self.response_or_event(&mut cursor)?,
                Metering::Generate => self.generated(&mut cursor)?,
                Metering::Inputs => self.results(&mut cursor)?,
                Metering::Speech => self.speech(&mut cursor)?,
                Metering::Images => self.images(&mut cursor)?,
                Metering::Transcript => self.transcript(&mut cursor)?,
            };
            cursor.end().map(|()| document)
        });
        let Ok(document) = read else {
            (self.output_bytes, self.has_output, self.tool_calls) = before;
            if !matches!(self.metering, Metering::Images | Metering::Speech) {
                self.wrote(bytes.len());
            }
            self.seen.unreadable = true;
            self.suspect = true;
            return Document::default();
        };
        self.output_then.get_or_insert(self.output_bytes);
        self.seen.error |= document.is_error;
        match document.content {
            _ if document.is_error => {}
            Content::None => self.seen.no_answer = true,
            Content::Idle => {}
            Content::Some | Content::Hollow | Content::Last | Content::End => self.seen.answer = true,
        }
        document
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

    /// Takes what a `usage` member said; whether it says anything.
    fn take_usage(&mut self, reported: &Reported) -> bool {
        match reported {
            Reported::Nothing => return false,
            Reported::Nonsense => self.suspect = true,
            Reported::Figures(figures) => {
                self.figures = Some(self.figures.map_or(*figures, |seen| seen.merged(*figures)));
                self.output_then = None;
            }
        }
        true
    }

    /// Text that the model wrote; what is no text does not count.
    fn plain_text(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        match cursor.kind()? {
            Kind::Text => {
                let length = cursor.text()?.length;
                self.wrote(length);
                Ok(())
            }
            _ => cursor.skip().map(|_| ()),
        }
    }

    fn wrote(&mut self, bytes: usize) {
        self.has_output |= bytes > 0;
        self.output_bytes = self.output_bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
