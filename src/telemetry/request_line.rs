//! The line that is logged for each request, which is also what the request is counted by: metadata alone.

use std::sync::Arc;
use std::time::Instant;

use crate::ids::{RequestId, TokenId, UserId};
use crate::money::Money;
use crate::telemetry::metrics::{Ended, Metrics};
use crate::tokens::KEY_LENGTH;

/// The route of what is on no table of routes.
const NO_ROUTE: &str = "other";

/// What is known of a request; filled in on its way, and logged and counted once when it ends.
#[derive(Debug)]
pub struct RequestLine {
    id: RequestId,
    method: String,
    path: String,
    began: Instant,
    metrics: Arc<Metrics>,
    /// Its row in a table of routes, as the metrics name it.
    pub route: &'static str,
    /// The token that calls, once it is identified.
    pub token: Option<(TokenId, UserId)>,
    /// The model asked for.
    pub model: Option<String>,
    /// The channel that serves it.
    pub channel: Option<String>,
    /// How the ledger has it.
    pub outcome: Option<&'static str>,
    /// Input and output tokens.
    pub usage: Option<(i64, i64)>,
    /// What was charged.
    pub charged: Option<Money>,
    /// What the provider billed beyond that.
    pub overrun: Money,
}

impl RequestLine {
    /// A request that has just come in, to be counted in `metrics`. Its path is without the query, which may hold a key.
    pub fn begin(metrics: &Arc<Metrics>, id: RequestId, method: &str, path: &str) -> Self {
        Self {
            id,
            method: shown(method, 20),
            path: shown(path, 200),
            began: Instant::now(),
            metrics: Arc::clone(metrics),
            route: NO_ROUTE,
            token: None,
            model: None,
            channel: None,
            outcome: None,
            usage: None,
            charged: None,
            overrun: Money::ZERO,
        }
    }

    /// Counts and logs it, with the status the client was sent and, for a refusal, its code.
    pub fn log(self, status: u16, code: Option<&str>) {
        self.metrics.count(&Ended {
            route: self.route,
            status,
            model: self.model.as_deref(),
            is_served: self.channel.is_some(),
            usage: self.usage,
            charged: self.charged,
            overrun: self.overrun,
        });
        if !log::log_enabled!(target: "tollgate::request", log::Level::Info) {
            return;
        }
        let millis = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let model: Option<String> = self.model.map(|model| shown(&model, 100));
        log::info!(
            target: "tollgate::request",
            id:% = self.id,
            method = self.method.as_str(),
            path = self.path.as_str(),
            status = status,
            ms = millis,
            token = self.token.map(|(token, _)| token.0),
            user = self.token.map(|(_, user)| user.0),
            model = model.as_deref(),
            channel = self.channel.as_deref(),
            outcome = self.outcome,
            code = code,
            input = self.usage.map(|(input, _)| input),
            output = self.usage.map(|(_, output)| output),
            charged_usd = self.charged.map(Money::dollars).as_deref();
            "request"
        );
    }
}

/// The first `most` characters of what a client wrote, and of a key that it put into the wrong place only that there was one.
fn shown(text: &str, most: usize) -> String {
    if text.len() <= most && !text.contains("sk-") {
        return text.to_owned();
    }
    let mut rest = text;
    let mut line = String::new();
    while let Some((before, after)) = rest.split_once("sk-") {
        let length = after.bytes().take_while(u8::is_ascii_alphanumeric).count();
        line.push_str(before);
        line.push_str("sk-");
        rest = if length >= KEY_LENGTH { after.get(length..).unwrap_or_default() } else { after };
        if length >= KEY_LENGTH {
            line.push('…');
        }
    }
    line.push_str(rest);
    line.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_wrong_place_is_not_shown() {
        let key = "a".repeat(KEY_LENGTH);
        for (text, line) in [
            ("/v1/models".to_owned(), "/v1/models"),
            (format!("/v1/tokens/sk-{key}"), "/v1/tokens/sk-…"),
            (format!("sk-{key}/sk-short/sk-{key}x?"), "sk-…/sk-short/sk-…?"),
            ("é".repeat(500), &"é".repeat(30)),
        ] {
            assert_eq!(shown(&text, 30), line);
        }
    }
}
