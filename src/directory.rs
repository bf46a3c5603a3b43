//! The board: which tokens live, which models have which price, which channels serve them. What requests read and
//! what administrators change; changes arrive only through the store, after they are on disk.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use crate::catalogue::Catalogue;
use crate::channels::Roster;
use crate::clock::Timestamp;
use crate::ids::{TokenId, UserId};
use crate::tokens::{ApiToken, Found, KeyHash, Registry, Role};

/// A user as a request meets one.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct LiveUser {
    /// What it may do.
    pub role: Role,
    /// Whether it was not disabled.
    pub enabled: bool,
}

#[derive(Copy, Clone, Debug)]
struct LiveKey {
    token: TokenId,
    expires_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Tables {
    keys: HashMap<KeyHash, LiveKey>,
    tokens: HashMap<TokenId, Arc<ApiToken>>,
    users: HashMap<UserId, LiveUser>,
}

/// See the room's head.
#[derive(Debug)]
pub struct Directory {
    tables: RwLock<Tables>,
    catalogue: Arc<Catalogue>,
    roster: Arc<Roster>,
}

impl Directory {
    /// A directory without tokens.
    pub fn new(catalogue: Arc<Catalogue>, roster: Arc<Roster>) -> Self {
        Self { tables: RwLock::default(), catalogue, roster }
    }

    /// The models and their prices.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// The channels.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// Adds a token or takes its new settings.
    pub fn put_token(&self, token: Arc<ApiToken>) {
        self.write(|tables| tables.tokens.insert(token.id, token));
    }

    /// Forgets a token; its keys are forgotten one by one.
    pub fn forget_token(&self, token: TokenId) {
        self.write(|tables| tables.tokens.remove(&token));
    }

    /// Adds a key of a token, or gives one an end.
    pub fn put_key(&self, hash: KeyHash, token: TokenId, expires_at: Option<Timestamp>) {
        self.write(|tables| tables.keys.insert(hash, LiveKey { token, expires_at }));
    }

    /// Forgets a key.
    pub fn forget_key(&self, hash: &KeyHash) {
        self.write(|tables| tables.keys.remove(hash));
    }

    /// Adds a user or takes its new settings.
    pub fn put_user(&self, id: UserId, user: LiveUser) {
        self.write(|tables| tables.users.insert(id, user));
    }

    /// A live token by its number.
    pub fn token(&self, id: TokenId) -> Option<Arc<ApiToken>> {
        self.read(|tables| tables.tokens.get(&id).cloned())
    }

    fn read<T>(&self, read: impl FnOnce(&Tables) -> T) -> T {
        read(&self.tables.read().expect("a change of the directory does not panic"))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Tables) -> T) {
        change(&mut self.tables.write().expect("a change of the directory does not panic"));
    }
}

impl Registry for Directory {
    fn find(&self, hash: &KeyHash) -> Option<Found> {
        self.read(|tables| {
            let key = tables.keys.get(hash)?;
            let token = tables.tokens.get(&key.token)?;
            let user = tables.users.get(&token.user)?;
            Some(Found {
                token: Arc::clone(token),
                role: user.role,
                user_enabled: user.enabled,
                key_expires_at: key.expires_at,
            })
        })
    }
}
