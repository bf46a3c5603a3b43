//! An answer as a response of OpenAI's, whole or as its events. Each block is an item of its own. What was thought is told where the
//! client asked for a summary of it; what its provider must have back stands in `encrypted_content` in any case.

mod echo;
mod event;
mod item;
#[cfg(test)]
mod tests;

use self::echo::{Echo, Response, Status, Usage};
use self::event::{Event, Events};
use self::item::{BEGUN, CUT, DONE, Item, Part};
use super::seal::seal;
use super::tools::{Kind, Known, renamed, unwrapped};
use crate::wire::translate::blocks::{Block, Blocks, Call, Step};
use crate::wire::translate::telling::{Asked, Delta, Figures, Finish};

/// The response that `deltas` make.
pub(in crate::wire::translate) fn whole(deltas: &[Delta], asked: &Asked) -> Vec<u8> {
    let mut answer = Answer::new(asked.clone());
    let mut blocks = Blocks::default();
    for delta in deltas {
        answer.note(delta);
        blocks.take(delta);
    }
    let mut blocks = blocks.into_whole().into_iter().peekable();
    while let Some(block) = blocks.next() {
        let status = if blocks.peek().is_some() { DONE } else { answer.last_status() };
        let item = answer.item(block, status);
        answer.items.extend(item);
    }
    serde_json::to_vec(&answer.ended()).expect("strings and JSON can always be written as JSON")
}

/// Tells one stream.
#[derive(Debug)]
pub(in crate::wire::translate) struct Stream {
    answer: Answer,
    blocks: Blocks,
    events: Events,
    /// The item whose words come; `None` where it is told at its end alone, or not at all.
    current: Option<Item>,
    is_begun: bool,
}

/// What is known of the answer.
#[derive(Debug)]
struct Answer {
    asked: Asked,
    echo: Echo,
    /// Tools that the client knows by other names than the model does.
    renamed: Vec<(String, Known)>,
    /// What makes its ids unique.
    id: String,
    model: String,
    finish: Option<Finish>,
    figures: Figures,
    /// The items that are whole.
    items: Vec<Item>,
}

impl Stream {
    /// A stream that was asked for so.
    pub(in crate::wire::translate) fn new(asked: Asked) -> Self {
        Self {
            answer: Answer::new(asked),
            blocks: Blocks::default(),
            events: Events::default(),
            current: None,
            is_begun: false,
        }
    }

    /// Tells the next delta.
    pub(in crate::wire::translate) fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        self.answer.note(delta);
        self.begin(out);
        self.blocks.take(delta);
        self.put_blocks(out);
    }

    /// Tells the end of a stream that ended in good order.
    pub(in crate::wire::translate) fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.blocks.end();
        self.put_blocks(out);
        let kind = match self.answer.status() {
            Status::Incomplete(_) => "response.incomplete",
            Status::InProgress | Status::Completed => "response.completed",
        };
        let response = Some(self.answer.ended());
        self.events.put(kind, Event { response, ..Event::default() }, out);
    }

    /// Once, before all else.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.is_begun, true) {
            return;
        }
        for kind in ["response.created", "response.in_progress"] {
            let response = Some(self.answer.response(Status::InProgress, None));
            self.events.put(kind, Event { response, ..Event::default() }, out);
        }
    }

    fn put_blocks(&mut self, out: &mut Vec<u8>) {
        while let Some(step) = self.blocks.step() {
            match step {
                Step::Begin(block) => self.put_begin(&block, out),
                Step::More(more) => self.put_more(&more, out),
                Step::End(block) => self.put_end(block, out),
            }
        }
    }

    fn put_begin(&mut self, block: &Block, out: &mut Vec<u8>) {
        self.current = match block {
            // Whether there is anything to tell is known at its end.
            Block::Proof(_) => None,
            Block::Thought { .. } if !self.answer.echo.tells_thoughts => None,
            block => self.answer.item(block.clone(), BEGUN),
        };
        let Some(item) = &self.current else { return };
        let at = self.answer.items.len();
        self.events.put(
            "response.output_item.added",
            Event { item: Some(&item.emptied()), ..Event::of(at) },
            out,
        );
        if let Some(part) = item.part() {
            let added = Event { part: Some(part), ..Event::within(item, at) };
            self.events.put("response.content_part.added", added, out);
        }
    }

    fn put_more(&mut self, more: &str, out: &mut Vec<u8>) {
        let at = self.answer.items.len();
        let Some(item) = &mut self.current else { return };
        if let Item::Reasoning { summary, .. } = item
            && summary.is_empty()
        {
            summary.push(Part::summary(""));
            let added = Event { part: Some(&Part::summary("")), ..Event::within(item, at) };
            self.events.put("response.reasoning_summary_part.added", added, out);
        }
        let said = Event { delta: Some(more), ..Event::within(item, at) };
        match item {
            Item::Message { .. } if item.is_refusal() => self.events.put("response.refusal.delta", said, out),
            Item::Message { .. } => {
                let said = Event { logprobs: Some([]), ..said };
                self.events.put("response.output_text.delta", said, out);
            }
            Item::Reasoning { .. } => self.events.put("response.reasoning_summary_text.delta", said, out),
            Item::FunctionCall { .. } => self.events.put("response.function_call_arguments.delta", said, out),
            // Its input is known when its arguments are whole.
            Item::CustomToolCall { .. } => {}
        }
    }

    fn put_end(&mut self, block: Block, out: &mut Vec<u8>) {
        let status = if self.blocks.is_empty() { self.answer.last_status() } else { DONE };
        let Some(item) = self.answer.item(block, status) else { return };
        let at = self.answer.items.len();
        if self.current.take().is_none() {
            let added = Event { item: Some(&item.emptied()), ..Event::of(at) };
            self.events.put("response.output_item.added", added, out);
        }
        self.events.put_done(&item, at, out);
        self.answer.items.push(item);
    }
}

