//! The wire: other people's formats, sans-io. Bytes in, values out: what a request asks ([`Ask`]), what a reply used
//! ([`Meter`]), where an event ends ([`Splitter`]), how an error reads in the caller's dialect ([`fault`]), how one dialect is
//! told in another ([`Translation`]), and in the one table of routes which of these belong together ([`Route`]).
//! Owns no price, no limit, no connection; must not know of tokens, the catalogue or HTTP libraries.

mod array;
mod ask;
mod count;
mod endpoints;
pub mod fault;
mod json;
mod meter;
mod multipart;
mod outgoing;
pub mod percent;
mod sound;
mod sse;
mod translate;

pub use array::ArraySplitter;
pub use ask::{Ask, AskFault, AskLimits, Form, ServiceTier};
pub use count::count;
pub use endpoints::{Call, Charge, Cut, Dialect, Lookup, Route, Work, find, methods};
pub use json::{JsonFault, members};
pub use meter::{Answer, Meter, Metering, Reading, Step, UsageEvent};
pub use multipart::{BodyType, FormFault, body_type, fields};
pub use outgoing::{CAP_FIELDS, Outgoing, outgoing};
pub use sse::{Event, EventTooLarge, Splitter};
pub use translate::{Manner, Retelling, Translation, targets};
