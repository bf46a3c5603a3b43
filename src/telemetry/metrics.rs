//! What is counted, for `GET /metrics`. The path of a request costs a few atomic additions; the page is written when it is
//! asked for. Labels are bounded: routes are those of the tables, and a model has a label of its own only when the
//! configuration or the catalogue names it and it was served. All others are `other`.

mod histogram;
mod text;

use std::collections::{BTreeSet, HashMap};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::money::Money;
use crate::telemetry::log_queue::lines_dropped;

use histogram::{Histogram, SIZES, TIMES, Unit};
use text::Text;

/// The content type of the page.
pub const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What went wrong with a provider.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum UpstreamError {
    /// No connection stood.
    Unreachable,
    /// No connection stood in time.
    ConnectTimeout,
    /// TLS failed.
    Tls,
    /// The connection ended before an answer's head, or that was no HTTP.
    NoHead,
    /// No head, event or end in time.
    Timeout,
    /// The answer broke off.
    Cut,
    /// A status that is the channel's trouble, not the caller's.
    Status,
    /// A status that is the caller's trouble.
    Refused,
    /// An error, or no answer, under a good status.
    NotAnAnswer,
    /// A stream without its terminator.
    NoTerminator,
    /// An answer or an event beyond the bound.
    TooLarge,
}

impl UpstreamError {
    const ALL: [(Self, &'static str); 11] = [
        (Self::Unreachable, "unreachable"),
        (Self::ConnectTimeout, "connect_timeout"),
        (Self::Tls, "tls"),
        (Self::NoHead, "no_head"),
        (Self::Timeout, "timeout"),
        (Self::Cut, "cut"),
        (Self::Status, "status"),
        (Self::Refused, "refused"),
        (Self::NotAnAnswer, "not_an_answer"),
        (Self::NoTerminator, "no_terminator"),
        (Self::TooLarge, "too_large"),
    ];
}

/// What is asked of the rooms when the page is written.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Gauges {
    /// Operations that wait for the writer.
    pub queue_depth: usize,
    /// Exchanges that run, streams and others.
    pub running: usize,
    /// Whether the store can record.
    pub is_recording: bool,
}

/// A request that has ended.
#[derive(Copy, Clone, Debug)]
pub struct Ended<'a> {
    /// Its row in a table of routes.
    pub route: &'static str,
    /// What the client was sent.
    pub status: u16,
    /// The model asked for.
    pub model: Option<&'a str>,
    /// Whether a channel was found for it and its money held.
    pub is_served: bool,
    /// Input and output tokens.
    pub usage: Option<(i64, i64)>,
    /// What was charged.
    pub charged: Option<Money>,
    /// What the provider billed beyond that.
    pub overrun: Money,
}

/// A model with a label, or the last one, `other`.
#[derive(Debug, Default)]
struct Model {
    name: String,
    is_served: AtomicBool,
    input: AtomicU64,
    output: AtomicU64,
    /// Nanodollars.
    cost: AtomicU64,
}

