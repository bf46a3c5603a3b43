//! Telemetry: the log and its one line per request, and what is counted of them. Owns how a line and the page of metrics are
//! written; must not know what a key, a prompt or a completion is: nobody hands it one.

mod log_queue;
mod logging;
mod metrics;
mod request_line;

pub use logging::{LogFormat, start_logging};
pub use metrics::{Gauges, METRICS_TYPE, Metrics, UpstreamError};
pub use request_line::RequestLine;
