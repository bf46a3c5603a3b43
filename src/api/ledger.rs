//! The ledger as administrators and owners read it, and refunds.

use serde::{Serialize, Serializer};

use crate::api::answer::{Answer, Exact};
use crate::api::body::Fields;
use crate::api::query::{Page, Query};
use crate::api::refusal::Refusal;
use crate::api::shown::Listed;
use crate::api::{Call, Desk};
use crate::clock::Timestamp;
use crate::ids::{RequestId, TokenId};
use crate::ledger::Outcome;
use crate::money::Money;
use crate::store::chain::LedgerRow;
use crate::store::entries::{self, Entry, EntryFilter};
use crate::store::{Denied, Sql, Txn, audit};
use crate::usage::Usage;

/// Rows looked at in one question to the store.
const SLICE: i64 = 50_000;

/// Above this many rows a filtered page does not count all that match: its `total` is null.
const COUNT_MOST: i64 = 200_000;

/// The longest reason, in characters.
const REASON_MOST: usize = 500;

#[derive(Debug, Serialize)]
struct ShownEntry {
    id: String,
    seq: i64,
    time: i64,
    token: Option<i64>,
    token_id: Option<i64>,
    user: Option<i64>,
    user_id: Option<i64>,
    model: String,
    channel: String,
    attempts: i64,
    outcome: String,
    input_tokens: i64,
    output_tokens: i64,
    usage: Kinds,
    usage_source: String,
    held_usd: Exact,
    charged_usd: Exact,
    overrun_usd: Exact,
    granted_usd: Exact,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_of: Option<String>,
    note: String,
}

/// Usage by kind.
#[derive(Debug)]
struct Kinds([i64; Usage::KINDS]);

impl Serialize for Kinds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Usage::NAMES.iter().zip(self.0))
    }
}

impl ShownEntry {
    fn new((seq, row): Entry) -> Self {
        let dollars = |nanos| Exact::dollars(Money::from_nanos(nanos));
        let (refund_of, note) = split_note(&row);
        let (input_tokens, output_tokens) = Usage::totals(&row.usage);
        Self {
            id: RequestId::from_bytes(row.id).to_string(),
            seq,
            time: Timestamp::from_millis(row.at).secs(),
            token: (row.token_id != 0).then_some(row.token_id),
            token_id: (row.token_id != 0).then_some(row.token_id),
            user: (row.user_id != 0).then_some(row.user_id),
            user_id: (row.user_id != 0).then_some(row.user_id),
            model: row.model.to_string(),
            channel: row.channel.to_string(),
            attempts: row.attempts,
            outcome: row.outcome.into_owned(),
            input_tokens,
            output_tokens,
            usage: Kinds(row.usage),
            usage_source: row.usage_source.into_owned(),
            held_usd: dollars(row.held),
            charged_usd: dollars(row.charged),
            overrun_usd: dollars(row.overrun),
            granted_usd: dollars(row.granted),
            refund_of,
            note,
        }
    }
}

/// An adjust row's note is the id of the row that it gives back, and the reason.
fn split_note(row: &LedgerRow) -> (Option<String>, String) {
    match row.note.split_once(' ') {
        Some((id, reason)) if row.outcome == Outcome::Adjust.as_str() => {
            (Some(id.to_owned()), reason.to_owned())
        }
        _ => (None, row.note.clone()),
    }
}

impl Desk {
    pub(super) async fn ledger(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let query = Query::parse(call.query, &["page", "page_size", "token_id", "request_id", "outcome"])?;
        let page = query.page()?;
        let filter = EntryFilter {
            token: query.integer("token_id", 1..=i64::MAX)?.map(TokenId),
            user: call.sees(),
            outcome: read_outcome(&query)?,
        };
        let (rows, total) = match query.get("request_id") {
            Some(id) => self.entries_of_request(id, &filter, page).await?,
            None if filter.is_all() => self.newest_entries(page).await?,
            None => self.filtered_entries(filter, page).await?,
        };
        let items: Vec<_> = rows.into_iter().map(ShownEntry::new).collect();
        Ok(Answer::amounts(Listed { items, total, page: page.number, page_size: page.size }))
    }

