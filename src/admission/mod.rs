//! The gate: lets a request through only if its token's allow-list, rates and budgets permit it. Owns [`Gate`], [`Admission`]
//! (proof that a request may be sent, with its money held durably) and [`Refusal`]. Must not know of HTTP, SQL, channels'
//! workings or how a refusal is worded.

mod cap;
mod free;
mod gate;
mod refusal;

#[cfg(test)]
mod tests;

pub use free::FreeAdmission;
pub use gate::{Admission, Gate, Market, MarketFault, Offer, PendingAdmission, Request, Settings};
pub use refusal::{BudgetRefusal, Refusal};