impl Answer {
    fn new(asked: Asked) -> Self {
        Self {
            echo: Echo::of(&asked.body),
            renamed: renamed(&asked.body),
            id: asked.created.to_string(),
            model: asked.model.clone(),
            asked,
            finish: None,
            figures: Figures::default(),
            items: Vec::new(),
        }
    }

    fn note(&mut self, delta: &Delta) {
        match delta {
            Delta::Begin { id, model } => {
                if !id.is_empty() {
                    id.clone_into(&mut self.id);
                }
                if !model.is_empty() {
                    model.clone_into(&mut self.model);
                }
            }
            Delta::Finish(finish) => self.finish = Some(finish.clone()),
            Delta::Figures(figures) => self.figures = *figures,
            _ => {}
        }
    }

    /// How it ended.
    const fn status(&self) -> Status {
        match self.finish {
            Some(Finish::Length) => Status::Incomplete("max_output_tokens"),
            Some(Finish::Refused) => Status::Incomplete("content_filter"),
            Some(Finish::End | Finish::Stop(_) | Finish::Calls) | None => Status::Completed,
        }
    }

    /// How its last item ended: where the answer was cut, that was.
    fn last_status(&self) -> &'static str {
        if self.finish == Some(Finish::Length) { CUT } else { DONE }
    }

    fn ended(&self) -> Response<'_> {
        self.response(self.status(), Some(&self.figures))
    }

    fn response(&self, status: Status, figures: Option<&Figures>) -> Response<'_> {
        Response {
            id: format!("resp_{}", self.id),
            created_at: self.asked.created,
            model: &self.model,
            output: &self.items,
            usage: figures.map(Usage::of),
            ..self.echo.response(status)
        }
    }

    /// The next item, which a block makes; `None` of a thought of which nothing is told.
    fn item(&self, block: Block, status: &'static str) -> Option<Item> {
        Some(match block {
            Block::Text(text) => Item::message(self.item_id("msg"), status, Part::text(text)),
            Block::Refusal(refusal) => Item::message(self.item_id("msg"), status, Part::Refusal { refusal }),
            Block::Thought { text, signature } => {
                let encrypted_content = signature.map(|signature| seal(&text, &signature));
                let is_told = self.echo.tells_thoughts;
                if !is_told && encrypted_content.is_none() {
                    return None;
                }
                let summary =
                    if is_told && !text.is_empty() { vec![Part::summary(text)] } else { Vec::new() };
                Item::Reasoning { id: self.item_id("rs"), summary, encrypted_content }
            }
            Block::Proof(proof) => {
                let encrypted_content = Some(proof);
                Item::Reasoning { id: self.item_id("rs"), summary: Vec::new(), encrypted_content }
            }
            Block::Call(call) => self.call(call, status),
        })
    }

    /// A call, by the name that the client knows.
    fn call(&self, call: Call, status: &'static str) -> Item {
        let Call { id: call_id, name, arguments, .. } = call;
        let known = self.renamed.iter().find(|(full, _)| *full == name).map(|(_, known)| known.clone());
        let known = known.unwrap_or(Known { name, namespace: None, kind: Kind::Function });
        let Known { name, namespace, kind } = known;
        match kind {
            Kind::Function => {
                Item::FunctionCall { id: self.item_id("fc"), status, call_id, name, namespace, arguments }
            }
            Kind::Custom => {
                let input = unwrapped(&arguments);
                Item::CustomToolCall { id: self.item_id("ctc"), status, call_id, name, namespace, input }
            }
        }
    }

    /// The id of the next item.
    fn item_id(&self, kind: &str) -> String {
        format!("{kind}_{}_{}", self.id, self.items.len())
    }
}
