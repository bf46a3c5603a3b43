//! Which room answers a request: by its path alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue, UPGRADE};
use actix_web::http::{ConnectionType, Method};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::api::{self, Desk};
use crate::catalogue::Provider;
use crate::clock::Clock;
use crate::config::Config;
use crate::ids::RequestId;
use crate::relay::failure::{Failure, Listener};
use crate::relay::{self, Relay};
use crate::server::assembly::{self, Core};
use crate::server::connections::Connections;
use crate::store::Store;
use crate::telemetry::{Gauges, METRICS_TYPE, Metrics, RequestLine};
use crate::wire::Dialect;

/// What every worker needs to answer.
pub struct Front {
    relay: Arc<Relay>,
    desk: Arc<Desk>,
    store: Arc<Store>,
    metrics: Arc<Metrics>,
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
            store: Arc::clone(&core.store),
            metrics: Arc::clone(&core.metrics),
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

    fn readiness(&self) -> HttpResponse {
        let reason = if self.is_stopping() {
            "stopping"
        } else if !self.store.books().recording() {
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

    /// The page of metrics, for those who may see all tokens' figures together.
    fn metrics(&self, visit: &mut Visit, request: &HttpRequest) -> HttpResponse {
        let caller = match api::permit_manager(&self.desk, request) {
            Ok(caller) => caller,
            Err(refusal) => return *refusal,
        };
        visit.line.token = Some((caller.token().id, caller.token().user));
        self.page()
    }

    fn page(&self) -> HttpResponse {
        let page = self.metrics.page(Gauges {
            queue_depth: self.store.queue_depth(),
            running: self.relay.running().count(),
            is_recording: self.store.books().recording(),
        });
        HttpResponse::Ok()
            .content_type(METRICS_TYPE)
            .insert_header(("cache-control", "no-store"))
            .insert_header(("x-content-type-options", "nosniff"))
            .body(page)
    }
}

/// A request that the relay does not serve, with its line in the log.
struct Visit {
    id: RequestId,
    dialect: Dialect,
    line: RequestLine,
    code: Option<&'static str>,
}

impl Visit {
    fn begin(front: &Front, request: &HttpRequest) -> Self {
        let id = RequestId::mint(front.clock.now());
        let path = request.uri().path();
        let mut line = RequestLine::begin(&front.metrics, id, request.method().as_str(), path);
        if let Some(route) = own_pattern(path).or_else(|| api::pattern_of(path)) {
            line.route = route;
        }
        Self { id, dialect: relay::dialect_of_request(request), line, code: None }
    }

    /// Refuses; a body is not read, so the connection is closed.
    fn refuse(&mut self, failure: &Failure) -> HttpResponse {
        self.code = Some(failure.code);
        let mut response = failure.response(Listener { dialect: self.dialect, id: self.id });
        response.head_mut().set_connection_type(ConnectionType::Close);
        response
    }

    /// The answer as it goes out: under the id that the log has.
    fn end(self, mut response: HttpResponse) -> HttpResponse {
        self.line.log(response.status().as_u16(), self.code);
        let id = HeaderValue::try_from(self.id.to_string());
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), id.expect("a UUID is ASCII"));
        response
    }
}

/// Answers a request from the network.
pub async fn dispatch(front: web::Data<Front>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let path = request.uri().path();
    let is_relays = own_route(path).is_none() && !api::has_route(path);
    let offers_upgrade = request.head().upgrade();
    let mut response = if is_relays && !front.is_stopping() && !must_upgrade(&request) {
        relay::serve(web::Data::from(Arc::clone(&front.relay)), request, payload).await
    } else {
        let mut visit = Visit::begin(&front, &request);
        // Boxed: what is rare here would sit in the future of every request that is relayed.
        let response = Box::pin(answer_here(&front, &mut visit, &request, payload)).await;
        visit.end(response)
    };
    if offers_upgrade {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

/// Whether the client wants another protocol and could not go on without. HTTP/2 it only offers: curl and Java's client do.
fn must_upgrade(request: &HttpRequest) -> bool {
    let is_offer = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"h2c");
    request.head().upgrade() && !request.headers().get_all(UPGRADE).all(is_offer)
}

async fn answer_here(
    front: &Front,
    visit: &mut Visit,
    request: &HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let path = request.uri().path();
    match own_route(path) {
        Some(allowed) if allowed.contains(request.method()) => return own_answer(front, visit, request),
        Some(_) => return visit.refuse(&Failure::method_not_allowed("GET, HEAD")),
        None => {}
    }
    if front.is_stopping() {
        return visit.refuse(&Failure::overloaded());
    }
    if must_upgrade(request) {
        let failure =
            Failure::invalid_parameter("upgrade", "This server speaks HTTP/1.1 alone: send no Upgrade.");
        return visit.refuse(&failure);
    }
    api::serve(&front.desk, request, payload, front.body_timeout, &mut visit.line).await
}

/// Answers a request from the control socket: the token API alone.
pub async fn control(front: web::Data<Front>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let mut visit = Visit::begin(&front, &request);
    let path = request.uri().path();
    let response = if api::has_route(path) {
        api::serve(&front.desk, &request, payload, front.body_timeout, &mut visit.line).await
    } else {
        visit.refuse(&Failure::no_route(request.method().as_str(), path))
    };
    visit.end(response)
}

/// Answers a request from the listener of the metrics: them alone, whoever asks.
pub async fn metrics_alone(front: web::Data<Front>, request: HttpRequest) -> HttpResponse {
    let mut visit = Visit::begin(&front, &request);
    let (method, path) = (request.method(), request.uri().path());
    let response = match (path, method) {
        ("/metrics", &Method::GET | &Method::HEAD) => front.page(),
        ("/metrics", _) => visit.refuse(&Failure::method_not_allowed("GET, HEAD")),
        _ => visit.refuse(&Failure::no_route(method.as_str(), path)),
    };
    visit.end(response)
}

/// The routes that belong to no room.
const OWN: [&str; 4] = ["/", "/livez", "/readyz", "/metrics"];

fn own_pattern(path: &str) -> Option<&'static str> {
    OWN.into_iter().find(|own| *own == path)
}

/// The methods of a route that belongs to no room.
fn own_route(path: &str) -> Option<[Method; 2]> {
    own_pattern(path).map(|_| [Method::GET, Method::HEAD])
}

fn own_answer(front: &Front, visit: &mut Visit, request: &HttpRequest) -> HttpResponse {
    let text = |text: &'static str| HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text);
    match request.uri().path() {
        "/metrics" => front.metrics(visit, request),
        "/readyz" => front.readiness(),
        "/livez" => text("alive\n"),
        _ => text(
            "tollgate, a gateway for LLM APIs with hard budgets. Its documentation is README.md in its repository.\n",
        ),
    }
}
