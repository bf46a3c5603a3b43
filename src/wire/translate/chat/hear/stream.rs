//! What one who speaks OpenAI's chat streams, chunk by chunk.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Counts, Message, Told};
use crate::wire::sse::Event;
use crate::wire::translate::NotAnAnswer;
use crate::wire::translate::telling::Delta;

/// Hears one stream.
#[derive(Debug, Default)]
pub(in crate::wire::translate) struct Stream {
    told: Told,
    stage: Stage,
}

/// How far a stream is.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Unbegun,
    Begun,
    Finished,
}

/// A chunk. What is not known of it is passed over.
#[derive(Deserialize)]
struct Chunk<'a> {
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    x_groq: Option<Groq<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Option<Message<'a>>,
    finish_reason: Option<String>,
}

/// Where Groq has its usage.
#[derive(Deserialize)]
struct Groq<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

impl Stream {
    /// A stream of which nothing was heard yet.
    pub(in crate::wire::translate) fn new() -> Self {
        Self::default()
    }

    /// What `event` says; nothing where it only keeps the connection alive or ends the stream.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(in crate::wire::translate) fn event(&mut self, event: &Event) -> Result<Vec<Delta>, NotAnAnswer> {
        let Some(data) = event.data() else { return Ok(Vec::new()) };
        if matches!(data.trim_ascii(), b"" | b"[DONE]") {
            return Ok(Vec::new());
        }
        let chunk: Chunk<'_> = serde_json::from_slice(&data).map_err(|_| NotAnAnswer)?;
        let Chunk { id, model, choices, usage, x_groq } = chunk;
        let usage = usage.or_else(|| x_groq?.usage);
        let choice = choices.into_iter().flatten().next();
        // A chunk with neither may have another name than the answer: Azure's first one has none.
        if choice.is_some() || usage.is_some() {
            self.begin(id, model);
        }
        if let Some(choice) = choice {
            self.choice(choice)?;
        }
        if let Some(usage) = usage {
            self.told.deltas.push(Delta::Figures(Counts::read(Some(usage)).figures()));
        }
        Ok(std::mem::take(&mut self.told.deltas))
    }

    fn begin(&mut self, id: Option<String>, model: Option<String>) {
        if self.stage == Stage::Unbegun {
            self.stage = Stage::Begun;
            let id = id.unwrap_or_default();
            self.told.answer.clone_from(&id);
            self.told.deltas.push(Delta::Begin { id, model: model.unwrap_or_default() });
        }
    }

    fn choice(&mut self, choice: Choice<'_>) -> Result<(), NotAnAnswer> {
        for call in self.told.words(choice.delta.unwrap_or_default()) {
            self.told.call(call)?;
        }
        // Some send an empty one with every chunk.
        let reason = choice.finish_reason.filter(|reason| !reason.is_empty());
        if let Some(reason) = reason.filter(|_| self.stage != Stage::Finished) {
            self.stage = Stage::Finished;
            self.told.finish(&reason);
        }
        Ok(())
    }
}
