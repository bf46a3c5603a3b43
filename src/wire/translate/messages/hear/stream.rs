//! What Anthropic streams, event by event.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Block, Counts, End, StopDetails};
use crate::wire::sse::Event;
use crate::wire::translate::NotAnAnswer;
use crate::wire::translate::telling::Delta;

/// Hears one stream.
#[derive(Debug, Default)]
pub(in crate::wire::translate) struct Stream {
    counts: Counts,
    calls: Vec<Call>,
}

/// A call of a tool that was begun.
#[derive(Debug)]
struct Call {
    /// Of its block of content.
    block: u64,
    has_arguments: bool,
}

/// An event. What is not known of it is passed over.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    index: u64,
    message: Option<Head>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    delta: Option<Change>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Head {
    id: String,
    model: String,
    usage: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Change {
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    partial_json: Option<String>,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    stop_details: Option<StopDetails>,
}

impl Stream {
    /// A stream of which nothing was heard yet.
    pub(in crate::wire::translate) fn new() -> Self {
        Self::default()
    }

    /// What `event` says; nothing where it only keeps the connection alive, ends the stream, or is not known here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(in crate::wire::translate) fn event(&mut self, event: &Event) -> Result<Vec<Delta>, NotAnAnswer> {
        let mut deltas = Vec::new();
        let Some(data) = event.data() else { return Ok(deltas) };
        if matches!(data.trim_ascii(), b"" | b"[DONE]") {
            return Ok(deltas);
        }
        let told: Told<'_> = serde_json::from_slice(&data).map_err(|_| NotAnAnswer)?;
        match told.kind.as_str() {
            "message_start" => self.begin(told.message.ok_or(NotAnAnswer)?, &mut deltas),
            "content_block_start" => {
                self.begin_block(told.index, told.content_block.ok_or(NotAnAnswer)?, &mut deltas)?;
            }
            "content_block_delta" => {
                self.change(told.index, told.delta.ok_or(NotAnAnswer)?, &mut deltas)?;
            }
            "content_block_stop" => self.end_block(told.index, &mut deltas),
            "message_delta" => self.end(told.delta, told.usage, &mut deltas),
            _ => {}
        }
        Ok(deltas)
    }

    fn begin(&mut self, head: Head, deltas: &mut Vec<Delta>) {
        deltas.push(Delta::Begin { id: head.id, model: head.model });
        self.count(head.usage.as_deref(), deltas);
    }

    fn count(&mut self, usage: Option<&RawValue>, deltas: &mut Vec<Delta>) {
        if usage.is_some() {
            self.counts = self.counts.merged(Counts::read(usage));
            deltas.push(Delta::Figures(self.counts.figures()));
        }
    }

    fn begin_block(
        &mut self,
        index: u64,
        block: Block<'_>,
        deltas: &mut Vec<Delta>,
    ) -> Result<(), NotAnAnswer> {
        if block.kind != "tool_use" {
            block.words(deltas);
            return Ok(());
        }
        // The input comes in pieces, after this; `{}` stands for it here.
        let json = Some(block.arguments()?).filter(|input| *input != "{}").map(str::to_owned);
        let call = self.calls.len();
        self.calls.push(Call { block: index, has_arguments: json.is_some() });
        deltas.push(block.called(call)?);
        deltas.extend(json.map(|json| Delta::Arguments { index: call, json }));
        Ok(())
    }

    fn change(&mut self, index: u64, delta: Change, deltas: &mut Vec<Delta>) -> Result<(), NotAnAnswer> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        deltas.extend(filled(delta.text).map(Delta::Text));
        deltas.extend(filled(delta.thinking).map(Delta::Thought));
        deltas.extend(filled(delta.signature).map(Delta::Signature));
        let Some(json) = filled(delta.partial_json) else { return Ok(()) };
        let at = self.calls.iter().rposition(|call| call.block == index).ok_or(NotAnAnswer)?;
        if let Some(call) = self.calls.get_mut(at) {
            call.has_arguments = true;
        }
        deltas.push(Delta::Arguments { index: at, json });
        Ok(())
    }

    /// A call without arguments has an empty object of them.
    fn end_block(&self, index: u64, deltas: &mut Vec<Delta>) {
        let empty = self.calls.iter().rposition(|call| call.block == index && !call.has_arguments);
        deltas.extend(empty.map(|index| Delta::Arguments { index, json: "{}".to_owned() }));
    }

    fn end(&mut self, delta: Option<Change>, usage: Option<&RawValue>, deltas: &mut Vec<Delta>) {
        if let Some(Change { stop_reason: Some(reason), stop_sequence, stop_details, .. }) = delta {
            End { stop_reason: Some(reason), stop_sequence, stop_details }.told(deltas);
        }
        self.count(usage, deltas);
    }
}
