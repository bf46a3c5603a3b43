//! Tokens and users as answers show them: what is left rounded down, what is used rounded up, to whole quota.

use serde::{Serialize, Serializer};

use crate::api::answer::Exact;
use crate::clock::Timestamp;
use crate::ledger::{Budget, TokenFigures};
use crate::money::Money;
use crate::store::tokens::{TokenRecord, TokenSettings};
use crate::store::users::UserRecord;
use crate::tokens::Key;

/// A token. Its key is in it only where it was just made.
#[derive(Clone, Serialize)]
pub struct ShownToken {
    id: i64,
    user_id: i64,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "reveal")]
    key: Option<Key>,
    fingerprint: String,
    status: i64,
    name: String,
    created_time: i64,
    accessed_time: i64,
    expired_time: i64,
    remain_quota: i64,
    remain_credits: Exact,
    unlimited_quota: bool,
    used_quota: i64,
    used_credits: Exact,
    daily_quota: i64,
    daily_credits: Exact,
    daily_used_quota: i64,
    monthly_quota: i64,
    monthly_credits: Exact,
    monthly_used_quota: i64,
    model_limits_enabled: bool,
    model_limits: String,
    group: String,
    cross_group_retry: bool,
    allow_ips: String,
    reserved_quota: i64,
    rpm: i64,
    tpm: i64,
    max_concurrency: i64,
    scopes: &'static [&'static str],
    metadata: Exact,
}

fn reveal<S: Serializer>(key: &Option<Key>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.as_ref().map_or("", Key::reveal))
}

impl ShownToken {
    /// The token of a row, with memory's figures; those of the row where memory has none.
    pub fn new(record: TokenRecord, figures: Option<TokenFigures>, now: Timestamp) -> Self {
        let figures = figures.unwrap_or_else(|| TokenFigures {
            total: Budget { granted: record.granted, used: record.used, ..Budget::default() },
            ..TokenFigures::default()
        });
        let settings = record.settings;
        let remain = figures.total.remaining().quota_down();
        let used = figures.total.used.quota_up();
        let (daily, monthly) = (settings.limits.daily.quota_down(), settings.limits.monthly.quota_down());
        let status = status(&settings, remain, now);
        Self {
            id: record.id.0,
            user_id: record.user.0,
            key: None,
            fingerprint: record.fingerprint,
            status,
            name: settings.name,
            created_time: record.created_at.secs(),
            accessed_time: record.accessed_at.secs(),
            expired_time: seconds_or_never(settings.expires_at),
            remain_quota: remain,
            remain_credits: Exact::credits(remain),
            unlimited_quota: settings.unlimited,
            used_quota: used,
            used_credits: Exact::credits(used),
            daily_quota: daily,
            daily_credits: Exact::credits(daily),
            daily_used_quota: figures.day.used.quota_up(),
            monthly_quota: monthly,
            monthly_credits: Exact::credits(monthly),
            monthly_used_quota: figures.month.used.quota_up(),
            model_limits_enabled: settings.model_limits_enabled,
            model_limits: settings.model_limits,
            group: settings.group,
            cross_group_retry: settings.cross_group_retry,
            allow_ips: settings.allow_ips,
            reserved_quota: figures.total.held.quota_up(),
            rpm: settings.rpm,
            tpm: settings.tpm,
            max_concurrency: settings.max_concurrency,
            scopes: settings.scopes.names(),
            metadata: Exact::raw(settings.metadata),
        }
    }

    /// With the key that was just made for it.
    #[must_use]
    pub fn with_key(self, key: Key) -> Self {
        Self { key: Some(key), ..self }
    }
}

/// The first that applies: 2 disabled, 3 expired, 4 exhausted, 1 enabled.
fn status(settings: &TokenSettings, remain_quota: i64, now: Timestamp) -> i64 {
    if !settings.enabled {
        2
    } else if settings.expires_at != -1 && settings.expires_at <= now.millis() {
        3
    } else if remain_quota == 0 && !settings.unlimited {
        4
    } else {
        1
    }
}

/// Stored milliseconds as Unix seconds; -1 is never.
pub fn seconds_or_never(millis: i64) -> i64 {
    if millis == -1 { -1 } else { Timestamp::from_millis(millis).secs() }
}

