//! Gemini's dialect, as its provider speaks it: `write` makes the body of `generateContent`, with the conversation from `contents`
//! and the thinking from `thinking`; `hear` reads what comes back. The model and whether the answer streams are in the path,
//! so no body says them. Must not know who asks, or in which dialect.

mod contents;
pub(super) mod hear;
#[cfg(test)]
mod tests;
mod thinking;
pub(super) mod write;
