//! What tokens used, by day or by model.

use serde::Serialize;

use crate::api::answer::{Answer, Exact};
use crate::api::query::Query;
use crate::api::refusal::Refusal;
use crate::api::{Call, Desk};
use crate::clock::Timestamp;
use crate::ids::{TokenId, UserId};
use crate::ledger::Day;
use crate::store::usage::{self, By, UsageSum};
use crate::store::{Sql, tokens};

/// Days shown when no beginning is named, the last among them.
const DAYS: u64 = 30;

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

#[derive(Debug, Serialize)]
struct ShownUsage {
    items: Vec<Line>,
    total: Line,
}

/// One line; amounts are rounded up on each, so that the lines' sum may exceed the total by a quota for each.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    requests: i64,
    input_tokens: i64,
    output_tokens: i64,
    used_quota: i64,
    used_credits: Exact,
}

impl Line {
    fn new(name: Option<(By, String)>, sum: &UsageSum) -> Self {
        let used = sum.charged.quota_up();
        let (day, model) = match name {
            None => (None, None),
            Some((By::Day, day)) => (Some(day), None),
            Some((By::Model, model)) => (None, Some(model)),
        };
        Self {
            day,
            model,
            requests: sum.requests,
            input_tokens: sum.input,
            output_tokens: sum.output,
            used_quota: used,
            used_credits: Exact::credits(used),
        }
    }
}

impl Desk {
    pub(super) async fn token_usage(&self, call: &Call<'_>, id: TokenId) -> Result<Answer, Refusal> {
        self.usage_of(call, id, call.sees()).await
    }

    pub(super) async fn own_usage(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        self.usage_of(call, call.caller.token().id, None).await
    }

    async fn usage_of(&self, call: &Call<'_>, id: TokenId, sees: Option<UserId>) -> Result<Answer, Refusal> {
        let query = Query::parse(call.query, &["from", "to", "by"])?;
        let by = match query.get("by") {
            None | Some("day") => By::Day,
            Some("model") => By::Model,
            Some(_) => return Err(Refusal::field("by", "must be day or model")),
        };
        let days = self.days(&query)?;
        let question = move |sql: &Sql| {
            let found = tokens::find(sql, id)?.filter(|token| sees.is_none_or(|user| user == token.user));
            found.map(|_| usage::of_token(sql, id, days, by)).transpose()
        };
        let sums = self.read(question).await?.ok_or(Refusal::NotFound("token"))?;
        let mut total = UsageSum::default();
        sums.iter().for_each(|(_, sum)| total.add(sum));
        let items = sums.into_iter().map(|(name, sum)| Line::new(Some((by, name)), &sum)).collect();
        Ok(Answer::amounts(ShownUsage { items, total: Line::new(None, &total) }))
    }

    /// The days asked for, whole.
    fn days(&self, query: &Query) -> Result<(Day, Day), Refusal> {
        let day = |seconds| self.zone.windows(Timestamp::from_secs(seconds)).day;
        let now = self.clock.now().secs();
        let from = query.integer("from", 0..=LAST_SECOND)?;
        let to = query.integer("to", 0..=LAST_SECOND)?.unwrap_or(now.max(from.unwrap_or(0)));
        if from.is_some_and(|from| from > to) {
            return Err(Refusal::field("from", "must not be after to"));
        }
        let from = from.map_or_else(|| day(to).earlier(DAYS.saturating_sub(1)), day);
        Ok((from, day(to)))
    }
}
