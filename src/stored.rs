//! What is remembered of the responses that providers store: who asked for each, and which channel made it. Owns the record, and
//! says what whoever keeps it must do; must not know of SQL, of HTTP, or of what a response says.

use std::pin::Pin;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{ChannelName, ResponseId, TokenId};
use crate::ledger::{Ack, StoreFault};

/// A response that its provider stores, as the gateway remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// The provider's id of it.
    pub id: ResponseId,
    /// The token that asked for it: it alone may follow it up.
    pub token: TokenId,
    /// The channel that made it: it alone can be asked about it.
    pub channel: ChannelName,
    /// The model, as the client called it.
    pub model: Arc<str>,
    /// When its id went by.
    pub made_at: Timestamp,
}

/// What comes of a question or a wish, in time.
pub type Promise<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreFault>> + 'a>>;

/// Where they are kept, durably, each for 30 days.
pub trait Shelf: Send + Sync {
    /// Remembers a response, ahead of whatever the journal is told after this. Where its channel has given its id to anybody before,
    /// that stays as it is, and this one cannot be followed up. Neither blocks nor fails: what waits is bounded by the requests in flight.
    fn keep(&self, response: StoredResponse) -> Ack;

    /// The response of this id that `token` asked for, if it is remembered; the first, where several channels gave it one.
    fn find(&self, token: TokenId, id: ResponseId) -> Promise<'_, Option<StoredResponse>>;

    /// Forgets a response.
    fn forget(&self, response: StoredResponse) -> Promise<'_, ()>;
}
