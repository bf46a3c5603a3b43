//! A request that has come in: whom it is answered, its line in the log, and what every answer carries.

use actix_web::http::ConnectionType;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};

use crate::relay::failure::{Failure, Listener};
use crate::relay::inbound;
use crate::telemetry::RequestLine;
use crate::wire::Dialect;

/// See the room's head.
pub struct Visit {
    /// Whom it is answered.
    pub listener: Listener,
    /// Its line in the log.
    pub line: RequestLine,
}

impl Visit {
    /// Refuses before the body was read: a connection with unread bytes on it is closed.
    pub fn refuse(self, request: &HttpRequest, failure: &Failure) -> HttpResponse {
        let mut response = self.told(failure);
        if inbound::has_body(request) {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        response
    }

    /// Refuses a request whose body was read.
    pub fn told(self, failure: &Failure) -> HttpResponse {
        let response = failure.response(self.listener);
        self.line.log(failure.status, Some(failure.code));
        response
    }

    /// Answers with JSON that was made here.
    pub fn listed(self, body: Vec<u8>) -> HttpResponse {
        self.line.log(200, None);
        let mut response = HttpResponse::Ok();
        sign(&mut response, self.listener);
        response.content_type("application/json").body(body)
    }
}

/// Adds what every answer carries: the request's id, in Anthropic's dialect under its own name too.
pub fn sign(response: &mut HttpResponseBuilder, to: Listener) {
    let id = to.id.to_string();
    if to.dialect == Dialect::Anthropic {
        response.insert_header(("request-id", id.as_str()));
    }
    response.insert_header(("x-request-id", id));
    response.insert_header(("x-content-type-options", "nosniff"));
}
