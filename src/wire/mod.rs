//! The wire: other people's formats, sans-io. Bytes in, values out: what a request asks ([`Ask`]), what a reply used
//! ([`Meter`]), where an event ends ([`Splitter`]), how an error reads in the caller's dialect ([`fault`]).
//! Owns no price, no limit, no connection; must not know of tokens, the catalogue or HTTP libraries.
//!
//! One file per dialect stands beside what all dialects share; so far there is [`openai`].

mod ask;
mod count;
mod endpoints;
pub mod fault;
mod json;
mod meter;
pub mod openai;
pub mod percent;
mod sse;

pub use ask::{Ask, AskFault, AskLimits, ServiceTier};
pub use count::count;
pub use endpoints::{Endpoint, Lookup, find};
pub use json::{JsonFault, members};
pub use meter::{Answer, Meter, Reading, Step, UsageEvent};
pub use sse::Splitter;