/// A user.
#[derive(Clone, Debug, Serialize)]
pub struct ShownUser {
    id: i64,
    name: String,
    role: &'static str,
    status: i64,
    created_time: i64,
    unlimited_quota: bool,
    remain_quota: i64,
    remain_credits: Exact,
    used_quota: i64,
    used_credits: Exact,
    reserved_quota: i64,
}

impl ShownUser {
    /// The user of a row, with memory's figures; those of the row where memory has none.
    pub fn new(record: UserRecord, budget: Option<Budget>) -> Self {
        let budget = budget.unwrap_or(Budget {
            unlimited: record.settings.unlimited,
            granted: record.granted,
            used: record.used,
            held: Money::ZERO,
        });
        let (remain, used) = (budget.remaining().quota_down(), budget.used.quota_up());
        Self {
            id: record.id.0,
            name: record.settings.name,
            role: record.settings.role.as_str(),
            status: if record.settings.enabled { 1 } else { 2 },
            created_time: record.created_at.secs(),
            unlimited_quota: record.settings.unlimited,
            remain_quota: remain,
            remain_credits: Exact::credits(remain),
            used_quota: used,
            used_credits: Exact::credits(used),
            reserved_quota: budget.held.quota_up(),
        }
    }
}

/// A page of a list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed<T> {
    /// The objects, newest first.
    pub items: Vec<T>,
    /// How many there are in all; `null` where counting them would take too long.
    pub total: Option<i64>,
    /// The page's number, from 1.
    pub page: i64,
    /// At most so many on a page.
    pub page_size: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{TokenId, UserId};

    fn record() -> TokenRecord {
        TokenRecord {
            id: TokenId(123),
            user: UserId(1),
            origin: "api".to_owned(),
            settings: TokenSettings::named("My New Token"),
            created_at: Timestamp::from_secs(1_738_483_200),
            accessed_at: Timestamp::from_secs(1_738_483_200),
            granted: Money::DOLLAR,
            used: Money::ZERO,
            fingerprint: "3fa9c1d2".to_owned(),
        }
    }

    #[test]
    fn a_token_reads_as_the_contract_says() {
        let shown = ShownToken::new(record(), None, Timestamp::from_secs(1_738_483_200));
        assert_eq!(
            serde_json::to_string(&shown).unwrap(),
            concat!(
                r#"{"id":123,"user_id":1,"fingerprint":"3fa9c1d2","status":1,"name":"My New Token","#,
                r#""created_time":1738483200,"accessed_time":1738483200,"expired_time":-1,"#,
                r#""remain_quota":500000,"remain_credits":200,"unlimited_quota":false,"used_quota":0,"used_credits":0,"#,
                r#""daily_quota":0,"daily_credits":0,"daily_used_quota":0,"monthly_quota":0,"monthly_credits":0,"#,
                r#""monthly_used_quota":0,"model_limits_enabled":false,"model_limits":"","group":"","#,
                r#""cross_group_retry":false,"allow_ips":"","reserved_quota":0,"rpm":0,"tpm":0,"max_concurrency":0,"#,
                r#""scopes":["inference"],"metadata":{}}"#
            )
        );
    }

    #[test]
    fn what_is_left_and_what_is_used_add_up_to_what_was_granted() {
        let mut record = record();
        record.used = Money::from_nanos(1);
        let shown = ShownToken::new(record, None, Timestamp::from_secs(0));
        assert_eq!((shown.remain_quota, shown.used_quota), (499_999, 1));
    }

    #[test]
    fn the_first_status_that_applies_is_shown() {
        let settings = |enabled, expires_at, unlimited| TokenSettings {
            enabled,
            expires_at,
            unlimited,
            ..TokenSettings::named("n")
        };
        let now = Timestamp::from_millis(1_000);
        for (settings, remain, shown) in [
            (settings(true, -1, false), 1, 1),
            (settings(true, -1, true), 0, 1),
            (settings(true, 1_001, false), 1, 1),
            (settings(false, 1_000, false), 0, 2),
            (settings(true, 1_000, false), 0, 3),
            (settings(true, -1, false), 0, 4),
        ] {
            assert_eq!(status(&settings, remain, now), shown);
        }
    }
}
