//! Who calls: a live token, proved by its key.

use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{TokenId, UserId};
use crate::tokens::{IpList, Key, KeyHash, ModelList};

/// What a user may do with a `manage` token.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything.
    Admin,
    /// Its own tokens.
    Member,
}

impl Role {
    /// `admin` or `member`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }

    /// Reads the word; `None` for another.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Admin, Self::Member].into_iter().find(|role| role.as_str() == word)
    }
}

/// One thing a token is good for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Call models, list them, read its own balance and usage.
    Inference,
    /// The token API.
    Manage,
}

/// What a token is good for: at least one scope.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scopes {
    /// `["inference"]`
    Inference,
    /// `["manage"]`
    Manage,
    /// Both.
    Both,
}

impl Scopes {
    /// Whether `scope` is among them.
    pub const fn permit(self, scope: Scope) -> bool {
        matches!(
            (self, scope),
            (Self::Both, _) | (Self::Inference, Scope::Inference) | (Self::Manage, Scope::Manage)
        )
    }

    /// The words, in their fixed order.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Inference => &["inference"],
            Self::Manage => &["manage"],
            Self::Both => &["inference", "manage"],
        }
    }

    /// Reads a list of words, in any order; `None` when it is empty or has another word.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        words.into_iter().try_fold(None, |so_far, word| {
            let next = match word {
                "inference" => Self::Inference,
                "manage" => Self::Manage,
                _ => return None,
            };
            Some(Some(match so_far {
                None => next,
                Some(before) if before == next => next,
                Some(_) => Self::Both,
            }))
        })?
    }
}

/// A token as a request meets it: what must be known without asking the store. What is only shown (name, metadata, …)
/// stays there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its number.
    pub id: TokenId,
    /// Whose it is.
    pub user: UserId,
    /// Whether it was not disabled.
    pub enabled: bool,
    /// When it ends; `None` = never.
    pub expires_at: Option<Timestamp>,
    /// The models it may use; `None` = any.
    pub models: Option<ModelList>,
    /// The addresses it may be used from.
    pub ips: IpList,
    /// Its channel group, `default` spelled out.
    pub group: Arc<str>,
    /// Whether other groups are tried when its own has no channel for a model.
    pub cross_group_retry: bool,
    /// Requests per minute; 0 = no limit.
    pub rpm: i64,
    /// Input and output tokens per minute; 0 = no limit.
    pub tpm: i64,
    /// Requests in flight; 0 = no limit.
    pub max_concurrency: i64,
    /// What it is good for.
    pub scopes: Scopes,
}

impl ApiToken {
    /// Whether it may use `model`, by its public name.
    pub fn permits_model(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.permits(model))
    }
}

/// What stands behind a key.
#[derive(Clone, Debug)]
pub struct Found {
    /// The token.
    pub token: Arc<ApiToken>,
    /// Its user's role.
    pub role: Role,
    /// Whether its user was not disabled.
    pub user_enabled: bool,
    /// When this key of the token ends (a rotated key's grace); `None` = never.
    pub key_expires_at: Option<Timestamp>,
}

/// Where keys are looked up, by their hash.
pub trait Registry {
    /// What stands behind a key; `None` for an unknown one.
    fn find(&self, hash: &KeyHash) -> Option<Found>;
}

/// Why a key proves nothing.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum AuthFault {
    /// No such key: never made, rotated away, or of a deleted token.
    Unknown,
    /// The token or its user is disabled.
    Disabled,
    /// The token's time is over.
    Expired,
}

/// An identified, live token, for one request. Only [`identify`] and [`Caller::local`] make one.
#[derive(Clone, Debug)]
pub struct Caller {
    token: Arc<ApiToken>,
    role: Role,
    /// The key that proved it; `None` for the local administrator.
    key: Option<KeyHash>,
}

impl Caller {
    /// The administrator at the machine's own console, who has proved it by opening the control socket or the database.
    pub fn local() -> Self {
        let token = ApiToken {
            id: TokenId(0),
            user: UserId(1),
            enabled: true,
            expires_at: None,
            models: None,
            ips: IpList::default(),
            group: Arc::from("default"),
            cross_group_retry: false,
            rpm: 0,
            tpm: 0,
            max_concurrency: 0,
            scopes: Scopes::Manage,
        };
        Self { token: Arc::new(token), role: Role::Admin, key: None }
    }

