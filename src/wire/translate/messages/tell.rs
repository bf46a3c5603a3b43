//! An answer as one of Anthropic's messages, whole or as its events. What was used is known at the end alone, so `message_start`
//! counts nothing and `message_delta` has the totals, which are cumulative there.

mod shape;
#[cfg(test)]
mod tests;

use serde_json::value::RawValue;

use crate::wire::json::members;
use crate::wire::translate::blocks::{Block, Blocks, Step, is_object};
use crate::wire::translate::telling::{Asked, Delta, Figures, Finish};
use shape::{Change, Content, Ending, Event, Message, StopDetails, Usage};

/// What an id of Anthropic's begins with.
const ID: &str = "msg_";

/// The message that `deltas` make.
pub(in crate::wire::translate) fn whole(deltas: &[Delta], asked: &Asked) -> Vec<u8> {
    let mut head = Head::new(asked);
    let (mut blocks, mut tail) = (Blocks::default(), Tail::default());
    let thoughts = Thoughts::of(&asked.body);
    for delta in deltas {
        head.note(delta);
        tail.note(delta);
        if thoughts.tells(delta) {
            blocks.take(delta);
        }
    }
    let blocks = blocks.into_whole();
    let message = Message {
        content: blocks.iter().filter_map(Content::whole).collect(),
        ending: tail.ending(),
        usage: Usage::of(&tail.figures),
        ..head.message()
    };
    serde_json::to_vec(&message).expect("strings and JSON can always be written as JSON")
}

/// Tells one stream.
#[derive(Debug)]
pub(in crate::wire::translate) struct Stream {
    head: Head,
    blocks: Blocks,
    tail: Tail,
    thoughts: Thoughts,
    /// Counts the blocks that are whole.
    index: usize,
    telling: Telling,
    is_begun: bool,
}

impl Stream {
    /// A stream that was asked for so.
    pub(in crate::wire::translate) fn new(asked: &Asked) -> Self {
        Self {
            head: Head::new(asked),
            blocks: Blocks::default(),
            tail: Tail::default(),
            thoughts: Thoughts::of(&asked.body),
            index: 0,
            telling: Telling::Nothing,
            is_begun: false,
        }
    }

    /// Tells the next delta.
    pub(in crate::wire::translate) fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        self.head.note(delta);
        self.tail.note(delta);
        self.begin(out);
        if self.thoughts.tells(delta) {
            self.blocks.take(delta);
            self.put_blocks(out);
        }
    }

    /// Tells the end of a stream that ended in good order.
    pub(in crate::wire::translate) fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.blocks.end();
        self.put_blocks(out);
        let usage = Usage::of(&self.tail.figures);
        put(&Event::MessageDelta { delta: self.tail.ending(), usage }, out);
        put(&Event::MessageStop, out);
    }

    /// Once, before all else.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.is_begun, true) {
            put(&Event::MessageStart { message: self.head.message() }, out);
        }
    }

    fn put_blocks(&mut self, out: &mut Vec<u8>) {
        while let Some(step) = self.blocks.step() {
            self.put_step(&step, out);
        }
    }

    fn put_step(&mut self, step: &Step, out: &mut Vec<u8>) {
        let index = self.index;
        match step {
            Step::Begin(block) => {
                if let Some(content_block) = Content::begun(block) {
                    put(&Event::ContentBlockStart { index, content_block }, out);
                }
                self.telling = Telling::of(block);
            }
            Step::More(more) => {
                if let Some(delta) = self.telling.change(more) {
                    put(&Event::ContentBlockDelta { index, delta }, out);
                }
            }
            // It stands in `stop_details`.
            Step::End(Block::Refusal(_)) => {}
            Step::End(block) => {
                if let Block::Thought { signature: Some(signature), .. } = block {
                    let delta = Change::Signature { signature };
                    put(&Event::ContentBlockDelta { index, delta }, out);
                }
                put(&Event::ContentBlockStop { index }, out);
                self.index = self.index.saturating_add(1);
            }
        }
    }
}

fn put(event: &Event<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(event.name().as_bytes());
    out.extend_from_slice(b"\ndata: ");
    serde_json::to_writer(&mut *out, event).expect("a vector takes all, and strings are always JSON");
    out.extend_from_slice(b"\n\n");
}

/// The kind of block whose words come.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Telling {
    Nothing,
    Text,
    Thought,
    Call,
}

