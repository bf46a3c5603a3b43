//! Gemini's dialect, as its provider speaks it: `write` makes the body of `generateContent`, with the conversation from `contents`
//! and the thinking from `thinking`; `hear` reads what comes back. The model and whether the answer streams are in the path,
//! so no body says them. Must not know who asks, or in which dialect.

mod contents;
pub(super) mod hear;
#[cfg(test)]
mod tests;
mod thinking;
pub(super) mod write;

/// Why something cannot be said.
const INEXPRESSIBLE: &str = "has no counterpart in the API of this model's provider (Gemini), and is not dropped in silence; leave it out";
