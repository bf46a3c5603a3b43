//! The straight line of a call, from its body to the pump: read, asked of the gate, and handed to a pump that outlives its
//! client; or answered here, when it is free.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::oneshot;

use crate::admission::{FreeAdmission, Market, PendingAdmission, Refusal, Request};
use crate::relay::carried::Carried;
use crate::relay::client::{Client, Head};
use crate::relay::failure::{Failure, Listener, refused};
use crate::relay::inbound::{self, Body};
use crate::relay::pump::{Admitted, Exchange, run};
use crate::relay::running::Run;
use crate::relay::stopwatch::Stopwatch;
use crate::relay::visit::{Visit, sign};
use crate::relay::{Relay, follow_up, headers};
use crate::telemetry::RequestLine;
use crate::tokens::Caller;
use crate::wire::{Ask, AskLimits, BodyType, Call, Charge, Form, Translation};

/// How often a caller may be changed while it is let through.
pub const CHANGES: usize = 8;

/// What the log says of a request whose client was sent no status.
const CLIENT_CLOSED: u16 = 499;

/// A call whose caller is known, and whose body is not read yet.
pub struct Incoming {
    /// The relay.
    pub relay: Arc<Relay>,
    /// The request.
    pub request: HttpRequest,
    /// The model, or the response, that its path names, percent-decoded; empty where its body names the model.
    pub model: String,
    /// Who calls.
    pub caller: Caller,
    /// Whom it is answered.
    pub visit: Visit,
}

/// Answers a call as its row of the table says.
pub async fn answer(incoming: Incoming, call: &'static Call, payload: web::Payload) -> HttpResponse {
    let Incoming { relay, request, model, caller, mut visit } = incoming;
    let body = match read_body(&relay, &request, call, payload).await {
        Ok(body) => body,
        Err(failure) => return visit.refuse(&request, &failure),
    };
    let watch = Stopwatch::start();
    let (body_type, Body { bytes, buffered }) = body;
    let limits = AskLimits { max_choices: relay.settings.max_choices };
    let ask = match body_type {
        BodyType::Json => Ask::parse_for(&model, call.form, bytes, &limits),
        BodyType::Parts(boundary) => Ask::parse_parts(&boundary, call.form, bytes, &limits),
    };
    let ask = match ask {
        Ok(ask) => Arc::new(ask),
        Err(fault) => return visit.told(&fault.into()),
    };
    visit.line.model = Some(ask.model.clone());
    let only = match follow_up::only(&relay, &caller, &ask).await {
        Ok(only) => only,
        Err(failure) => return visit.told(&failure),
    };
    // From here on a stop waits for it: also between the hold and the pump.
    let Some(running) = relay.running.begin() else { return visit.told(&Failure::overloaded()) };
    let id = visit.listener.id;
    let mut exchange = Exchange {
        headers: headers::for_provider(&request, id),
        target: target(call, &request),
        token: Arc::clone(caller.token()),
        dialect: call.form.dialect(),
        translation: None,
        buffered,
        relay,
        call,
        only,
        ask,
        id,
        watch,
    };
    match call.charge {
        Charge::Metered(metering) => match admit(&mut exchange, &request, caller).await {
            Ok(pending) => {
                let listener = visit.listener;
                let translated = exchange.translation.as_deref().map(Translation::metering);
                let metering = translated.unwrap_or(metering);
                match pumped(running, exchange, Admitted { pending, metering }, visit).await {
                    Some(head) => respond(head, listener),
                    // The pump was cut at a stop, before it had anything to say.
                    None => Failure::overloaded().response(listener),
                }
            }
            Err(failure) => visit.told(&failure),
        },
        Charge::Free => match admit_free(&mut exchange, &request, caller) {
            // Boxed, so that what is rare is no part of every request's future.
            Ok(admission) => Box::pin(freely(running, exchange, admission, visit)).await,
            Err(failure) => visit.told(&failure),
        },
    }
}

/// Reads the body, once its head is found good; what it is, and its bytes.
async fn read_body(
    relay: &Relay,
    request: &HttpRequest,
    call: &Call,
    payload: web::Payload,
) -> Result<(BodyType, Body), Failure> {
    let body_type = inbound::check_head(request, call.form)?;
    inbound::check_alt(request, call.query)?;
    Ok((body_type, inbound::read_body(relay, request, payload).await?))
}

fn target(call: &Call, request: &HttpRequest) -> Cow<'static, str> {
    match headers::query_for_provider(request.query_string(), call.query).as_str() {
        "" => Cow::Borrowed(call.path),
        query => Cow::Owned(format!("{}{query}", call.path)),
    }
}

/// Hands an exchange to a pump; resolves with what its client is told first.
fn pumped(running: Run, mut exchange: Exchange, admitted: Admitted, visit: Visit) -> Carried {
    exchange.watch.mark();
    let (sender, head) = oneshot::channel();
    let timeout = exchange.relay.settings.write_timeout;
    let form = exchange.translation.as_deref().map_or(exchange.ask.form, Translation::client_form);
    let client = Client::new(sender, visit.listener, form, timeout);
    Carried::new(Box::pin(run(running, exchange, admitted, client, visit.line)), head)
}

