//! A token's row: what is in it, and what requests and the audit see of it.

use std::sync::Arc;

use rusqlite::Row;
use rusqlite::types::Type;

use crate::clock::Timestamp;
use crate::ids::{TokenId, UserId};
use crate::ledger::Limits;
use crate::money::Money;
use crate::store::Effect;
use crate::store::common::Common;
use crate::tokens::{ApiToken, Scopes};

/// What an administrator may set of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// 1–50 characters.
    pub name: String,
    /// Whether it was not disabled.
    pub enabled: bool,
    /// Milliseconds since the epoch; -1 is never.
    pub expires_at: i64,
    /// Whether its total binds nothing.
    pub unlimited: bool,
    /// Per calendar window; zero is none.
    pub limits: Limits,
    /// Whether only the models of the list may be used.
    pub model_limits_enabled: bool,
    /// The list, as it was given.
    pub model_limits: String,
    /// The channel group; empty is `default`.
    pub group: String,
    /// Whether other groups are tried.
    pub cross_group_retry: bool,
    /// Addresses and networks, as they were given; empty is any.
    pub allow_ips: String,
    /// Requests per minute; 0 is no limit.
    pub rpm: i64,
    /// Input and output tokens per minute; 0 is no limit.
    pub tpm: i64,
    /// Requests in flight; 0 is no limit.
    pub max_concurrency: i64,
    /// What it is good for.
    pub scopes: Scopes,
    /// A JSON object of strings.
    pub metadata: String,
}

impl TokenSettings {
    /// A token of this name that may spend nothing yet and has no limit besides.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            enabled: true,
            expires_at: -1,
            unlimited: false,
            limits: Limits::default(),
            model_limits_enabled: false,
            model_limits: String::new(),
            group: String::new(),
            cross_group_retry: false,
            allow_ips: String::new(),
            rpm: 0,
            tpm: 0,
            max_concurrency: 0,
            scopes: Scopes::Inference,
            metadata: "{}".to_owned(),
        }
    }
}

/// A live token's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its number.
    pub id: TokenId,
    /// Whose it is.
    pub user: UserId,
    /// Who made it: one of the schema's words.
    pub origin: String,
    /// What may be set.
    pub settings: TokenSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a request of it was last settled.
    pub accessed_at: Timestamp,
    /// All that was granted.
    pub granted: Money,
    /// All that was charged.
    pub used: Money,
    /// The public name of its current key.
    pub fingerprint: String,
}

impl TokenRecord {
    /// The token as requests meet it.
    ///
    /// # Errors
    /// When a list in the row cannot be read: it was changed from outside, and must not widen what the token may do.
    pub fn to_live(&self) -> rusqlite::Result<ApiToken> {
        let (settings, mut common) = (&self.settings, Common::default());
        let models =
            if settings.model_limits_enabled { Some(common.models(&settings.model_limits)?) } else { None };
        Ok(ApiToken {
            id: self.id,
            user: self.user,
            enabled: settings.enabled,
            expires_at: end_of(settings.expires_at),
            models,
            ips: common.ips(&settings.allow_ips)?,
            group: common.group(&settings.group),
            cross_group_retry: settings.cross_group_retry,
            rpm: settings.rpm,
            tpm: settings.tpm,
            max_concurrency: settings.max_concurrency,
            scopes: settings.scopes,
        })
    }

    /// What memory takes over of it.
    ///
    /// # Errors
    /// As [`TokenRecord::to_live`].
    pub fn to_effect(&self) -> rusqlite::Result<Effect> {
        Ok(Effect::PutToken {
            token: Arc::new(self.to_live()?),
            unlimited: self.settings.unlimited,
            limits: self.settings.limits,
        })
    }

    /// The row as the audit keeps it: amounts in nanodollars, times in milliseconds.
    pub fn to_audit(&self) -> String {
        let settings = &self.settings;
        serde_json::json!({
            "id": self.id.0, "user_id": self.user.0, "name": settings.name, "enabled": settings.enabled,
            "expires_at": settings.expires_at, "unlimited": settings.unlimited,
            "granted": self.granted.nanos(), "used": self.used.nanos(),
            "daily_limit": settings.limits.daily.nanos(), "monthly_limit": settings.limits.monthly.nanos(),
            "model_limits_enabled": settings.model_limits_enabled, "model_limits": settings.model_limits,
            "group": settings.group, "cross_group_retry": settings.cross_group_retry,
            "allow_ips": settings.allow_ips, "rpm": settings.rpm, "tpm": settings.tpm,
            "max_concurrency": settings.max_concurrency, "scopes": settings.scopes.names(),
            "metadata": settings.metadata, "fingerprint": self.fingerprint,
        })
        .to_string()
    }
}

/// A column whose text is none that this program writes.
pub(super) fn unreadable(column: usize, name: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("unreadable {name}").into())
}

/// A stored end in milliseconds; -1 is none.
pub(super) fn end_of(millis: i64) -> Option<Timestamp> {
    (millis != -1).then(|| Timestamp::from_millis(millis))
}

/// Reads a row of `sql/token_select.sql`.
///
/// # Errors
/// Of the store, and on scopes that cannot be read.
pub(super) fn read_token(row: &Row<'_>) -> rusqlite::Result<TokenRecord> {
    let scopes: String = row.get(21)?;
    Ok(TokenRecord {
        id: TokenId(row.get(0)?),
        user: UserId(row.get(1)?),
        origin: row.get(2)?,
        settings: TokenSettings {
            name: row.get(3)?,
            enabled: row.get::<_, i64>(4)? == 1,
            expires_at: row.get(7)?,
            unlimited: row.get(8)?,
            limits: Limits {
                daily: Money::from_nanos(row.get(11)?),
                monthly: Money::from_nanos(row.get(12)?),
            },
            model_limits_enabled: row.get(13)?,
            model_limits: row.get(14)?,
            group: row.get(15)?,
            cross_group_retry: row.get(16)?,
            allow_ips: row.get(17)?,
            rpm: row.get(18)?,
            tpm: row.get(19)?,
            max_concurrency: row.get(20)?,
            scopes: Scopes::parse(scopes.split(',')).ok_or_else(|| unreadable(21, "scopes"))?,
            metadata: row.get(22)?,
        },
        created_at: Timestamp::from_millis(row.get(5)?),
        accessed_at: Timestamp::from_millis(row.get(6)?),
        granted: Money::from_nanos(row.get(9)?),
        used: Money::from_nanos(row.get(10)?),
        fingerprint: row.get(23)?,
    })
}
