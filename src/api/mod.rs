//! The token API: tokens, users, balances, usage, the ledger. Owns its routes, the checking of what is sent, and the shapes
//! of what is answered. It needs no HTTP server: the command line calls the same [`Desk`] in its own process; [`http`] is
//! the thin skin for actix. Must not know of models, channels or a request's money while it runs.

mod answer;
mod balance;
mod body;
mod credit;
mod http;
mod ledger;
mod once;
mod pace;
mod query;
mod refusal;
mod routes;
mod shown;
mod token_fields;
mod tokens;
mod usage;
mod users;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use http::{LocalAdmin, permit_manager, serve};
pub use refusal::Language;
pub use routes::{has_route, pattern_of};

use std::sync::{Arc, Mutex};

use crate::api::pace::Pace;
use crate::api::refusal::Refusal;
use crate::api::routes::{Deed, Matched};
use crate::api::shown::{ShownToken, ShownUser};
use crate::clock::{Clock, Moment};
use crate::directory::Directory;
use crate::ids::{TokenId, UserId};
use crate::ledger::Zone;
use crate::store::audit::Author;
use crate::store::tokens::TokenRecord;
use crate::store::users::UserRecord;
use crate::store::{Sql, SqlResult, Store};
use crate::tokens::{Caller, Key, KeyMint, Role};

/// What the token API is made of.
pub struct DeskParts {
    /// The open store.
    pub store: Arc<Store>,
    /// The tokens that live.
    pub directory: Arc<Directory>,
    /// Time.
    pub clock: Clock,
    /// Where days begin.
    pub zone: Zone,
    /// Where keys come from.
    pub mint: KeyMint,
    /// Calls per minute and token; 0 is no limit.
    pub management_rpm: i64,
}

/// Answers the token API. See the room's head.
pub struct Desk {
    store: Arc<Store>,
    directory: Arc<Directory>,
    clock: Clock,
    zone: Zone,
    mint: Mutex<KeyMint>,
    pace: Pace,
    opened: Moment,
}

/// One call, identified and read.
pub struct Call<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// The path as it was sent.
    pub path: &'a str,
    /// The query string, without `?`.
    pub query: &'a str,
    /// The body; may be empty.
    pub body: &'a [u8],
    /// The value of `Idempotency-Key`, if it was sent.
    pub idempotency_key: Option<&'a [u8]>,
    /// The language of the messages that have two.
    pub language: Language,
    /// Who calls.
    pub caller: Caller,
    /// The client's address, or `local`.
    pub origin: &'a str,
}

impl Call<'_> {
    fn author(&self) -> Author {
        Author { caller: self.caller.token().id.0, origin: self.origin.to_owned() }
    }

    /// Whose objects the caller may see: `None` = everyone's.
    fn sees(&self) -> Option<UserId> {
        (self.caller.role() != Role::Admin).then_some(self.caller.token().user)
    }

    fn is_admin(&self) -> bool {
        self.caller.role() == Role::Admin
    }
}

impl Desk {
    /// A desk that answers from now on.
    pub fn new(parts: DeskParts) -> Self {
        let opened = parts.clock.moment();
        Self {
            store: parts.store,
            directory: parts.directory,
            clock: parts.clock,
            zone: parts.zone,
            mint: Mutex::new(parts.mint),
            pace: Pace::new(parts.management_rpm),
            opened,
        }
    }

    /// Answers a call, whoever carries it. Rates are the carrier's business.
    pub async fn answer(&self, call: Call<'_>) -> Answer {
        let answer = match routes::find(call.method, call.path) {
            Ok(matched) => match self.perform(&call, matched).await {
                Ok(answer) => answer,
                Err(Refusal::Repeated(made)) => self.repeated(matched.deed, &made).await,
                Err(refusal) => refusal.answer(call.language),
            },
            Err(refusal) => refusal.answer(call.language),
        };
        open_to_other_sites(call.path, answer)
    }

    async fn perform(&self, call: &Call<'_>, matched: Matched<'_>) -> Result<Answer, Refusal> {
        matched.permit(&call.caller)?;
        let token = || matched.number("token").map(TokenId);
        let user = || matched.number("user").map(UserId);
        match matched.deed {
            Deed::ListTokens => self.list_tokens(call).await,
            Deed::CreateToken => self.create_token(call).await,
            Deed::CreateBatch => self.create_batch(call).await,
            Deed::DeleteBatch => self.delete_batch(call).await,
            Deed::DisableBatch => self.disable_batch(call).await,
            Deed::GetToken => self.get_token(call, token()?).await,
            Deed::PatchToken => self.patch_token(call, token()?).await,
            Deed::DeleteToken => self.delete_token(call, token()?).await,
            Deed::CreditToken => self.credit_token(call, token()?).await,
            Deed::RotateToken => self.rotate_token(call, token()?).await,
            Deed::TokenUsage => self.token_usage(call, token()?).await,
            Deed::OwnUsage => self.own_usage(call).await,
            Deed::Ledger => self.ledger(call).await,
            Deed::Refund => self.refund(call, matched.id).await,
            Deed::ListUsers => self.list_users(call).await,
            Deed::CreateUser => self.create_user(call).await,
            Deed::GetUser => self.get_user(user()?).await,
            Deed::PatchUser => self.patch_user(call, user()?).await,
            Deed::CreditUser => self.credit_user(call, user()?).await,
            Deed::Balance => self.balance(call),
            Deed::UserBalance => self.user_balance(call),
        }
    }

    /// A question to the store.
    async fn read<T, F>(&self, question: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Sql) -> SqlResult<T> + Send + 'static,
    {
        self.store.read(question).await.map_err(|_| Refusal::Storage)
    }

    /// A new key.
    fn mint(&self) -> Key {
        self.mint.lock().expect("drawing a key does not panic").mint()
    }

    /// A token's row with memory's figures of now.
    fn show(&self, record: TokenRecord) -> ShownToken {
        let now = self.clock.now();
        let figures = self.store.books().lock().token(record.id, self.zone.windows(now));
        ShownToken::new(record, figures, now)
    }

    /// A user's row with memory's figures of now.
    fn show_user(&self, record: UserRecord) -> ShownUser {
        let budget = self.store.books().lock().user(record.id);
        ShownUser::new(record, budget)
    }
}

/// Balances may be read by pages of any site, with a key but without cookies.
fn open_to_other_sites(path: &str, answer: Answer) -> Answer {
    if !routes::is_open_to_other_sites(path) {
        return answer;
    }
    answer.with("access-control-allow-origin", "*".to_owned())
}
