//! What memory takes over when a transaction is on disk: changes of the directory, and what the books learn of grants and refunds.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::directory::{Directory, LiveUser};
use crate::ids::{TokenId, UserId};
use crate::ledger::{Books, Limits, Windows};
use crate::money::Money;
use crate::tokens::{ApiToken, KeyHash};

/// What memory takes over after the commit, and before anyone is told of it.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A token that was made or changed: its settings, whether its total binds, its limits.
    PutToken {
        /// The settings.
        token: Arc<ApiToken>,
        /// Whether its total is unlimited.
        unlimited: bool,
        /// Its daily and monthly limits.
        limits: Limits,
    },
    /// A token that was deleted.
    ForgetToken(TokenId),
    /// A key that was made, or given an end.
    PutKey(KeyHash, TokenId, Option<Timestamp>),
    /// A key that is no longer one.
    ForgetKey(KeyHash),
    /// A user that was made or changed.
    PutUser {
        /// Who.
        id: UserId,
        /// Its settings.
        user: LiveUser,
        /// Whether its total is unlimited.
        unlimited: bool,
    },
    /// A grant to a token. Not for what was taken back: that left memory before (R4).
    GrantToken(TokenId, Money),
    /// A grant to a user; as above.
    GrantUser(UserId, Money),
    /// A refund: a negative charge on its own windows.
    Charge(TokenId, UserId, Windows, Money),
}

impl Effect {
    /// Takes the effect over.
    pub fn apply(self, books: &Books, directory: &Directory) {
        match self {
            Self::PutToken { token, unlimited, limits } => {
                books.lock().put_token(token.id, token.user, unlimited, limits);
                directory.put_token(token);
            }
            Self::ForgetToken(id) => {
                directory.forget_token(id);
                books.lock().forget_token(id);
            }
            Self::PutKey(hash, token, expires_at) => directory.put_key(hash, token, expires_at),
            Self::ForgetKey(hash) => directory.forget_key(&hash),
            Self::PutUser { id, user, unlimited } => {
                books.lock().put_user(id, unlimited);
                directory.put_user(id, user);
            }
            Self::GrantToken(id, amount) => books.lock().grant_token(id, amount),
            Self::GrantUser(id, amount) => books.lock().grant_user(id, amount),
            Self::Charge(token, user, windows, charged) => books.lock().charge(token, user, windows, charged),
        }
    }
}
