//! Telemetry: the log and its one line per request. Owns how a line is written; must not know what a key, a prompt or a
//! completion is: nobody hands it one.

mod log_queue;
mod logging;
mod request_line;

pub use logging::{LogFormat, start_logging};
pub use request_line::RequestLine;
