//! What a stored response is followed up with: whose it is and which channel made it is looked up, and that channel asked, free.
//! A response that is unknown, another token's, or too old is one and the same 404.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::oneshot;

use crate::admission::{FreeAdmission, Refusal, Request};
use crate::channels::Channel;
use crate::channels::client::Method;
use crate::ids::{ChannelName, ResponseId};
use crate::relay::call::{CHANGES, Incoming, respond};
use crate::relay::carried::Carried;
use crate::relay::client::Client;
use crate::relay::failure::{Failure, refused};
use crate::relay::inbound::{self, Body};
use crate::relay::pump::{Exchange, FollowUp, run_follow_up};
use crate::relay::stopwatch::Stopwatch;
use crate::relay::{Relay, headers};
use crate::stored::StoredResponse;
use crate::tokens::Caller;
use crate::wire::{Ask, Call, Form, percent};

/// Stands for the response in a path.
const RESPONSE: &str = "{id}";

/// Answers what follows up the response that the path names.
pub async fn answer(incoming: Incoming, call: &'static Call, payload: web::Payload) -> HttpResponse {
    let Incoming { relay, request, model: id, caller, mut visit } = incoming;
    let body = match inbound::check_head(&request, Form::Responses) {
        Ok(_) => inbound::read_body(&relay, &request, payload).await,
        Err(failure) => Err(failure),
    };
    let Body { bytes, buffered } = match body {
        Ok(body) => body,
        Err(failure) => return visit.refuse(&request, &failure),
    };
    let watch = Stopwatch::start();
    let found = match check_body(&bytes) {
        Ok(()) => look_up(&relay, &caller, &id).await,
        Err(failure) => Err(failure),
    };
    let stored = match found {
        Ok(stored) => stored,
        Err(failure) => return visit.told(&failure),
    };
    visit.line.model = Some(stored.model.to_string());
    let Some(running) = relay.running.begin() else { return visit.told(&Failure::overloaded()) };
    let listener = visit.listener;
    let mut exchange = Exchange {
        headers: headers::for_provider(&request, listener.id),
        target: target(call, &stored.id, &request).into(),
        token: Arc::clone(caller.token()),
        dialect: listener.dialect,
        translation: None,
        ask: Arc::new(Ask::about(&stored.model)),
        only: Some(stored.channel.clone()),
        id: listener.id,
        buffered,
        relay,
        call,
        watch,
    };
    let (channel, admission) = match admit(&mut exchange, &request, caller, &stored.id) {
        Ok(admitted) => admitted,
        Err(failure) => return visit.told(&failure),
    };
    visit.line.channel = Some(channel.name.as_str().to_owned());
    let follow_up = FollowUp { response: stored, method: method_of(&request), channel, admission };
    let (sender, head) = oneshot::channel();
    let client = Client::new(sender, listener, Form::Responses, exchange.relay.settings.write_timeout);
    let pump = run_follow_up(running, exchange, follow_up, client, visit.line);
    match Carried::new(Box::pin(pump), head).await {
        Some(head) => respond(head, listener),
        // The pump was cut at a stop.
        None => Failure::overloaded().response(listener),
    }
}

fn target(call: &Call, response: &ResponseId, request: &HttpRequest) -> String {
    let path = call.path.replacen(RESPONSE, &percent::encode(response.as_str()), 1);
    path + &headers::query_for_provider(request.query_string(), call.query)
}

/// The table has no other methods for these routes.
fn method_of(request: &HttpRequest) -> Method {
    match request.method().as_str() {
        "DELETE" => Method::DELETE,
        "POST" => Method::POST,
        _ => Method::GET,
    }
}

/// The one channel that may serve a request: that which made the response it goes on from. `None` where it goes on from none.
///
/// # Errors
/// When `caller` has no such response, or its channel is gone.
pub async fn only(relay: &Relay, caller: &Caller, ask: &Ask) -> Result<Option<ChannelName>, Failure> {
    match &ask.previous {
        None => Ok(None),
        // Boxed, so that what is rare is no part of every request's future.
        Some(id) => Box::pin(maker(relay, caller, id)).await.map(Some),
    }
}

async fn maker(relay: &Relay, caller: &Caller, id: &ResponseId) -> Result<ChannelName, Failure> {
    let found = relay.shelf.find(caller.token().id, id.clone()).await;
    let stored = found.map_err(|_| Failure::storage_unavailable())?;
    let reached = stored
        .filter(|stored| relay.directory.reached(caller.token(), &stored.channel, Form::Responses).is_some());
    reached.map(|stored| stored.channel).ok_or_else(|| {
        let message = format!(
            "previous_response_id names no response that this API key can go on from: {:?}. Its provider must store it, and it \
             is remembered for 30 days, for the key that asked for it. Send the earlier items again, in input",
            id.as_str()
        );
        Failure::invalid_parameter("previous_response_id", message)
    })
}

/// Why a model is not served by the one channel that may serve it.
pub fn served_elsewhere(model: &str) -> Failure {
    let message = format!(
        "previous_response_id names a response of a channel that does not serve the model {model:?}; name a model that it serves, \
         or send the earlier items again, in input"
    );
    Failure::invalid_parameter("previous_response_id", message)
}

/// None of these calls has a body. Some clients send an empty object.
fn check_body(body: &[u8]) -> Result<(), Failure> {
    let body = body.trim_ascii();
    let inside = body.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")).unwrap_or(body);
    if inside.trim_ascii().is_empty() {
        return Ok(());
    }
    Err(Failure::invalid_parameter("body", "This call has no body: send none."))
}

async fn look_up(relay: &Relay, caller: &Caller, id: &str) -> Result<StoredResponse, Failure> {
    let not_found = || Failure::response_not_found(id);
    let parsed = ResponseId::parse(id).ok_or_else(not_found)?;
    let found = relay.shelf.find(caller.token().id, parsed).await;
    found.map_err(|_| Failure::storage_unavailable())?.ok_or_else(not_found)
}

/// Asks the gate. A caller that was changed meanwhile is identified anew, and asks again.
fn admit(
    exchange: &mut Exchange,
    request: &HttpRequest,
    mut caller: Caller,
    response: &ResponseId,
) -> Result<(Arc<Channel>, FreeAdmission), Failure> {
    for _ in 0..CHANGES {
        let relay = &exchange.relay;
        let asked = Request { caller: &caller, ask: &exchange.ask, id: exchange.id, at: relay.clock.now() };
        let directory = &relay.directory;
        let named = exchange.only.as_ref();
        let channel = named.and_then(|name| directory.reached(caller.token(), name, Form::Responses));
        let name = channel.map(|channel| &channel.name);
        match (relay.gate.admit_follow_up(&asked, name, &**directory), channel) {
            (Ok(admission), Some(channel)) => return Ok((Arc::clone(channel), admission)),
            (Err(Refusal::CallerChanged), _) => {
                caller = inbound::caller(relay, request, relay.clock.now())?;
                exchange.token = Arc::clone(caller.token());
            }
            (Err(Refusal::ModelNotFound), _) | (Ok(_), None) => {
                return Err(Failure::response_not_found(response.as_str()));
            }
            (Err(refusal), _) => {
                let mut failure = refused(&refusal, caller.token(), &exchange.ask.model, Form::Responses);
                failure.headers.extend(exchange.rate_headers());
                return Err(failure);
            }
        }
    }
    Err(Failure::overloaded())
}
