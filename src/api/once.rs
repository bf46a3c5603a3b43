//! Changes, and `Idempotency-Key`: what was done is not done a second time, and the answer says what it made.

use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::api::refusal::{Language, Refusal};
use crate::api::routes::Deed;
use crate::api::shown::{ShownToken, ShownUser};
use crate::api::{Answer, Call, Desk};
use crate::ids::{TokenId, UserId};
use crate::store::idempotency::{self, Once, Seen};
use crate::store::{Denied, Txn, WriteFault, tokens, users};

/// What a change gives back: its value, and the numbers of what it made or changed.
pub type Made<T> = (T, Vec<i64>);

impl Call<'_> {
    /// What must not be done twice, if the client says so.
    ///
    /// # Errors
    /// When the header is no key of that kind.
    pub fn once(&self) -> Result<Option<Once>, Refusal> {
        let Some(key) = self.idempotency_key else { return Ok(None) };
        let printable = key.iter().all(|byte| matches!(byte, 0x20..=0x7e));
        let text = std::str::from_utf8(key).ok().filter(|_| printable && (1..=255).contains(&key.len()));
        let Some(text) = text else {
            return Err(Refusal::field("Idempotency-Key", "must have 1 to 255 printable ASCII characters"));
        };
        Ok(Some(Once {
            caller: self.caller.token().id.0,
            call: format!("{} {}", self.method, self.path),
            key: text.to_owned(),
            body: Sha256::digest(self.body).into(),
        }))
    }
}

/// `change`, done once: in the same transaction it is looked up, done and recorded.
pub fn guarded<T, F>(
    once: Option<Once>,
    change: F,
) -> impl FnOnce(&mut Txn<'_>) -> Result<T, Denied<Refusal>> + Send + 'static
where
    T: Send + 'static,
    F: FnOnce(&mut Txn<'_>) -> Result<Made<T>, Denied<Refusal>> + Send + 'static,
{
    move |txn| {
        if let Some(once) = &once {
            refuse_seen(idempotency::seen(txn.sql(), once, txn.now())?).map_err(Denied::Refused)?;
        }
        let (value, made) = change(txn)?;
        if let Some(once) = &once {
            idempotency::record(txn, once, &made)?;
        }
        Ok(value)
    }
}

fn refuse_seen(seen: Seen) -> Result<(), Refusal> {
    match seen {
        Seen::Never => Ok(()),
        Seen::Done(made) => Err(Refusal::Repeated(made)),
        Seen::Conflict => Err(Refusal::IdempotencyConflict),
    }
}

/// A change's result as the call's; `fault` is told when the store fails.
///
/// # Errors
/// The change's own refusal, or `fault`.
pub fn told<T>(result: Result<T, WriteFault<Refusal>>, fault: Refusal) -> Result<T, Refusal> {
    result.map_err(|refused| match refused {
        WriteFault::Refused(refusal) => refusal,
        WriteFault::Store(reason) => {
            log::warn!("a change was not made: {reason}");
            fault
        }
    })
}

impl Desk {
    /// A change that is done once, when the client says so. `fault` is told when the store fails.
    ///
    /// # Errors
    /// The change's own refusal, or `fault`.
    pub async fn write<T, F>(&self, once: Option<Once>, fault: Refusal, change: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&mut Txn<'_>) -> Result<Made<T>, Denied<Refusal>> + Send + 'static,
    {
        told(self.store.write(guarded(once, change)).await, fault)
    }

    /// Refuses a call that was done before, before its body is judged by what has become of the world since.
    ///
    /// # Errors
    /// When it was.
    pub async fn refuse_repeated(&self, once: Option<&Once>) -> Result<(), Refusal> {
        let Some(once) = once.cloned() else { return Ok(()) };
        let now = self.clock.now();
        refuse_seen(self.read(move |sql| idempotency::seen(sql, &once, now)).await?)
    }

    /// The answer to a repeated call: what it made or changed, as it is now; `null` for what is gone.
    pub async fn repeated(&self, deed: Deed, made: &[i64]) -> Answer {
        match self.made_before(deed, made).await {
            Ok((code, data)) => {
                let message = "A call with this Idempotency-Key was done before; data is what it made or changed, as it is now";
                Answer::refused(409, code, message, Some(&data))
            }
            Err(refusal) => refusal.answer(Language::English),
        }
    }

    async fn made_before(&self, deed: Deed, made: &[i64]) -> Result<(&'static str, Box<RawValue>), Refusal> {
        Ok(match deed {
            Deed::CreateBatch => ("already_created", json_of(&self.tokens_now(made).await?)),
            Deed::CreateToken => ("already_created", json_of(&self.tokens_now(made).await?.first())),
            Deed::CreateUser => ("already_created", json_of(&self.users_now(made).await?.first())),
            Deed::CreditUser => ("already_applied", json_of(&self.users_now(made).await?.first())),
            _ => ("already_applied", json_of(&self.tokens_now(made).await?.first())),
        })
    }

    async fn tokens_now(&self, ids: &[i64]) -> Result<Vec<Option<ShownToken>>, Refusal> {
        let ids = ids.to_vec();
        let found = self
            .read(move |sql| {
                ids.into_iter().map(|id| tokens::find(sql, TokenId(id))).collect::<Result<Vec<_>, _>>()
            })
            .await?;
        Ok(found.into_iter().map(|record| record.map(|record| self.show(record))).collect())
    }

    async fn users_now(&self, ids: &[i64]) -> Result<Vec<Option<ShownUser>>, Refusal> {
        let ids = ids.to_vec();
        let found = self
            .read(move |sql| {
                ids.into_iter().map(|id| users::find(sql, UserId(id))).collect::<Result<Vec<_>, _>>()
            })
            .await?;
        Ok(found.into_iter().map(|record| record.map(|record| self.show_user(record))).collect())
    }
}

fn json_of(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
