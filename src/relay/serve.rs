//! The straight line of a request, from the route to the pump.

use std::sync::Arc;

use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::oneshot;

use crate::admission::{PendingAdmission, Refusal, Request};
use crate::ids::RequestId;
use crate::relay::carried::Carried;
use crate::relay::client::{Client, Head};
use crate::relay::failure::{Failure, refused};
use crate::relay::inbound::{self, Body};
use crate::relay::pump::{Exchange, run};
use crate::relay::stopwatch::Stopwatch;
use crate::relay::{Relay, headers, models};
use crate::telemetry::RequestLine;
use crate::tokens::Caller;
use crate::wire::{Ask, AskLimits, Endpoint, Lookup, find};

/// How often a caller may be changed while it is let through.
const CHANGES: usize = 8;

/// A request that has come in.
struct Visit {
    id: RequestId,
    line: RequestLine,
}

/// Answers a request on a model route, or says that there is none.
pub async fn serve(relay: web::Data<Relay>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let at = relay.clock.now();
    let id = RequestId::mint(at);
    let line = RequestLine::begin(&relay.metrics, id, request.method().as_str(), request.path());
    let mut visit = Visit { id, line };
    let (endpoint, model) = match route(&request) {
        Ok(route) => route,
        Err(failure) => return refuse(visit, &request, &failure),
    };
    visit.line.route = endpoint.pattern();
    let caller = match inbound::caller(&relay, &request, at) {
        Ok(caller) => caller,
        Err(failure) => return refuse(visit, &request, &failure),
    };
    visit.line.token = Some((caller.token().id, caller.token().user));
    match endpoint {
        Endpoint::ChatCompletions => chat(relay.into_inner(), request, payload, caller, visit).await,
        Endpoint::Models => listed(visit, models::list(&relay.directory, &caller, &request)),
        Endpoint::Model => match models::one(&relay.directory, &caller, &request, model) {
            Ok(answer) => listed(visit, answer),
            Err(failure) => refuse(visit, &request, &failure),
        },
    }
}

fn route(request: &HttpRequest) -> Result<(Endpoint, &str), Failure> {
    let path = request.uri().path();
    match find(request.method().as_str(), path) {
        Lookup::Route { endpoint, model, .. } => Ok((endpoint, model.unwrap_or_default())),
        Lookup::NotFound => Err(Failure::no_route(request.method().as_str(), path)),
        Lookup::MethodNotAllowed { allow } => Err(Failure::method_not_allowed(allow)),
    }
}

/// Refuses before the body was read: a connection with unread bytes on it is closed.
fn refuse(visit: Visit, request: &HttpRequest, failure: &Failure) -> HttpResponse {
    let mut response = failure.response(visit.id);
    if inbound::has_body(request) {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    visit.line.log(failure.status, Some(failure.code));
    response
}

fn listed(visit: Visit, body: Vec<u8>) -> HttpResponse {
    visit.line.log(200, None);
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("x-request-id", visit.id.to_string()))
        .insert_header(("x-content-type-options", "nosniff"))
        .body(body)
}

/// A chat: read, asked of the gate, and handed to a pump that outlives its client.
async fn chat(
    relay: Arc<Relay>,
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    mut visit: Visit,
) -> HttpResponse {
    let checked = inbound::check_head(&request);
    let body = match checked {
        Ok(()) => inbound::read_body(&relay, &request, payload).await,
        Err(failure) => Err(failure),
    };
    let Body { bytes, buffered } = match body {
        Ok(body) => body,
        Err(failure) => return refuse(visit, &request, &failure),
    };
    let mut watch = Stopwatch::start();
    let id = visit.id;
    let limits = AskLimits { max_choices: relay.settings.max_choices };
    let ask = match Ask::parse_chat(bytes, &limits) {
        Ok(ask) => Arc::new(ask),
        Err(fault) => return told(visit, &fault.into()),
    };
    visit.line.model = Some(ask.model.clone());
    // From here on a stop waits for it: also between the hold and the pump.
    let Some(running) = relay.running.begin() else { return told(visit, &Failure::overloaded()) };
    let (caller, pending) = match admit(&relay, &request, caller, &ask, id).await {
        Ok(admitted) => admitted,
        Err(failure) => return told(visit, &failure),
    };
    watch.mark();
    let (sender, head) = oneshot::channel();
    let client = Client::new(sender, relay.settings.write_timeout);
    let headers = headers::for_provider(&request, id);
    let token = Arc::clone(caller.token());
    let exchange = Exchange { relay, ask, headers, token, id, watch, _buffered: buffered };
    let pump = Box::pin(run(running, exchange, pending, client, visit.line));
    match Carried::new(pump, head).await {
        Some(head) => respond(head, id),
        // The pump was cut at a stop, before it had anything to say.
        None => Failure::overloaded().response(id),
    }
}

/// Asks the gate. A caller that was changed while its request was read is identified anew, and asks again.
async fn admit(
    relay: &Relay,
    request: &HttpRequest,
    mut caller: Caller,
    ask: &Arc<Ask>,
    id: RequestId,
) -> Result<(Caller, PendingAdmission), Failure> {
    for _ in 0..CHANGES {
        let asked = Request { caller: &caller, ask, id, at: relay.clock.now() };
        match relay.gate.admit(asked, &*relay.directory).await {
            Ok(pending) => return Ok((caller, pending)),
            Err(Refusal::CallerChanged) => caller = inbound::caller(relay, request, relay.clock.now())?,
            Err(refusal) => {
                let mut failure = refused(&refusal, caller.token(), &ask.model);
                failure.headers.extend(headers::of_rates(relay.gate.rate_states(caller.token())));
                return Err(failure);
            }
        }
    }
    Err(Failure::overloaded())
}

/// Refuses a request whose body was read.
fn told(visit: Visit, failure: &Failure) -> HttpResponse {
    let response = failure.response(visit.id);
    visit.line.log(failure.status, Some(failure.code));
    response
}

fn respond(head: Head, id: RequestId) -> HttpResponse {
    let (status, headers) = match &head {
        Head::Failed(failure) => return failure.response(id),
        Head::Whole { status, headers, .. } => (*status, headers),
        Head::Stream { headers, .. } => (200, headers),
    };
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY));
    response.insert_header(("x-request-id", id.to_string()));
    response.insert_header(("x-content-type-options", "nosniff"));
    for (name, value) in headers {
        response.insert_header((*name, value.as_str()));
    }
    match head {
        Head::Whole { body, .. } => response.content_type("application/json").body(body),
        Head::Stream { feed, .. } => response
            .content_type("text/event-stream")
            .insert_header(("cache-control", "no-cache"))
            .insert_header(("x-accel-buffering", "no"))
            .body(feed),
        Head::Failed(failure) => failure.response(id),
    }
}
