//! Money and keys of tokens and users: credits, the taking back of them, and rotation.

use std::sync::Arc;

use crate::api::answer::Answer;
use crate::api::body::{Fields, QUOTA_MOST};
use crate::api::once::{guarded, told};
use crate::api::refusal::Refusal;
use crate::api::tokens::find_seen;
use crate::api::{Call, Desk};
use crate::ids::{TokenId, UserId};
use crate::ledger::{Book, Books, StoreFault, TakeBack};
use crate::money::{Money, credits_of_quota};
use crate::store::idempotency::Once;
use crate::store::tokens::TokenRecord;
use crate::store::users::UserRecord;
use crate::store::{Denied, Txn, WriteFault, audit, keys, users};

/// The longest grace of a rotated key: 7 days, in seconds.
const GRACE_MOST: i64 = 7 * 24 * 3_600;

/// The most that may be granted to one purse over its whole life, in nanodollars (the schema's bound).
const GRANTED_MOST: Money = Money::from_nanos(1_000_000_000_000_000_000);

/// Whose money.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Purse {
    Token(TokenId),
    User(UserId),
}

impl Purse {
    fn take(self, book: &mut Book, amount: Money) -> Result<(), TakeBack> {
        match self {
            Self::Token(id) => book.take_from_token(id, amount),
            Self::User(id) => book.take_from_user(id, amount),
        }
    }

    fn give_back(self, book: &mut Book, amount: Money) {
        match self {
            Self::Token(id) => book.grant_token(id, amount),
            Self::User(id) => book.grant_user(id, amount),
        }
    }
}

/// Money that left memory before the disk knows of it (R4). Dropped, it goes back, unless it may have been written.
struct Taken {
    books: Arc<Books>,
    purse: Purse,
    amount: Money,
}

impl Taken {
    fn take(books: &Arc<Books>, purse: Purse, amount: Money) -> Result<Self, TakeBack> {
        purse.take(&mut books.lock(), amount)?;
        Ok(Self { books: Arc::clone(books), purse, amount })
    }

    /// It stays away.
    fn keep(mut self) {
        self.amount = Money::ZERO;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.amount != Money::ZERO {
            self.purse.give_back(&mut self.books.lock(), self.amount);
        }
    }
}

/// The amount of a credit: `credits` or `quota`, either way, not 0.
fn read_amount(fields: &Fields<'_>) -> Result<Money, Refusal> {
    fields.allow(&["credits", "quota"], &[])?;
    let credits = fields.signed_credits("credits")?;
    let quota = fields.integer("quota", -QUOTA_MOST..=QUOTA_MOST)?.and_then(Money::from_quota);
    let (name, amount) = match (credits, quota) {
        (Some(credits), None) => ("credits", credits),
        (None, Some(quota)) => ("quota", quota),
        (Some(_), Some(_)) => return Err(fields.fault("quota", "give credits or quota, not both")),
        (None, None) => return Err(fields.fault("credits", "is required (or quota)")),
    };
    if amount == Money::ZERO {
        return Err(fields.fault(name, "must not be 0"));
    }
    Ok(amount)
}

