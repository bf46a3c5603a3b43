//! OpenAI's chat: what a client asks in it and how it is answered, and how a model of one who speaks it is asked and heard.

pub(super) mod hear;
pub(super) mod read;
pub(super) mod tell;
#[cfg(test)]
mod tests;
pub(super) mod write;
