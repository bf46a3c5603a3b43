//! Anthropic's messages: how its models are asked, and what they answer.

pub(super) mod hear;
pub(super) mod read;
pub(super) mod tell;
pub(super) mod write;