/// Performs a free exchange. A client that leaves ends it: nothing has to be settled.
async fn freely(
    mut running: Run,
    exchange: Exchange,
    admission: FreeAdmission,
    mut visit: Visit,
) -> HttpResponse {
    let Some(channel) = exchange.relay.directory.channel(admission.channel.as_str()).cloned() else {
        return visit.told(&Failure::storage_unavailable());
    };
    visit.line.channel = Some(channel.name.as_str().to_owned());
    let mut line = Unanswered(Some(visit.line));
    let head = tokio::select! {
        biased;
        () = running.cut() => Head::Failed(Failure::overloaded()),
        head = exchange.perform_free(&channel) => head,
    };
    if let Some(line) = line.0.take() {
        match &head {
            Head::Failed(failure) => line.log(failure.status, Some(failure.code)),
            Head::Whole { status, .. } => line.log(*status, None),
            Head::Stream { .. } => line.log(200, None),
        }
    }
    respond(head, visit.listener)
}

/// The line of a request whose client may leave before it is answered.
struct Unanswered(Option<RequestLine>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            line.log(CLIENT_CLOSED, None);
        }
    }
}

/// Asks the gate. A caller that was changed while its request was read is identified anew, and asks again.
async fn admit(
    exchange: &mut Exchange,
    request: &HttpRequest,
    mut caller: Caller,
) -> Result<PendingAdmission, Failure> {
    for _ in 0..CHANGES {
        let relay = &exchange.relay;
        let asked = Request { caller: &caller, ask: &exchange.ask, id: exchange.id, at: relay.clock.now() };
        match relay.gate.admit(asked, &relay.directory.choice(exchange.only.as_ref())).await {
            Ok(pending) => return Ok(pending),
            Err(Refusal::CallerChanged) => {
                caller = inbound::caller(relay, request, relay.clock.now())?;
                exchange.token = Arc::clone(caller.token());
            }
            // Nobody speaks the client's dialect: whoever serves the model in another is asked in that.
            Err(Refusal::ModelNotFound) if exchange.translation.is_none() && exchange.only.is_none() => {
                exchange.translate(caller.token()).map_err(|mut failure| {
                    failure.headers.extend(exchange.rate_headers());
                    failure
                })?;
            }
            Err(refusal) => return Err(failure_of(exchange, &refusal, &caller)),
        }
    }
    Err(Failure::overloaded())
}

/// The same for a free exchange.
fn admit_free(
    exchange: &mut Exchange,
    request: &HttpRequest,
    mut caller: Caller,
) -> Result<FreeAdmission, Failure> {
    for _ in 0..CHANGES {
        let relay = &exchange.relay;
        let asked = Request { caller: &caller, ask: &exchange.ask, id: exchange.id, at: relay.clock.now() };
        match relay.gate.admit_free(&asked, &relay.directory.choice(exchange.only.as_ref())) {
            Ok(admission) => return Ok(admission),
            Err(Refusal::CallerChanged) => {
                caller = inbound::caller(relay, request, relay.clock.now())?;
                exchange.token = Arc::clone(caller.token());
            }
            Err(refusal) => return Err(failure_of(exchange, &refusal, &caller)),
        }
    }
    Err(Failure::overloaded())
}

fn failure_of(exchange: &Exchange, refusal: &Refusal, caller: &Caller) -> Failure {
    let (model, directory) = (&exchange.ask.model, &exchange.relay.directory);
    // What goes on from a response is not translated, so a channel of another dialect does not serve it either.
    let is_served = |form| Market::channel(&**directory, caller.token(), model, form).is_some();
    let forms = [Form::Responses, Form::Chat, Form::Messages, Form::Generate];
    let is_elsewhere =
        *refusal == Refusal::ModelNotFound && exchange.only.is_some() && forms.into_iter().any(is_served);
    let mut failure = if is_elsewhere {
        follow_up::served_elsewhere(model)
    } else {
        refused(refusal, caller.token(), model, exchange.ask.form)
    };
    failure.headers.extend(exchange.rate_headers());
    failure
}

/// The answer that a head begins.
pub fn respond(head: Head, to: Listener) -> HttpResponse {
    let (status, headers) = match &head {
        Head::Failed(failure) => return failure.response(to),
        Head::Whole { status, headers, .. } => (*status, headers),
        Head::Stream { headers, .. } => (200, headers),
    };
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY));
    sign(&mut response, to);
    for (name, value) in headers {
        response.insert_header((*name, value.as_str()));
    }
    match head {
        Head::Whole { body, .. } => response.content_type("application/json").body(body),
        // Sound has its own type; and may be kept.
        Head::Stream { feed, headers } if headers.iter().any(|(name, _)| *name == "content-type") => {
            response.body(feed)
        }
        Head::Stream { feed, .. } => response
            .content_type("text/event-stream")
            .insert_header(("cache-control", "no-cache"))
            .insert_header(("x-accel-buffering", "no"))
            .body(feed),
        Head::Failed(failure) => failure.response(to),
    }
}
