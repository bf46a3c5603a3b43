//! Tokens: the records behind API keys, as far as a request meets them. Owns [`ApiToken`], [`Key`] (mint, parse, hash), the
//! reading of credentials, [`Caller`] (proof of identity), scopes and allow-lists. Must not know of money spent, storage
//! or HTTP.

mod caller;
mod credentials;
mod key;
mod lists;

pub use caller::{ApiToken, AuthFault, Caller, Found, Registry, Role, Scope, Scopes, identify};
pub use credentials::{CredentialFault, Credentials};
pub use key::{KEY_LENGTH, Key, KeyHash, KeyMint};
pub use lists::{IpList, ListFault, ModelList};
