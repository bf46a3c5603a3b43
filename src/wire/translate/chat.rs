//! OpenAI's chat: what a client asks in it, and how it is answered.

pub(super) mod read;
pub(super) mod tell;
