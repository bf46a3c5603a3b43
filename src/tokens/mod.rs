//! Tokens: the records behind API keys. Owns [`ApiToken`], [`Key`] (mint, parse, hash), [`Caller`] (proof of identity),
//! scopes and allow-lists. Must not know of money, storage or HTTP.

mod key;
mod lists;

pub use key::{KEY_LENGTH, Key, KeyHash, KeyMint};
pub use lists::{IpList, ListFault, ModelList};
