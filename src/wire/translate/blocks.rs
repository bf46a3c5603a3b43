//! The deltas of an answer as blocks that follow each other and never overlap, for dialects in which an answer is a row of them.
//! A provider may write several calls at once: the first is told as it comes, the others wait until it is whole. Must not know
//! how a dialect spells a block.

use std::collections::VecDeque;

use serde::de::IgnoredAny;

use super::proof::marked;
use super::telling::Delta;
use super::value::BLANKS;

/// Something that an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Words of the model.
    Text(String),
    /// What it thought, and its provider's proof of it.
    Thought { text: String, signature: Option<String> },
    /// The proof that a call stands behind, marked as its provider's.
    Proof(String),
    /// That it will not answer.
    Refusal(String),
    /// A call of a tool.
    Call(Call),
}

/// A call of a tool, as far as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Counts the calls of the answer.
    index: usize,
    pub(super) id: String,
    pub(super) name: String,
    /// JSON; whole in [`Step::End`], unless the answer was cut.
    pub(super) arguments: String,
}

/// What is told next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A block begins; its words are to come.
    Begin(Block),
    /// More of its words.
    More(String),
    /// It is whole.
    End(Block),
}

/// The blocks of one answer that were not told wholly.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    waiting: VecDeque<Block>,
    /// Bytes of the first one's words that were told.
    told: usize,
    is_begun: bool,
    is_over: bool,
}

impl Blocks {
    /// Takes the next delta; those that are no content are passed over.
    pub(super) fn take(&mut self, delta: &Delta) {
        match delta {
            Delta::Text(more) => self.write(more, Block::Text(String::new())),
            Delta::Refusal(more) => self.write(more, Block::Refusal(String::new())),
            Delta::Thought(more) => {
                self.write(more, Block::Thought { text: String::new(), signature: None });
            }
            Delta::Signature(proof) => self.sign(proof),
            Delta::Call { index, id, name, signature } => {
                self.waiting.extend(signature.as_deref().map(marked).map(Block::Proof));
                let (id, name) = (id.clone(), name.clone());
                self.waiting.push_back(Block::Call(Call {
                    index: *index,
                    id,
                    name,
                    arguments: String::new(),
                }));
            }
            Delta::Arguments { index, json } => {
                let mut calls = self.waiting.iter_mut().rev().filter_map(|block| match block {
                    Block::Call(call) => Some(call),
                    _ => None,
                });
                // One that was told wholly takes nothing more: its arguments were an object already.
                if let Some(call) = calls.find(|call| call.index == *index) {
                    call.arguments.push_str(json);
                }
            }
            Delta::Begin { .. } | Delta::Finish(_) | Delta::Figures(_) => {}
        }
    }

    /// Nothing more comes. A call without arguments has none.
    pub(super) fn end(&mut self) {
        self.is_over = true;
        for block in &mut self.waiting {
            if let Block::Call(call) = block
                && call.arguments.is_empty()
            {
                call.arguments.push_str("{}");
            }
        }
    }

    /// What is told next; `None` until more has come.
    pub(super) fn step(&mut self) -> Option<Step> {
        let is_last = self.waiting.len() < 2;
        let block = self.waiting.front()?;
        if !self.is_begun {
            self.is_begun = true;
            return Some(Step::Begin(block.begun()));
        }
        let more = block.words().get(self.told..).unwrap_or_default();
        if !more.is_empty() {
            self.told = block.words().len();
            return Some(Step::More(more.to_owned()));
        }
        if !self.is_over && (is_last || !block.is_whole()) {
            return None;
        }
        (self.told, self.is_begun) = (0, false);
        self.waiting.pop_front().map(Step::End)
    }

    /// Whether all was told.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// All that it holds, once it is over.
    pub(super) fn into_whole(mut self) -> Vec<Block> {
        self.end();
        self.waiting.into()
    }

    /// Adds words to the last block, if it is of this kind; to a new one else.
    fn write(&mut self, more: &str, kind: Block) {
        if more.is_empty() {
            return;
        }
        match (self.waiting.back_mut(), &kind) {
            (Some(Block::Text(text)), Block::Text(_))
            | (Some(Block::Refusal(text)), Block::Refusal(_))
            | (Some(Block::Thought { text, signature: None }), Block::Thought { .. }) => text.push_str(more),
            _ => self.waiting.push_back(kind.holding(more)),
        }
    }

    /// A proof is of the thought before it, or of one that is not told.
    fn sign(&mut self, proof: &str) {
        match self.waiting.back_mut() {
            Some(Block::Thought { signature: signature @ None, .. }) => *signature = Some(proof.to_owned()),
            _ => self
                .waiting
                .push_back(Block::Thought { text: String::new(), signature: Some(proof.to_owned()) }),
        }
    }
}

impl Block {
    /// The same before its first word.
    fn begun(&self) -> Self {
        match self {
            Self::Text(_) => Self::Text(String::new()),
            Self::Refusal(_) => Self::Refusal(String::new()),
            Self::Thought { .. } => Self::Thought { text: String::new(), signature: None },
            Self::Proof(proof) => Self::Proof(proof.clone()),
            Self::Call(call) => Self::Call(Call { arguments: String::new(), ..call.clone() }),
        }
    }

    fn holding(mut self, words: &str) -> Self {
        if let Self::Text(text) | Self::Refusal(text) | Self::Thought { text, .. } = &mut self {
            words.clone_into(text);
        }
        self
    }

    fn words(&self) -> &str {
        match self {
            Self::Text(text) | Self::Refusal(text) | Self::Thought { text, .. } => text,
            Self::Proof(_) => "",
            Self::Call(call) => &call.arguments,
        }
    }

    /// Whether it can be over when another has begun.
    fn is_whole(&self) -> bool {
        match self {
            Self::Call(call) => is_object(&call.arguments),
            _ => true,
        }
    }
}

/// Whether `json` is an object, whole.
pub(super) fn is_object(json: &str) -> bool {
    // Blanks as JSON has them: other ones are no part of it.
    let json = json.trim_matches(BLANKS);
    json.starts_with('{') && json.ends_with('}') && serde_json::from_str::<IgnoredAny>(json).is_ok()
}
