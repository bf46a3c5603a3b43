//! The line that is logged for each request: metadata alone.

use std::time::Instant;

use crate::ids::{RequestId, TokenId, UserId};
use crate::money::Money;

/// What is known of a request; filled in on its way, and logged once when it ends.
#[derive(Debug)]
pub struct RequestLine {
    id: RequestId,
    method: String,
    path: String,
    began: Instant,
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
}

impl RequestLine {
    /// A request that has just come in. Its path is without the query, which may hold a key.
    pub fn begin(id: RequestId, method: &str, path: &str) -> Self {
        let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
        Self {
            id,
            method: cut(method, 20),
            path: cut(path, 200),
            began: Instant::now(),
            token: None,
            model: None,
            channel: None,
            outcome: None,
            usage: None,
            charged: None,
        }
    }

    /// Logs it, with the status the client was sent and, for a refusal, its code.
    pub fn log(self, status: u16, code: Option<&str>) {
        if !log::log_enabled!(target: "tollgate::request", log::Level::Info) {
            return;
        }
        let millis = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let model: Option<String> = self.model.map(|model| model.chars().take(100).collect());
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
