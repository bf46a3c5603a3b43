//! The token API over HTTP: the thin skin that reads credentials, judges who may come in before it reads a body, and hands
//! the call to the [`Desk`].

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;

use crate::api::refusal::{Language, Refusal};
use crate::api::routes::{self, Matched};
use crate::api::{Answer, Call, Desk, open_to_other_sites};
use crate::telemetry::RequestLine;
use crate::tokens::{Caller, CredentialFault, Credentials, identify};

/// The largest body of the token API.
const BODY_MOST: usize = 4 << 20;

/// Marks, as application data, a server whose every client is the local administrator: that of the control socket.
#[derive(Copy, Clone, Debug)]
pub struct LocalAdmin;

/// Answers a request on one of the token API's paths ([`routes::has_route`]). A body must arrive within `patience`. Who calls
/// is noted in `line`.
pub async fn serve(
    desk: &Desk,
    request: &HttpRequest,
    payload: web::Payload,
    patience: Duration,
    line: &mut RequestLine,
) -> HttpResponse {
    let path = request.uri().path();
    if request.method() == "OPTIONS" && routes::is_open_to_other_sites(path) {
        return preflight();
    }
    let language = language(request);
    match admit(desk, request) {
        Ok((matched, caller)) => {
            line.token = Some((caller.token().id, caller.token().user));
            let body = match read_body(request, matched, payload, patience).await {
                Ok(body) => body,
                Err(refusal) => return refused(request, &refusal, language, Unread::Perhaps),
            };
            let origin = origin(request);
            let call = Call {
                method: request.method().as_str(),
                path,
                query: request.uri().query().unwrap_or_default(),
                body: &body,
                idempotency_key: request.headers().get("idempotency-key").map(|value| value.as_bytes()),
                language,
                caller,
                origin: &origin,
            };
            respond(desk.answer(call).await, Unread::No)
        }
        Err(refusal) => refused(request, &refusal, language, Unread::Perhaps),
    }
}

/// Route, method, credentials, token, address, scope, rate: in this order, and all of it before the body is read.
fn admit<'a>(desk: &Desk, request: &'a HttpRequest) -> Result<(Matched<'a>, Caller), Refusal> {
    let matched = routes::find(request.method().as_str(), request.uri().path())?;
    let caller = identify_caller(desk, request)?;
    matched.permit(&caller)?;
    desk.take_turn(&caller)?;
    Ok((matched, caller))
}

/// Lets a caller with the scope `manage` through, as the token API does; for routes of other rooms that need one.
///
/// # Errors
/// The token API's refusal.
pub fn permit_manager(desk: &Desk, request: &HttpRequest) -> Result<Caller, Box<HttpResponse>> {
    let permitted = identify_caller(desk, request).and_then(|caller| {
        routes::permit_manage(&caller)?;
        desk.take_turn(&caller)?;
        Ok(caller)
    });
    permitted.map_err(|refusal| Box::new(refused(request, &refusal, language(request), Unread::Perhaps)))
}

fn identify_caller(desk: &Desk, request: &HttpRequest) -> Result<Caller, Refusal> {
    if request.app_data::<LocalAdmin>().is_some() {
        return Ok(Caller::local());
    }
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let key = Credentials::from_headers(headers).key().map_err(|fault| match fault {
        CredentialFault::Ambiguous => Refusal::Ambiguous,
        CredentialFault::Missing | CredentialFault::Malformed => Refusal::Unauthenticated,
    })?;
    let caller =
        identify(desk.directory.as_ref(), &key, desk.clock.now()).map_err(|_| Refusal::Unauthenticated)?;
    let from = request.peer_addr().map(|peer| peer.ip());
    if !from.is_some_and(|ip| caller.permits_ip(ip)) {
        return Err(Refusal::Forbidden("This token may not be used from your address"));
    }
    Ok(caller)
}

impl Desk {
    /// Counts a call against its token's rate. The local administrator has none.
    fn take_turn(&self, caller: &Caller) -> Result<(), Refusal> {
        if caller.token().id.0 == 0 {
            return Ok(());
        }
        let now = self.clock.moment().millis_since(self.opened);
        self.pace.take(caller.token().id, now).map_err(Refusal::TooManyCalls)
    }
}

