//! Which room answers a request: by its path alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::http::{ConnectionType, Method};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::api::{self, Desk};
use crate::catalogue::Provider;
use crate::clock::Clock;
use crate::config::Config;
use crate::ids::RequestId;
use crate::ledger::Books;
use crate::relay::failure::Failure;
use crate::relay::{self, Relay};
use crate::server::assembly::{self, Core};
use crate::server::connections::Connections;

/// What every worker needs to answer.
pub struct Front {
    relay: Arc<Relay>,
    desk: Arc<Desk>,
    books: Arc<Books>,
    clock: Clock,
    body_timeout: Duration,
    has_channel: bool,
    connections: Arc<Connections>,
    stopping: AtomicBool,
}

impl Front {
    /// The front of `core`, as `config` says.
    pub fn new(config: &Config, core: &Core) -> Self {
        let real = |provider| provider != Provider::Demo;
        let channels = config.roster.channels();
        Self {
            relay: Arc::new(assembly::relay(config, core)),
            desk: Arc::clone(&core.desk),
            books: Arc::clone(core.store.books()),
            clock: core.clock.clone(),
            body_timeout: config.server.timeouts.body,
            has_channel: !config.server.ready_needs_channel
                || channels.iter().any(|channel| real(channel.provider)),
            connections: Arc::new(Connections::new(config.limits.max_connections_per_ip)),
            stopping: AtomicBool::new(false),
        }
    }

    /// The connections from the network.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// The relay.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// From now on new requests are turned away.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn refuse(&self, failure: &Failure) -> HttpResponse {
        let mut response = failure.response(RequestId::mint(self.clock.now()));
        response.head_mut().set_connection_type(ConnectionType::Close);
        response
    }

    fn readiness(&self) -> HttpResponse {
        let reason = if self.is_stopping() {
            "stopping"
        } else if !self.books.recording() {
            "the store cannot record"
        } else if !self.has_channel {
            "no channel is configured"
        } else {
            return HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n");
        };
        HttpResponse::ServiceUnavailable()
            .content_type("text/plain; charset=utf-8")
            .insert_header(("retry-after", "1"))
            .body(format!("not ready: {reason}\n"))
    }
}

/// Answers a request from the network.
pub async fn dispatch(front: web::Data<Front>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let path = request.uri().path();
    match own_route(path) {
        Some(allowed) if allowed.contains(request.method()) => return own_answer(&front, path),
        Some(_) => return front.refuse(&Failure::method_not_allowed("GET, HEAD")),
        None => {}
    }
    if front.is_stopping() {
        return front.refuse(&Failure::overloaded());
    }
    if request.head().upgrade() {
        let failure =
            Failure::invalid_parameter("upgrade", "This server speaks HTTP/1.1 alone: send no Upgrade.");
        return front.refuse(&failure);
    }
    if api::has_route(path) {
        return api::serve(&front.desk, &request, payload, front.body_timeout).await;
    }
    relay::serve(web::Data::from(Arc::clone(&front.relay)), request, payload).await
}

/// Answers a request from the control socket: the token API alone.
pub async fn control(front: web::Data<Front>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let path = request.uri().path();
    if api::has_route(path) {
        return api::serve(&front.desk, &request, payload, front.body_timeout).await;
    }
    front.refuse(&Failure::no_route(request.method().as_str(), path))
}

/// The methods of a route that belongs to no room.
fn own_route(path: &str) -> Option<[Method; 2]> {
    matches!(path, "/" | "/livez" | "/readyz").then_some([Method::GET, Method::HEAD])
}

fn own_answer(front: &Front, path: &str) -> HttpResponse {
    let text = |text: &'static str| HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text);
    match path {
        "/readyz" => front.readiness(),
        "/livez" => text("alive\n"),
        _ => text(
            "tollgate, a gateway for LLM APIs with hard budgets. Its documentation is README.md in its repository.\n",
        ),
    }
}
