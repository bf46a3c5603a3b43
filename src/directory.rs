//! The board: which tokens live, which models have which price, which channels serve them. What requests read and
//! what administrators change; changes arrive only through the store, after they are on disk.

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};

use crate::admission::{Market, MarketFault, Offer};
use crate::catalogue::{Catalogue, Groups, Multiplier, Terms};
use crate::channels::{Channel, Roster};
use crate::clock::Timestamp;
use crate::ids::{ChannelName, TokenId, UserId};
use crate::spread::SpreadMap;
use crate::tokens::{ApiToken, Caller, Found, KeyHash, Registry, Role};
use crate::wire::Form;

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
    keys: Keys,
    tokens: LiveTokens,
    users: SpreadMap<UserId, LiveUser>,
}

/// Live tokens by their number, made ready for [`Directory::load`].
pub type LiveTokens = SpreadMap<TokenId, Arc<ApiToken>>;

/// Keys by their hash, made ready for [`Directory::load`].
#[derive(Debug, Default)]
pub struct Keys(SpreadMap<KeyHash, LiveKey>);

impl Keys {
    /// No keys, and room for `count`.
    pub fn with_room_for(count: usize) -> Self {
        Self(SpreadMap::with_capacity_and_hasher(count, Default::default()))
    }

    /// Adds a key of a token, or gives one an end.
    pub fn put(&mut self, hash: KeyHash, token: TokenId, expires_at: Option<Timestamp>) {
        self.0.insert(hash, LiveKey { token, expires_at });
    }
}

/// What becomes of a model that has no price.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Unpriced {
    /// It is refused.
    Refused,
    /// It costs nothing.
    Free,
}

/// What the operator's file says: which models, at which price, through which channels.
#[derive(Debug)]
pub struct Supply {
    /// Models and prices.
    pub catalogue: Arc<Catalogue>,
    /// Channels, in order.
    pub roster: Roster,
    /// Groups, in order.
    pub groups: Groups,
    /// What becomes of a model without a price.
    pub unpriced: Unpriced,
}

/// See the room's head.
#[derive(Debug)]
pub struct Directory {
    tables: RwLock<Tables>,
    supply: Supply,
}

impl Directory {
    /// A directory without tokens.
    pub fn new(supply: Supply) -> Self {
        Self { tables: RwLock::default(), supply }
    }

    /// The groups that there are.
    pub fn groups(&self) -> &Groups {
        &self.supply.groups
    }

    /// A channel by its name.
    pub fn channel(&self, name: &str) -> Option<&Arc<Channel>> {
        self.supply.roster.channels().iter().find(|channel| channel.name.as_str() == name)
    }

    /// The channel `name`, where there is one that `token` reaches and that takes a body of `form` as it is.
    pub fn reached(&self, token: &ApiToken, name: &ChannelName, form: Form) -> Option<&Arc<Channel>> {
        let channel = self.channel(name.as_str())?;
        let has = |group: &str| channel.groups.iter().any(|name| name == group);
        let crosses = || token.cross_group_retry && self.supply.groups.names().any(has);
        ((has(&token.group) || crosses()) && channel.answers(form)).then_some(channel)
    }

    /// The market of all channels, or of the one that alone may serve a request.
    pub const fn choice<'a>(&'a self, only: Option<&'a ChannelName>) -> Choice<'a> {
        Choice { directory: self, only }
    }

    /// The public names of the models that `token` may call now, sorted.
    pub fn models(&self, token: &ApiToken) -> BTreeSet<String> {
        let named = self.supply.roster.channels().iter().flat_map(|channel| self.named_models(channel));
        named
            .filter(|model| token.permits_model(model) && self.any_offer(token, model).is_some())
            .map(str::to_owned)
            .collect()
    }

    /// Every model that a channel's list or its catalogue names.
    pub fn every_model(&self) -> BTreeSet<String> {
        let channels = self.supply.roster.channels().iter();
        channels.flat_map(|channel| self.named_models(channel)).map(str::to_owned).collect()
    }

