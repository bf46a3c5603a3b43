//! Anthropic's messages: how its models are asked, and what they answer.

pub(super) mod hear;
pub(super) mod write;
