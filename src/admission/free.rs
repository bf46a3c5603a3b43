//! The gate for requests that cost nothing but reach a provider: allow-list, rates and concurrency, and no money.

use crate::admission::{Gate, Market, Refusal, Request};
use crate::ids::ChannelName;
use crate::limits::{Seat, Slot};

/// Proof that a free request may be sent. It has its place in flight while this lives.
#[must_use]
#[derive(Debug)]
pub struct FreeAdmission {
    /// The channel that is to serve it.
    pub channel: ChannelName,
    _slot: Slot,
}

impl Gate {
    /// Lets a free request through, or says why not. An exhausted token may pass; a model needs no price.
    ///
    /// # Errors
    /// The first thing in the decision order that says no.
    pub fn admit_free(&self, request: &Request<'_>, market: &impl Market) -> Result<FreeAdmission, Refusal> {
        let token = request.caller.token();
        let ask = request.ask;
        if !token.permits_model(&ask.model) {
            return Err(Refusal::ModelNotAllowed);
        }
        let channel = market.channel(token, &ask.model, ask.form).ok_or(Refusal::ModelNotFound)?;
        self.pass_free(request, channel, market)
    }

    /// The same for a request that `channel` alone can answer, whatever models it serves; `None` where it is gone.
    ///
    /// # Errors
    /// The first thing in the decision order that says no.
    pub fn admit_follow_up(
        &self,
        request: &Request<'_>,
        channel: Option<&ChannelName>,
        market: &impl Market,
    ) -> Result<FreeAdmission, Refusal> {
        if !request.caller.token().permits_model(&request.ask.model) {
            return Err(Refusal::ModelNotAllowed);
        }
        self.pass_free(request, channel.ok_or(Refusal::ModelNotFound)?.clone(), market)
    }

    fn pass_free(
        &self,
        request: &Request<'_>,
        channel: ChannelName,
        market: &impl Market,
    ) -> Result<FreeAdmission, Refusal> {
        let mut seat = Seat::default();
        let mut turn = self.turn(request.caller.token(), &mut seat);
        turn.check_request().map_err(Refusal::Rate)?;
        let place = self.limiter.enter().ok_or(Refusal::Overloaded)?;
        if !market.is_current(request.caller, self.clock.now()) {
            return Err(Refusal::CallerChanged);
        }
        // It is answered without output, so it uses none of the tokens a minute.
        Ok(FreeAdmission { channel, _slot: turn.take(0, place) })
    }
}