    /// Who serves `model` to `token`, in whatever dialect: the kind of its channel's API. `None` where it is not on offer.
    pub fn owner(&self, token: &ApiToken, model: &str) -> Option<&'static str> {
        let offer = self.any_offer(token, model)?;
        self.channel(offer.channel.as_str()).map(|channel| channel.provider.as_str())
    }

    /// The names that stand in a channel's list or in the catalogue for its provider.
    fn named_models<'a>(&'a self, channel: &'a Channel) -> impl Iterator<Item = &'a str> {
        let listed = channel.models.iter().flat_map(|list| list.names()).map(String::as_str);
        let exact = listed.filter(|name| !name.ends_with('*'));
        exact
            .chain(self.supply.catalogue.models(channel.provider).filter(|model| self.serves(channel, model)))
    }

    fn serves(&self, channel: &Channel, model: &str) -> bool {
        match &channel.models {
            Some(list) => list.permits(model),
            None => self.supply.catalogue.offers(channel.provider, model),
        }
    }

    /// The first channel of those that `is_meant` for `model` in the token's own group, or where it may cross over, in the others
    /// in their order.
    fn find_channel(
        &self,
        token: &ApiToken,
        model: &str,
        is_meant: impl Fn(&Channel) -> bool,
    ) -> Option<&Arc<Channel>> {
        let serves = |channel: &Channel| is_meant(channel) && self.serves(channel, model);
        let in_group = |group: &str| self.supply.roster.find(group, serves);
        let others = || self.supply.groups.names().filter(|group| *group != &*token.group).find_map(in_group);
        in_group(&token.group).or_else(|| if token.cross_group_retry { others() } else { None })
    }

    /// The first offer in any dialect.
    fn any_offer(&self, token: &ApiToken, model: &str) -> Option<Offer> {
        let forms = [Form::Chat, Form::Messages, Form::Generate];
        forms.into_iter().find_map(|form| self.offer(token, model, form).ok())
    }

    fn offer_of(
        &self,
        token: &ApiToken,
        model: &str,
        channel: Option<&Arc<Channel>>,
    ) -> Result<Offer, MarketFault> {
        let channel = channel.ok_or(MarketFault::NotServed)?;
        // A group that was taken out of the file has no channels either; its multiplier does not matter.
        let multiplier = self.supply.groups.multiplier(&token.group).unwrap_or(Multiplier::ONE);
        let terms = match self.supply.catalogue.entry(channel.provider, model) {
            Some(entry) => Terms::new(entry, multiplier),
            None if self.supply.unpriced == Unpriced::Free => Terms::free(),
            None => return Err(MarketFault::NotPriced),
        };
        Ok(Offer { channel: channel.name.clone(), terms })
    }

    /// Takes over what a start has read, in one step: what was there of tokens and keys before is gone.
    pub fn load(&self, tokens: LiveTokens, keys: Keys) {
        self.write(|tables| (tables.tokens, tables.keys) = (tokens, keys));
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
        self.write(|tables| tables.keys.put(hash, token, expires_at));
    }

    /// Forgets a key.
    pub fn forget_key(&self, hash: &KeyHash) {
        self.write(|tables| tables.keys.0.remove(hash));
    }

    /// Adds a user or takes its new settings.
    pub fn put_user(&self, id: UserId, user: LiveUser) {
        self.write(|tables| tables.users.insert(id, user));
    }

    /// A live token by its number.
    #[cfg(test)]
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

/// The channels that a request may choose from.
#[derive(Copy, Clone, Debug)]
pub struct Choice<'a> {
    directory: &'a Directory,
    only: Option<&'a ChannelName>,
}

impl Choice<'_> {
    fn find_channel(&self, token: &ApiToken, model: &str, form: Form) -> Option<&Arc<Channel>> {
        let directory = self.directory;
        match self.only {
            None => directory.find_channel(token, model, |channel| channel.answers(form)),
            Some(name) => {
                directory.reached(token, name, form).filter(|channel| directory.serves(channel, model))
            }
        }
    }
}

impl Market for Choice<'_> {
    fn is_current(&self, caller: &Caller, at: Timestamp) -> bool {
        caller.is_current(self.directory, at)
    }

    fn channel(&self, token: &ApiToken, model: &str, form: Form) -> Option<ChannelName> {
        self.find_channel(token, model, form).map(|channel| channel.name.clone())
    }

    fn offer(&self, token: &ApiToken, model: &str, form: Form) -> Result<Offer, MarketFault> {
        self.directory.offer_of(token, model, self.find_channel(token, model, form))
    }
}

impl Registry for Directory {
    fn find(&self, hash: &KeyHash) -> Option<Found> {
        self.read(|tables| {
            let key = tables.keys.0.get(hash)?;
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

impl Market for Directory {
    fn is_current(&self, caller: &Caller, at: Timestamp) -> bool {
        self.choice(None).is_current(caller, at)
    }

    fn channel(&self, token: &ApiToken, model: &str, form: Form) -> Option<ChannelName> {
        self.choice(None).channel(token, model, form)
    }

    fn offer(&self, token: &ApiToken, model: &str, form: Form) -> Result<Offer, MarketFault> {
        self.choice(None).offer(token, model, form)
    }
}
