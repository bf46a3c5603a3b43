//! From a request's first line to what answers it: its route, its caller, and the row's work.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::ids::RequestId;
use crate::relay::call::{Incoming, answer};
use crate::relay::failure::{Failure, Listener};
use crate::relay::visit::Visit;
use crate::relay::{Relay, follow_up, inbound, models};
use crate::telemetry::RequestLine;
use crate::wire::{Dialect, Lookup, Route, Work, find, methods, percent};

/// Answers a request on a model route, or says that there is none.
pub async fn serve(relay: web::Data<Relay>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let at = relay.clock.now();
    let id = RequestId::mint(at);
    let line = RequestLine::begin(&relay.metrics, id, request.method().as_str(), request.path());
    let lookup = find(request.method().as_str(), request.uri().path());
    let dialect = dialect_of(&lookup, &request);
    let mut visit = Visit { listener: Listener { dialect, id }, line };
    let (route, model) = match found(lookup, &request) {
        Ok(found) => found,
        Err(failure) => return visit.refuse(&request, &failure),
    };
    visit.line.route = route.pattern;
    let caller = match inbound::identified(&relay, &request, at) {
        Ok(caller) => caller,
        Err(failure) => return visit.refuse(&request, &failure),
    };
    visit.line.token = Some((caller.token().id, caller.token().user));
    if let Err(failure) = inbound::check_caller(&caller, &request) {
        return visit.refuse(&request, &failure);
    }
    match &route.work {
        Work::Call(call) => {
            let Some(model) = percent::decode(model) else {
                let failure = Failure::model_not_found(model);
                return visit.refuse(&request, &failure);
            };
            let incoming = Incoming { relay: relay.into_inner(), request, model, caller, visit };
            answer(incoming, call, payload).await
        }
        Work::FollowUp(call) => {
            let Some(id) = percent::decode(model) else {
                return visit.refuse(&request, &Failure::response_not_found(model));
            };
            let incoming = Incoming { relay: relay.into_inner(), request, model: id, caller, visit };
            // Boxed, so that what is rare is no part of every request's future.
            Box::pin(follow_up::answer(incoming, call, payload)).await
        }
        Work::Models => visit.listed(models::list(&relay.directory, &caller, dialect)),
        Work::Model => match models::one(&relay.directory, &caller, dialect, model) {
            Ok(body) => visit.listed(body),
            Err(failure) => visit.refuse(&request, &failure),
        },
    }
}

/// The dialect in which `request` is refused, whatever becomes of it.
pub fn dialect_of_request(request: &HttpRequest) -> Dialect {
    dialect_of(&find(request.method().as_str(), request.uri().path()), request)
}

/// The dialect of the route; that of its caller, where it has none of its own; OpenAI's where there is no route.
fn dialect_of(lookup: &Lookup<'_>, request: &HttpRequest) -> Dialect {
    match lookup {
        Lookup::Route { route, .. } | Lookup::MethodNotAllowed { route } => {
            route.dialect.unwrap_or_else(|| models::dialect_of_caller(request))
        }
        Lookup::NotFound => Dialect::OpenAi,
    }
}

fn found<'a>(lookup: Lookup<'a>, request: &HttpRequest) -> Result<(&'static Route, &'a str), Failure> {
    match lookup {
        Lookup::Route { route, model } => Ok((route, model.unwrap_or_default())),
        Lookup::NotFound => Err(Failure::no_route(request.method().as_str(), request.uri().path())),
        Lookup::MethodNotAllowed { route } => Err(Failure::method_not_allowed(&methods(route.pattern))),
    }
}
