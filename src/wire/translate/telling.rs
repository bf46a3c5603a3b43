//! What a provider answers, whatever its dialect: what `hear` of each provider's makes, and `tell` of each client's takes. An answer
//! is a row of [`Delta`]s, one that comes whole as well as one that streams. What it costs is not read from here: the meter reads
//! the provider's own bytes. Beside it [`Asked`]: what of the client's own request the telling needs.

use bytes::Bytes;

use crate::wire::meter::UsageEvent;

/// What a client asked, as far as it steers how it is answered. The telling of a stream takes one whole; that of an answer borrows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// When, in Unix seconds.
    pub(super) created: i64,
    /// Whether a stream of chat ends with its usage.
    pub(super) usage_event: UsageEvent,
    /// The client's own body: some dialects repeat parts of it.
    pub(super) body: Bytes,
    /// The model, as the client calls it.
    pub(super) model: String,
}

/// A step of an answer. The order: [`Delta::Begin`] first, [`Delta::Finish`] behind all content; the last [`Delta::Figures`] hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delta {
    /// It begins.
    Begin {
        /// The provider's name of it.
        id: String,
        /// The provider's name of the model.
        model: String,
    },
    /// More words.
    Text(String),
    /// More of what the model thinks, as far as the provider tells.
    Thought(String),
    /// The provider's proof of what was thought, whole.
    Signature(String),
    /// The model calls a tool.
    Call {
        /// Counts the calls of this answer, from 0.
        index: usize,
        /// The provider's name of the call; made here where it gives none.
        id: String,
        /// The tool.
        name: String,
        /// The provider's proof that it thought before it called.
        signature: Option<String>,
    },
    /// More of a call's arguments: pieces of one JSON object. A call without any is `{}`, said before [`Delta::Finish`] at the
    /// latest.
    Arguments {
        /// Of [`Delta::Call`].
        index: usize,
        /// The piece.
        json: String,
    },
    /// The model, or its provider, says that it will not answer.
    Refusal(String),
    /// Why it ended.
    Finish(Finish),
    /// What was used so far.
    Figures(Figures),
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// The model had said all.
    End,
    /// One of the client's stop texts; which, where the provider says so.
    Stop(Option<String>),
    /// The cap, or the model's window.
    Length,
    /// It waits for the outcome of tools.
    Calls,
    /// The provider or the model refused.
    Refused,
}

/// The provider's figures, as far as they can be told: units of text.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// All input, the cached among it.
    pub(super) input: i64,
    /// Of the input, what came from the cache.
    pub(super) cached: i64,
    /// Of the input, what was written to the cache.
    pub(super) cache_write: i64,
    /// All output, the thoughts among it.
    pub(super) output: i64,
    /// Of the output, what was thought.
    pub(super) thought: i64,
}
