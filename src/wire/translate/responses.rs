//! OpenAI's responses: what a client asks in them, and how it is told. No provider is asked in them so far. Must not know of other
//! dialects.

pub(super) mod read;
mod seal;
pub(super) mod tell;
mod tools;