    /// Whether nothing has changed since the caller was identified: its key and its user are still good, and its token has
    /// still the same settings.
    pub fn is_current(&self, registry: &impl Registry, at: Timestamp) -> bool {
        let Some(hash) = &self.key else { return true };
        registry
            .find(hash)
            .is_some_and(|found| Arc::ptr_eq(&found.token, &self.token) && found.fault(at).is_none())
    }

    /// The token.
    pub fn token(&self) -> &Arc<ApiToken> {
        &self.token
    }

    /// Its user's role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether the token may be used from `ip`.
    pub fn permits_ip(&self, ip: IpAddr) -> bool {
        self.token.ips.permits(ip)
    }

    /// Whether the token is bound to certain addresses.
    pub fn has_ip_list(&self) -> bool {
        !self.token.ips.is_empty()
    }

    /// Whether the token has `scope`.
    pub fn permits(&self, scope: Scope) -> bool {
        self.token.scopes.permit(scope)
    }
}

/// Proves that `key` is that of a live token at `at`.
///
/// # Errors
/// Why it is not.
pub fn identify(registry: &impl Registry, key: &Key, at: Timestamp) -> Result<Caller, AuthFault> {
    let hash = key.hash();
    let found = registry.find(&hash).ok_or(AuthFault::Unknown)?;
    match found.fault(at) {
        Some(fault) => Err(fault),
        None => Ok(Caller { token: found.token, role: found.role, key: Some(hash) }),
    }
}

impl Found {
    /// Why what was found is no live token at `at`, if it is not.
    fn fault(&self, at: Timestamp) -> Option<AuthFault> {
        let over = |end: Option<Timestamp>| end.is_some_and(|end| end <= at);
        if over(self.key_expires_at) {
            return Some(AuthFault::Unknown);
        }
        if !self.token.enabled || !self.user_enabled {
            return Some(AuthFault::Disabled);
        }
        over(self.token.expires_at).then_some(AuthFault::Expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::KeyMint;

    struct One(KeyHash, Found);

    impl Registry for One {
        fn find(&self, hash: &KeyHash) -> Option<Found> {
            (*hash == self.0).then(|| self.1.clone())
        }
    }

    #[test]
    fn only_a_live_token_of_an_enabled_user_is_a_caller() {
        let key = KeyMint::try_new().unwrap().mint();
        let now = Timestamp::from_secs(1_000);
        let live = Found {
            token: Arc::clone(Caller::local().token()),
            role: Role::Member,
            user_enabled: true,
            key_expires_at: None,
        };
        let with = |change: fn(&mut ApiToken)| {
            let mut token = ApiToken::clone(&live.token);
            change(&mut token);
            Found { token: Arc::new(token), ..live.clone() }
        };
        let cases = [
            (live.clone(), None),
            (with(|token| token.enabled = false), Some(AuthFault::Disabled)),
            (Found { user_enabled: false, ..live.clone() }, Some(AuthFault::Disabled)),
            (with(|token| token.expires_at = Some(Timestamp::from_secs(1_000))), Some(AuthFault::Expired)),
            (with(|token| token.expires_at = Some(Timestamp::from_secs(1_001))), None),
            (Found { key_expires_at: Some(now), ..live.clone() }, Some(AuthFault::Unknown)),
        ];
        for (found, fault) in cases {
            let registry = One(key.hash(), found);
            assert_eq!(identify(&registry, &key, now).err(), fault);
        }
        let other = KeyMint::try_new().unwrap().mint();
        assert_eq!(identify(&One(key.hash(), live), &other, now).err(), Some(AuthFault::Unknown));
    }

    #[test]
    fn scopes_are_read_in_any_order() {
        assert_eq!(Scopes::parse(["manage", "inference", "manage"]), Some(Scopes::Both));
        assert_eq!(Scopes::parse(["inference"]), Some(Scopes::Inference));
        assert_eq!(Scopes::parse([]), None);
        assert_eq!(Scopes::parse(["manage", "root"]), None);
    }
}