    async fn entries_of_request(
        &self,
        id: &str,
        filter: &EntryFilter,
        page: Page,
    ) -> Result<(Vec<Entry>, Option<i64>), Refusal> {
        let id = RequestId::parse(id).ok_or_else(|| Refusal::field("request_id", "must be a UUID"))?;
        let mut rows = self.read(move |sql| entries::of_request(sql, id)).await?;
        rows.retain(|(_, row)| filter.permits(row));
        let total = i64::try_from(rows.len()).ok();
        let skip = usize::try_from(page.offset()).unwrap_or(usize::MAX);
        let take = usize::try_from(page.size).unwrap_or(usize::MAX);
        Ok((rows.into_iter().skip(skip).take(take).collect(), total))
    }

    /// Every row: numbers have no gap, so a page's place is known.
    async fn newest_entries(&self, page: Page) -> Result<(Vec<Entry>, Option<i64>), Refusal> {
        let question = move |sql: &Sql| {
            let (low, high) = entries::extent(sql)?;
            let top = high.saturating_sub(page.offset()).max(low);
            let bottom = top.saturating_sub(page.size).max(low);
            let slice = entries::slice(sql, (bottom, top), &EntryFilter::default(), (0, page.size))?;
            Ok((slice.rows, Some(high.saturating_sub(low))))
        };
        self.read(question).await
    }

    /// Rows that match, newest first, slice by slice: each is a question of its own, so none is long.
    async fn filtered_entries(
        &self,
        filter: EntryFilter,
        page: Page,
    ) -> Result<(Vec<Entry>, Option<i64>), Refusal> {
        let (low, high) = self.read(entries::extent).await?;
        let count_all = high.saturating_sub(low) <= COUNT_MOST;
        let (mut rows, mut matched, mut top) = (Vec::new(), 0_i64, high);
        while top > low {
            let bottom = top.saturating_sub(SLICE).max(low);
            let found = i64::try_from(rows.len()).unwrap_or(i64::MAX);
            let wanted = (page.offset().saturating_sub(matched).max(0), page.size.saturating_sub(found));
            if wanted.1 <= 0 && !count_all {
                return Ok((rows, None));
            }
            let (filter, span) = (filter.clone(), (bottom, top));
            let slice = self.read(move |sql| entries::slice(sql, span, &filter, wanted)).await?;
            matched = matched.saturating_add(slice.matched);
            rows.extend(slice.rows);
            top = bottom;
        }
        Ok((rows, Some(matched)))
    }

    pub(super) async fn refund(&self, call: &Call<'_>, id: &str) -> Result<Answer, Refusal> {
        let id = RequestId::parse(id).ok_or(Refusal::NotFound("ledger row"))?;
        let reason = read_reason(&Fields::of_body(call.body)?)?;
        let author = call.author();
        let refund = move |txn: &mut Txn<'_>| {
            let missing = || Denied::Refused(Refusal::NotFound("ledger row"));
            let found = entries::of_request(txn.sql(), id)?;
            let (seq, row) = found.into_iter().next().ok_or_else(missing)?;
            if entries::refund_of(txn.sql(), id)?.is_some() {
                return Err(Denied::Refused(Refusal::AlreadyRefunded));
            }
            if row.outcome == Outcome::Adjust.as_str() || row.charged <= 0 {
                return Err(Denied::Refused(Refusal::field("id", "this row charged nothing to give back")));
            }
            let adjust = txn.refund(&row, format!("{id} {reason}"))?;
            let after = serde_json::json!({ "id": id.to_string(), "charged": row.charged, "reason": reason });
            audit::record(txn, &author, "ledger.refund", seq, (None, Some(after.to_string())))?;
            let entry = entries::of_request(txn.sql(), adjust)?.into_iter().next().ok_or_else(missing)?;
            Ok((entry, Vec::new()))
        };
        let entry = self.write(None, Refusal::Storage, refund).await?;
        Ok(Answer::amounts(ShownEntry::new(entry)))
    }
}

fn read_outcome(query: &Query) -> Result<Option<Outcome>, Refusal> {
    let Some(word) = query.get("outcome") else { return Ok(None) };
    Outcome::parse(word).map(Some).ok_or_else(|| {
        let words = Outcome::ALL.map(Outcome::as_str).join(", ");
        Refusal::field("outcome", format!("must be one of: {words}"))
    })
}

fn read_reason(fields: &Fields<'_>) -> Result<String, Refusal> {
    fields.allow(&["reason"], &[])?;
    let reason = fields.text("reason")?.ok_or_else(|| fields.fault("reason", "is required"))?;
    let length = reason.chars().count();
    if !(1..=REASON_MOST).contains(&length) || reason.chars().any(char::is_control) {
        let why = format!("must have 1 to {REASON_MOST} characters, none of them a control character");
        return Err(fields.fault("reason", why));
    }
    Ok(reason)
}