impl Telling {
    const fn of(block: &Block) -> Self {
        match block {
            Block::Text(_) => Self::Text,
            Block::Thought { .. } => Self::Thought,
            Block::Call(_) => Self::Call,
            Block::Proof(_) | Block::Refusal(_) => Self::Nothing,
        }
    }

    fn change(self, more: &str) -> Option<Change<'_>> {
        match self {
            Self::Nothing => None,
            Self::Text => Some(Change::Text { text: more }),
            Self::Thought => Some(Change::Thinking { thinking: more }),
            Self::Call => Some(Change::InputJson { partial_json: more }),
        }
    }
}

/// What stands before the content.
#[derive(Debug)]
struct Head {
    id: String,
    model: String,
}

impl Head {
    /// Of an answer that has not begun: its id is made of the time, until the provider names one.
    fn new(asked: &Asked) -> Self {
        Self { id: format!("{ID}{}", asked.created), model: asked.model.clone() }
    }

    fn note(&mut self, delta: &Delta) {
        let Delta::Begin { id, model } = delta else { return };
        if !id.is_empty() {
            let own = id.strip_prefix(ID).unwrap_or(id);
            self.id = format!("{ID}{own}");
        }
        if !model.is_empty() {
            self.model.clone_from(model);
        }
    }

    fn message(&self) -> Message<'_> {
        Message::begun(&self.id, &self.model)
    }
}

/// What stands behind it.
#[derive(Debug, Default)]
struct Tail {
    finish: Option<Finish>,
    refusal: Option<String>,
    has_calls: bool,
    figures: Figures,
}

impl Tail {
    fn note(&mut self, delta: &Delta) {
        match delta {
            Delta::Finish(finish) => self.finish = Some(finish.clone()),
            Delta::Figures(figures) => self.figures = *figures,
            Delta::Refusal(more) => self.refusal.get_or_insert_default().push_str(more),
            Delta::Call { .. } => self.has_calls = true,
            _ => {}
        }
    }

    fn ending(&self) -> Ending<'_> {
        let refused = StopDetails { kind: "refusal", category: None, explanation: self.refusal.as_deref() };
        let (reason, sequence) = match &self.finish {
            Some(Finish::Refused) => ("refusal", None),
            // A model of OpenAI's that refuses ends as one that has said all.
            Some(Finish::End) | None if self.refusal.is_some() => ("refusal", None),
            Some(Finish::Length) => ("max_tokens", None),
            Some(Finish::Stop(text)) => ("stop_sequence", text.as_deref()),
            Some(Finish::Calls) => ("tool_use", None),
            // So do some that call tools.
            Some(Finish::End) | None => (if self.has_calls { "tool_use" } else { "end_turn" }, None),
        };
        let stop_details = (reason == "refusal").then_some(refused);
        Ending { stop_reason: Some(reason), stop_sequence: sequence, stop_details }
    }
}

/// Whether the client is told what the model thinks: where it asked for thinking, and not for its being left out. Who did not
/// ask does not expect blocks of it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Thoughts {
    Told,
    Kept,
}

impl Thoughts {
    /// As this body says.
    fn of(body: &[u8]) -> Self {
        let asked = member(body, "thinking");
        let word =
            |name| asked.and_then(|thinking| member(thinking.get().as_bytes(), name)).map(RawValue::get);
        match (word("type"), word("display")) {
            (_, Some("\"omitted\"")) => Self::Kept,
            (Some("\"enabled\"" | "\"adaptive\""), _) => Self::Told,
            _ => Self::Kept,
        }
    }

    /// Whether a delta is told. The proofs of calls always are: without them a provider refuses what comes back.
    fn tells(self, delta: &Delta) -> bool {
        self == Self::Told || !matches!(delta, Delta::Thought(_) | Delta::Signature(_))
    }
}

/// A member of a JSON object; `None` where there is none.
fn member<'a>(json: &'a [u8], name: &str) -> Option<&'a RawValue> {
    members(json).ok()?.into_iter().find_map(|(key, value)| (key == name).then_some(value))
}

/// Arguments as the object they must be. Those of an answer that was cut are none: they stand whole in one member, under the name
/// that Anthropic's documentation has for that case.
fn input(arguments: &str) -> Box<RawValue> {
    let text = if is_object(arguments) {
        arguments.to_owned()
    } else {
        let text = serde_json::to_string(arguments).expect("a string is always JSON");
        format!("{{\"INVALID_JSON\":{text}}}")
    };
    RawValue::from_string(text).expect("it was read, or written, as JSON")
}