/// Route, status, and the number of the model, if one was asked for.
type Series = (&'static str, u16, Option<usize>);

/// See the room's head.
#[derive(Debug)]
pub struct Metrics {
    /// Sorted by name, but for `other`, which is the last.
    models: Box<[Model]>,
    requests: RwLock<HashMap<Series, AtomicU64>>,
    upstream_errors: [AtomicU64; UpstreamError::ALL.len()],
    overruns: AtomicU64,
    overrun_nanos: AtomicU64,
    recovered: AtomicU64,
    wal_pages: AtomicU64,
    backlog: AtomicU64,
    /// From the hold's way to the writer until it is on disk.
    pub hold: Histogram,
    /// The same of a settlement that somebody waits for.
    pub settle: Histogram,
    /// Operations of a transaction.
    pub batch: Histogram,
    /// What a transaction takes, from its begin to the end of its commit.
    pub commit: Histogram,
    /// What an exchange takes, without waiting for the provider or the client.
    pub overhead: Histogram,
}

impl Metrics {
    /// Counts of nothing yet. `models` are the names that may be labels.
    pub fn new(models: BTreeSet<String>) -> Self {
        let named = models.into_iter().map(|name| Model { name, ..Model::default() });
        let other = Model { name: "other".to_owned(), ..Model::default() };
        let times = || Histogram::new(Unit::Time, TIMES);
        Self {
            models: named.chain([other]).collect(),
            requests: RwLock::default(),
            upstream_errors: std::array::from_fn(|_| AtomicU64::new(0)),
            overruns: AtomicU64::new(0),
            overrun_nanos: AtomicU64::new(0),
            recovered: AtomicU64::new(0),
            wal_pages: AtomicU64::new(0),
            backlog: AtomicU64::new(0),
            hold: times(),
            settle: times(),
            batch: Histogram::new(Unit::Count, SIZES),
            commit: times(),
            overhead: times(),
        }
    }

    /// Counts a request.
    pub fn count(&self, ended: &Ended<'_>) {
        let model = ended.model.map(|model| self.find(model, ended));
        self.count_request((ended.route, ended.status, model));
        let Some(model) = model.and_then(|at| self.models.get(at)) else { return };
        let (input, output) = ended.usage.unwrap_or_default();
        add(&model.input, input);
        add(&model.output, output);
        add(&model.cost, ended.charged.unwrap_or_default().nanos());
        if ended.overrun > Money::ZERO {
            self.overruns.fetch_add(1, Ordering::Relaxed);
            add(&self.overrun_nanos, ended.overrun.nanos());
        }
    }

    /// Counts a fault of a provider.
    pub fn count_upstream_error(&self, error: UpstreamError) {
        let at = UpstreamError::ALL.iter().position(|(known, _)| *known == error);
        if let Some(counter) = at.and_then(|at| self.upstream_errors.get(at)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts holds that a killed process left.
    pub fn count_recovered(&self, holds: usize) {
        self.recovered.fetch_add(wide(holds), Ordering::Relaxed);
    }

    /// Notes how long the write-ahead log is.
    pub fn set_wal_pages(&self, pages: i32) {
        self.wal_pages.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
    }

    /// Notes how many operations the writer took and could not make durable yet.
    pub fn set_backlog(&self, operations: usize) {
        self.backlog.store(wide(operations), Ordering::Relaxed);
    }

    /// The number of `model`'s label. One that was never served is `other`.
    fn find(&self, model: &str, ended: &Ended<'_>) -> usize {
        let other = self.models.len().saturating_sub(1);
        let named = self.models.get(..other).unwrap_or_default();
        let Ok(at) = named.binary_search_by(|known| known.name.as_str().cmp(model)) else { return other };
        let known = named.get(at).map(|model| &model.is_served);
        if known.is_some_and(|known| known.load(Ordering::Relaxed)) {
            return at;
        }
        if ended.is_served
            && let Some(known) = known
        {
            known.store(true, Ordering::Relaxed);
            return at;
        }
        other
    }

    fn count_request(&self, series: Series) {
        {
            let requests = self.requests.read().expect("counting does not panic");
            if let Some(counter) = requests.get(&series) {
                counter.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        let mut requests = self.requests.write().expect("counting does not panic");
        requests.entry(series).or_default().fetch_add(1, Ordering::Relaxed);
    }

    /// The page.
    pub fn page(&self, gauges: Gauges) -> String {
        let mut text = Text::default();
        text.head("tollgate_build_info", "gauge", "The version that runs.");
        text.sample("tollgate_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        self.write_requests(&mut text);
        self.write_models(&mut text);
        self.write_troubles(&mut text);
        self.write_times(&mut text);
        let recording = u8::from(gauges.is_recording);
        let queue_depth = wide(gauges.queue_depth).saturating_add(self.backlog.load(Ordering::Relaxed));
        for (name, help, value) in [
            (
                "tollgate_exchanges_running",
                "Requests between hold and settlement, streams and others.",
                wide(gauges.running),
            ),
            ("tollgate_store_queue_depth", "Operations that wait for the writer.", queue_depth),
        ] {
            text.single(name, "gauge", help, value);
        }
        text.single(
            "tollgate_store_recording",
            "gauge",
            "Whether holds can be made durable (1) or not (0).",
            recording,
        );
        let pages = self.wal_pages.load(Ordering::Relaxed);
        text.single("tollgate_store_wal_pages", "gauge", "Pages in the write-ahead log.", pages);
        text.into_string()
    }

    fn write_requests(&self, text: &mut Text) {
        let name = "tollgate_requests_total";
        text.head(name, "counter", "Requests that have ended, by what the client was sent.");
        let requests = self.requests.read().expect("counting does not panic");
        let mut series: Vec<_> = requests.iter().collect();
        series.sort_by_key(|(series, _)| **series);
        for ((route, status, model), counter) in series {
            let model = model.and_then(|at| self.models.get(at)).map_or("", |model| &model.name);
            let labels = [("route", *route), ("status", &status.to_string()), ("model", model)];
            text.sample(name, &labels, counter.load(Ordering::Relaxed));
        }
    }

    fn write_models(&self, text: &mut Text) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let shown = || self.models.iter().filter(|model| model.is_shown());
        let (tokens, cost) = ("tollgate_tokens_total", "tollgate_cost_usd_total");
        text.head(tokens, "counter", "Tokens of settled requests.");
        for model in shown() {
            text.sample(tokens, &[("model", &model.name), ("direction", "input")], load(&model.input));
            text.sample(tokens, &[("model", &model.name), ("direction", "output")], load(&model.output));
        }
        text.head(cost, "counter", "US dollars charged.");
        for model in shown() {
            text.sample(cost, &[("model", &model.name)], dollars(&model.cost));
        }
    }

    fn write_troubles(&self, text: &mut Text) {
        let name = "tollgate_upstream_errors_total";
        text.head(name, "counter", "Answers of providers that were none, by what went wrong.");
        for ((_, kind), counter) in UpstreamError::ALL.iter().zip(&self.upstream_errors) {
            text.sample(name, &[("kind", kind)], counter.load(Ordering::Relaxed));
        }
        for (name, help, value) in [
            (
                "tollgate_overruns_total",
                "Requests whose provider billed more than could be charged.",
                self.overruns.load(Ordering::Relaxed).to_string(),
            ),
            (
                "tollgate_overrun_usd_total",
                "US dollars billed by providers beyond what was charged.",
                dollars(&self.overrun_nanos),
            ),
            (
                "tollgate_recovered_holds_total",
                "Holds of an earlier run that this start settled.",
                self.recovered.load(Ordering::Relaxed).to_string(),
            ),
            (
                "tollgate_log_lines_dropped_total",
                "Lines of log that standard error did not take.",
                lines_dropped().to_string(),
            ),
        ] {
            text.single(name, "counter", help, value);
        }
    }

    fn write_times(&self, text: &mut Text) {
        self.hold.write(
            text,
            "tollgate_hold_seconds",
            "From a hold's way to the writer until it is on disk.",
        );
        self.settle.write(
            text,
            "tollgate_settle_seconds",
            "From a settlement's way to the writer until it is on disk.",
        );
        self.batch.write(text, "tollgate_store_batch_operations", "Operations in one transaction.");
        self.commit.write(text, "tollgate_store_commit_seconds", "One transaction, with its flush.");
        self.overhead.write(
            text,
            "tollgate_overhead_seconds",
            "An exchange from its body to its end, without waiting for provider or client.",
        );
    }
}

impl Model {
    fn is_shown(&self) -> bool {
        self.is_served.load(Ordering::Relaxed)
            || [&self.input, &self.output, &self.cost].iter().any(|sum| sum.load(Ordering::Relaxed) > 0)
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Adds what is above zero.
fn add(sum: &AtomicU64, value: i64) {
    match u64::try_from(value) {
        Ok(0) | Err(_) => {}
        Ok(value) => drop(sum.fetch_add(value, Ordering::Relaxed)),
    }
}

fn dollars(nanos: &AtomicU64) -> String {
    Money::from_nanos(i64::try_from(nanos.load(Ordering::Relaxed)).unwrap_or(i64::MAX)).dollars()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAUGES: Gauges = Gauges { queue_depth: 3, running: 2, is_recording: true };

    /// With status 200 it was served, else refused.
    fn ended(model: &str, status: u16) -> Ended<'_> {
        let is_served = status == 200;
        Ended {
            route: "/v1/chat/completions",
            status,
            model: Some(model),
            is_served,
            usage: is_served.then_some((10, 5)),
            charged: is_served.then_some(Money::from_nanos(1_500)),
            overrun: Money::ZERO,
        }
    }

    fn metrics() -> Metrics {
        Metrics::new(["a", "b"].map(str::to_owned).into())
    }

    #[test]
    fn unknown_models_are_other_however_many_they_are() {
        let metrics = metrics();
        metrics.count(&ended("zero", 404));
        let lines = metrics.page(GAUGES).lines().count();
        for number in 0..1_000 {
            metrics.count(&ended(&format!("model-{number}"), 404));
        }
        let page = metrics.page(GAUGES);
        assert_eq!(page.lines().count(), lines);
        assert!(
            page.contains("{route=\"/v1/chat/completions\",status=\"404\",model=\"other\"} 1001\n"),
            "{page}"
        );
    }

    #[test]
    fn a_model_has_a_label_once_it_was_served() {
        let metrics = metrics();
        metrics.count(&ended("a", 402));
        metrics.count(&ended("a", 200));
        metrics.count(&ended("a", 402));
        metrics.count(&ended("wild", 200));
        let page = metrics.page(GAUGES);
        for line in [
            "tollgate_requests_total{route=\"/v1/chat/completions\",status=\"402\",model=\"other\"} 1",
            "tollgate_requests_total{route=\"/v1/chat/completions\",status=\"402\",model=\"a\"} 1",
            "tollgate_tokens_total{model=\"a\",direction=\"input\"} 10",
            "tollgate_tokens_total{model=\"other\",direction=\"output\"} 5",
            "tollgate_cost_usd_total{model=\"a\"} 0.0000015",
            "tollgate_store_queue_depth 3",
            "tollgate_exchanges_running 2",
            "tollgate_store_recording 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in {page}");
        }
        assert!(!page.contains("model=\"b\""), "{page}");
    }

    #[test]
    fn troubles_are_counted() {
        let metrics = metrics();
        metrics.count_upstream_error(UpstreamError::Timeout);
        metrics.count(&Ended { overrun: Money::from_nanos(250_000_000), ..ended("a", 200) });
        metrics.count_recovered(4);
        metrics.set_wal_pages(-1);
        metrics.set_backlog(2);
        let page = metrics.page(GAUGES);
        for line in [
            "tollgate_upstream_errors_total{kind=\"timeout\"} 1",
            "tollgate_upstream_errors_total{kind=\"tls\"} 0",
            "tollgate_overruns_total 1",
            "tollgate_overrun_usd_total 0.25",
            "tollgate_recovered_holds_total 4",
            "tollgate_store_wal_pages 0",
            "tollgate_store_queue_depth 5",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in {page}");
        }
    }
}