/// The name of the field that `body` gave.
fn amount_field(fields: &Fields<'_>) -> &'static str {
    if fields.has("quota") { "quota" } else { "credits" }
}

/// Refuses to take back more than is left and not held.
fn too_much(field: &str, fault: TakeBack) -> Refusal {
    let left = fault.left.quota_down();
    let why = format!(
        "takes back more than is left and not held: {} credits ({left} quota) are left; nothing was taken",
        credits_of_quota(left)
    );
    Refusal::field(field, why)
}

/// Refuses a credit beyond the largest amount.
fn within_bounds(field: &str, granted: Money, used: Money, amount: Money) -> Result<(), Denied<Refusal>> {
    let most = Money::MAX.less(granted.less(used)).min(GRANTED_MOST.less(granted.max(used)));
    if amount <= most {
        return Ok(());
    }
    let most = most.quota_down();
    let why =
        format!("adds more than an amount can be: at most {} credits ({most} quota)", credits_of_quota(most));
    Err(Denied::Refused(Refusal::field(field, why)))
}

impl Desk {
    pub(super) async fn credit_token(&self, call: &Call<'_>, id: TokenId) -> Result<Answer, Refusal> {
        let once = call.once()?;
        self.refuse_repeated(once.as_ref()).await?;
        let fields = Fields::of_body(call.body)?;
        let (amount, field) = (read_amount(&fields)?, amount_field(&fields));
        let (author, sees) = (call.author(), call.sees());
        // Whose it is must be known before anything is taken; what is read here never changes.
        self.read_seen(id, sees).await?;
        let credit = move |txn: &mut Txn<'_>| {
            let before = find_seen(txn.sql(), id, sees)?;
            within_bounds(field, before.granted, before.used, amount)?;
            txn.grant_token(id, before.user, amount)?;
            let after = find_seen(txn.sql(), id, sees)?;
            let both = (Some(before.to_audit()), Some(after.to_audit()));
            audit::record(txn, &author, "token.credit", id.0, both)?;
            Ok((after, vec![id.0]))
        };
        let record: TokenRecord = self.move_money(Purse::Token(id), (amount, field), once, credit).await?;
        Ok(Answer::amounts(self.show(record)))
    }

    pub(super) async fn credit_user(&self, call: &Call<'_>, id: UserId) -> Result<Answer, Refusal> {
        let once = call.once()?;
        self.refuse_repeated(once.as_ref()).await?;
        let fields = Fields::of_body(call.body)?;
        let (amount, field) = (read_amount(&fields)?, amount_field(&fields));
        let author = call.author();
        if self.read(move |sql| users::find(sql, id)).await?.is_none() {
            return Err(Refusal::NotFound("user"));
        }
        let credit = move |txn: &mut Txn<'_>| {
            let missing = || Denied::Refused(Refusal::NotFound("user"));
            let before = users::find(txn.sql(), id)?.ok_or_else(missing)?;
            within_bounds(field, before.granted, before.used, amount)?;
            txn.grant_user(id, amount)?;
            let after = users::find(txn.sql(), id)?.ok_or_else(missing)?;
            let both = (Some(before.to_audit()), Some(after.to_audit()));
            audit::record(txn, &author, "user.credit", id.0, both)?;
            Ok((after, vec![id.0]))
        };
        let record: UserRecord = self.move_money(Purse::User(id), (amount, field), once, credit).await?;
        Ok(Answer::amounts(self.show_user(record)))
    }

    /// Grants, or takes back: then memory first, and in a task of its own, so that a client that leaves in the middle can
    /// neither keep the money away nor bring it back.
    async fn move_money<T, F>(
        &self,
        purse: Purse,
        (amount, field): (Money, &str),
        once: Option<Once>,
        change: F,
    ) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&mut Txn<'_>) -> Result<(T, Vec<i64>), Denied<Refusal>> + Send + 'static,
    {
        if amount > Money::ZERO {
            return self.write(once, Refusal::Storage, change).await;
        }
        let taken = Taken::take(self.store.books(), purse, amount.negated())
            .map_err(|fault| too_much(field, fault))?;
        let store = Arc::clone(&self.store);
        let work = tokio::spawn(async move {
            let result = store.write(guarded(once, change)).await;
            match &result {
                // Perhaps written: memory must not show more than the disk.
                Ok(_) | Err(WriteFault::Store(StoreFault::TimedOut | StoreFault::Closed)) => taken.keep(),
                Err(WriteFault::Refused(_) | WriteFault::Store(_)) => drop(taken),
            }
            result
        });
        told(work.await.unwrap_or(Err(WriteFault::Store(StoreFault::Closed))), Refusal::Storage)
    }

    async fn read_seen(&self, id: TokenId, sees: Option<UserId>) -> Result<TokenRecord, Refusal> {
        let found = self.read(move |sql| crate::store::tokens::find(sql, id)).await?;
        found.filter(|record| sees.is_none_or(|user| user == record.user)).ok_or(Refusal::NotFound("token"))
    }

    pub(super) async fn rotate_token(&self, call: &Call<'_>, id: TokenId) -> Result<Answer, Refusal> {
        let once = call.once()?;
        self.refuse_repeated(once.as_ref()).await?;
        let body = if call.body.trim_ascii().is_empty() { b"{}" } else { call.body };
        let fields = Fields::of_body(body)?;
        fields.allow(&["grace_seconds"], &[])?;
        let grace = fields.integer("grace_seconds", 0..=GRACE_MOST)?.unwrap_or(0);
        let (author, sees, key) = (call.author(), call.sees(), self.mint());
        let hash = key.hash();
        let rotate = move |txn: &mut Txn<'_>| {
            let before = find_seen(txn.sql(), id, sees)?;
            keys::rotate(txn, id, hash, grace.saturating_mul(1_000))?;
            let after = find_seen(txn.sql(), id, sees)?;
            let both = (Some(before.to_audit()), Some(after.to_audit()));
            audit::record(txn, &author, "token.rotate", id.0, both)?;
            Ok((after, vec![id.0]))
        };
        let record = self.write(once, Refusal::Generation, rotate).await?;
        Ok(Answer::amounts(self.show(record).with_key(key)))
    }
}