/// Reads the body of a call that takes one.
async fn read_body(
    request: &HttpRequest,
    matched: Matched<'_>,
    payload: web::Payload,
    patience: Duration,
) -> Result<Bytes, Refusal> {
    if !matched.takes_body(request.method().as_str()) {
        return Ok(Bytes::new());
    }
    check_kind(request)?;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > BODY_MOST) {
        return Err(Refusal::TooLarge(BODY_MOST));
    }
    match tokio::time::timeout(patience, collect(payload)).await {
        Ok(body) => body,
        Err(_) => Err(Refusal::TooSlow),
    }
}

async fn collect(mut payload: web::Payload) -> Result<Bytes, Refusal> {
    let mut body = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Refusal::InvalidJson("The body broke off".to_owned()))?;
        if body.len().saturating_add(chunk.len()) > BODY_MOST {
            return Err(Refusal::TooLarge(BODY_MOST));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Bodies are JSON, as it is.
fn check_kind(request: &HttpRequest) -> Result<(), Refusal> {
    let is = |name: header::HeaderName, expected: &str| {
        request.headers().get_all(name).all(|value| {
            let value = value.to_str().unwrap_or("?");
            let kind = value.split(';').next().unwrap_or_default().trim();
            kind.is_empty() || kind.eq_ignore_ascii_case(expected)
        })
    };
    if !is(header::CONTENT_ENCODING, "identity") {
        return Err(Refusal::Encoding);
    }
    if !is(header::CONTENT_TYPE, "application/json") {
        return Err(Refusal::MediaType);
    }
    Ok(())
}

/// Whether the client may still be sending a body that nobody will read: then its connection is closed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Unread {
    No,
    Perhaps,
}

fn refused(request: &HttpRequest, refusal: &Refusal, language: Language, unread: Unread) -> HttpResponse {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    let has_body = length || headers.contains_key(header::TRANSFER_ENCODING);
    let unread = if has_body { unread } else { Unread::No };
    respond(open_to_other_sites(request.uri().path(), refusal.answer(language)), unread)
}

fn respond(answer: Answer, unread: Unread) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    for (name, value) in answer.headers {
        response.insert_header((name, value));
    }
    if unread == Unread::Perhaps {
        response.force_close();
    }
    response.body(answer.body)
}

/// What a browser asks before a page of another site reads a balance.
fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header(("access-control-allow-origin", "*"))
        .insert_header(("access-control-allow-methods", "GET"))
        .insert_header((
            "access-control-allow-headers",
            "authorization, x-api-key, x-goog-api-key, api-key, content-type",
        ))
        .insert_header(("access-control-max-age", "86400"))
        .finish()
}

fn origin(request: &HttpRequest) -> String {
    if request.app_data::<LocalAdmin>().is_some() {
        return "local".to_owned();
    }
    request.peer_addr().map(|peer| peer.ip().to_canonical().to_string()).unwrap_or_default()
}

/// English for clients that ask for it before Chinese.
fn language(request: &HttpRequest) -> Language {
    let wanted = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    preferred(wanted.unwrap_or_default())
}

fn preferred(accept: &str) -> Language {
    let mut best = (0, Language::Chinese);
    for range in accept.split(',') {
        let (tag, weight) = range.split_once(';').map_or((range, 1_000), |(tag, q)| (tag, weight(q)));
        let language = match tag.trim().get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("en") => Language::English,
            Some("zh") => Language::Chinese,
            _ => continue,
        };
        if weight > best.0 {
            best = (weight, language);
        }
    }
    best.1
}

/// A weight `q=0.8` in thousandths.
fn weight(parameter: &str) -> u32 {
    let Some(value) = parameter.trim().strip_prefix("q=") else { return 1_000 };
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    let whole: u32 = whole.parse().unwrap_or(0);
    whole.saturating_mul(1_000).saturating_add(thousandths.parse().unwrap_or(0)).min(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_is_spoken_where_it_is_preferred() {
        for (accept, language) in [
            ("", Language::Chinese),
            ("en", Language::English),
            ("EN-us,en;q=0.9", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("fr, en;q=0.5", Language::English),
            ("zh;q=0.2, en;q=0.25", Language::English),
            ("en;q=0", Language::Chinese),
            ("*", Language::Chinese),
        ] {
            assert_eq!(preferred(accept), language, "{accept}");
        }
    }
}
