//! Starts env_logger, with lines that are one line whatever is in them: as text for people, or as JSON.

use std::fmt::Write as _;
use std::io;

use chrono::{DateTime, SecondsFormat, Utc};
use env_logger::Builder;
use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use serde_json::Map;

use crate::clock::{Clock, Timestamp};
use crate::telemetry::log_queue::LogQueue;

/// How a line is written.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends the log to standard error. `RUST_LOG` goes before `level`.
///
/// # Errors
/// When there is no thread to be had, or there is a log already.
pub fn start_logging(format: LogFormat, level: LevelFilter, clock: Clock) -> io::Result<()> {
    let queue = LogQueue::start()?;
    let told = rust_log();
    let filter = Builder::new().parse_filters(told.as_deref().unwrap_or(level.as_str())).build();
    log::set_max_level(filter.filter());
    log::set_boxed_logger(Box::new(QueuedLogger { filter, format, clock, queue })).map_err(io::Error::other)
}

/// What `RUST_LOG` says. Set to nothing, as a line of an environment file may set it, it says nothing.
#[expect(
    clippy::disallowed_methods,
    reason = "the variable is env_logger's own, which has no word for an empty one"
)]
fn rust_log() -> Option<String> {
    std::env::var("RUST_LOG").ok().filter(|told| !told.trim().is_empty())
}

/// What env_logger lets through, written to the queue.
struct QueuedLogger {
    filter: env_logger::Logger,
    format: LogFormat,
    clock: Clock,
    queue: LogQueue,
}

impl Log for QueuedLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.filter.matches(record) {
            self.queue.put(match self.format {
                LogFormat::Text => text_line(record, self.clock.now()),
                LogFormat::Json => json_line(record, self.clock.now()),
            });
        }
    }

    fn flush(&self) {
        self.queue.drain();
    }
}

/// Room for a request's line.
const LINE: usize = 384;

fn spell(at: Timestamp) -> String {
    let at = DateTime::<Utc>::from_timestamp_millis(at.millis()).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn text_line(record: &Record<'_>, at: Timestamp) -> String {
    let mut line = String::with_capacity(LINE);
    let _ = write!(line, "{} {:5} ", spell(at), record.level());
    match record.args().as_str() {
        Some(message) => escape_into(&mut line, message),
        None => escape_into(&mut line, &record.args().to_string()),
    }
    drop(record.key_values().visit(&mut TextPairs(&mut line)));
    line.push('\n');
    line
}

/// Whether a character begins a line, moves a cursor or turns the direction of writing.
fn is_unruly(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes `text` with its control characters escaped, so that nothing in it begins a line or moves a cursor.
fn escape_into(line: &mut String, text: &str) {
    for character in text.chars() {
        if is_unruly(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
}

struct TextPairs<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for TextPairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        if let Some(text) = value.to_borrowed_str() {
            put_pair(self.0, key.as_str(), text);
        } else if let Some(number) = value.to_i64() {
            let _ = write!(self.0, " {key}={number}");
        } else {
            let text = value.to_string();
            if text != "None" {
                put_pair(self.0, key.as_str(), &text);
            }
        }
        Ok(())
    }
}

/// One pair of a text line: its value as it is where nobody can misread that, else quoted.
fn put_pair(line: &mut String, key: &str, text: &str) {
    let is_plain = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\'));
    line.push(' ');
    line.push_str(key);
    line.push('=');
    if is_plain {
        line.push_str(text);
    } else {
        let _ = write!(line, "{text:?}");
    }
}

fn json_line(record: &Record<'_>, at: Timestamp) -> String {
    let mut object = Map::new();
    object.insert("time".to_owned(), spell(at).into());
    object.insert("level".to_owned(), record.level().as_str().into());
    object.insert("message".to_owned(), record.args().to_string().into());
    drop(record.key_values().visit(&mut JsonPairs(&mut object)));
    let json = serde_json::to_string(&object).unwrap_or_default();
    let mut line = String::with_capacity(json.len() + 1);
    for character in json.chars() {
        // JSON lets many of them stand as they are. None has more than four hex digits.
        if is_unruly(character) {
            let _ = write!(line, "\\u{:04x}", u32::from(character));
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    line
}

struct JsonPairs<'a>(&'a mut Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for JsonPairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let json = match value.to_i64() {
            Some(number) => number.into(),
            None => {
                let text = value.to_string();
                if value.to_borrowed_str().is_none() && text == "None" {
                    return Ok(());
                }
                text.into()
            }
        };
        self.0.insert(key.as_str().to_owned(), json);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use log::kv::ToValue;

    use super::*;

    fn line(format: fn(&Record<'_>, Timestamp) -> String, name: &str) -> String {
        let pairs: &[(&str, Value<'_>)] =
            &[("model", Value::from(name)), ("ms", Value::from(7)), ("code", None::<i64>.to_value())];
        let args = format_args!("request");
        let record = Record::builder().args(args).level(log::Level::Info).key_values(&pairs).build();
        format(&record, Timestamp::from_secs(0))
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(line(text_line, "gpt-5"), "1970-01-01T00:00:00.000Z INFO  request model=gpt-5 ms=7\n");
        let forged = "x\n2026-11-24 INFO forged \u{1b}[2J";
        assert_eq!(
            line(text_line, forged),
            "1970-01-01T00:00:00.000Z INFO  request model=\"x\\n2026-11-24 INFO forged \\u{1b}[2J\" ms=7\n"
        );
        let json = line(json_line, forged);
        assert_eq!(json.matches('\n').count(), 1);
        let object: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&object["model"], &object["ms"], object.get("code")), (&forged.into(), &7.into(), None));
        let unruly = "a\u{9b}2J\u{7f}\u{202e}b\u{2028}é";
        let json = line(json_line, unruly);
        assert!(json.contains(r"a\u009b2J\u007f\u202eb\u2028é"), "{json}");
        let object: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(object["model"], unruly);
    }
}
