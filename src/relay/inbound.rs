//! What comes in: who calls, from where, and the body of the request, bounded in size and time.

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::clock::Timestamp;
use crate::relay::Relay;
use crate::relay::buffers::Buffered;
use crate::relay::failure::Failure;
use crate::relay::serve::dialect_of_request;
use crate::tokens::{Caller, Credentials, Scope, identify};
use crate::wire::{AskFault, BodyType, Dialect, Form, body_type, percent};

/// A body that was read whole, counted as buffered while this lives.
pub struct Body {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its share of what may be buffered.
    pub buffered: Buffered,
}

/// Whether the request announces a body.
pub fn has_body(request: &HttpRequest) -> bool {
    let length = request.headers().get(CONTENT_LENGTH);
    length.is_some_and(|length| length.as_bytes() != b"0")
        || request.headers().contains_key(TRANSFER_ENCODING)
}

/// Who calls: one live token, used from an address it may be used from, and good for calling models.
///
/// # Errors
/// The first of these that is not so.
pub fn caller(relay: &Relay, request: &HttpRequest, at: Timestamp) -> Result<Caller, Failure> {
    let caller = identified(relay, request, at)?;
    check_caller(&caller, request)?;
    Ok(caller)
}

/// Who calls: one live token.
///
/// # Errors
/// No key, two, one that nobody has, or one of a token that is disabled or expired.
pub fn identified(relay: &Relay, request: &HttpRequest, at: Timestamp) -> Result<Caller, Failure> {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let mut credentials = Credentials::from_headers(headers);
    add_query_key(&mut credentials, request);
    let key = credentials.key()?;
    Ok(identify(&*relay.directory, &key, at)?)
}

/// Whether the caller may call models from where it calls.
///
/// # Errors
/// When it may not from there, or not at all.
pub fn check_caller(caller: &Caller, request: &HttpRequest) -> Result<(), Failure> {
    // A connection without an address comes from nowhere on any list.
    let permitted = request.peer_addr().map_or(!caller.has_ip_list(), |peer| caller.permits_ip(peer.ip()));
    if !permitted {
        return Err(Failure::ip_not_allowed());
    }
    if !caller.permits(Scope::Inference) {
        return Err(Failure::scope_missing());
    }
    Ok(())
}

/// Adds the key in the query, where Google's clients may put it; elsewhere it is none.
fn add_query_key(credentials: &mut Credentials, request: &HttpRequest) {
    let query = request.query_string();
    if query.is_empty() || dialect_of_request(request) != Dialect::Gemini {
        return;
    }
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if percent::decode(name).is_some_and(|name| name == "key") {
            let decoded = percent::decode(value);
            credentials.add(decoded.as_deref().unwrap_or(value).as_bytes());
        }
    }
}

/// Refuses forms of an answer that cannot be read here, where the route lets the query choose one.
///
/// # Errors
/// When `alt` is neither `sse` nor `json`.
pub fn check_alt(request: &HttpRequest, names: &[&str]) -> Result<(), Failure> {
    if !names.contains(&"alt") {
        return Ok(());
    }
    let is_bad = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        percent::decode(name).is_some_and(|name| name == "alt") && !matches!(value, "sse" | "json")
    };
    if request.query_string().split('&').any(is_bad) {
        return Err(Failure::invalid_parameter("alt", "alt must be sse or json"));
    }
    Ok(())
}

/// Refuses what the body's own headers and the query already say of a body of `form`; what the body is.
///
/// # Errors
/// A compressed body, one of another type, or a model in the query.
pub fn check_head(request: &HttpRequest, form: Form) -> Result<BodyType, Failure> {
    let encodings = request.headers().get_all(CONTENT_ENCODING);
    if encodings.into_iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Failure::unsupported_encoding());
    }
    let mut types = request.headers().get_all(CONTENT_TYPE);
    let body = match body_type(types.next().map(|value| value.as_bytes())) {
        Err(fault) if form.takes_parts() => return Err(AskFault::from(fault).into()),
        body => body.unwrap_or_default(),
    };
    let body = body.filter(|body| form.takes(body) && types.next().is_none());
    let body = body.ok_or_else(|| Failure::unsupported_media_type(form))?;
    let name = |pair: &str| percent::decode(pair.split('=').next().unwrap_or_default());
    let names_model = |pair: &str| name(pair).is_some_and(|name| name.eq_ignore_ascii_case("model"));
    if request.query_string().split('&').any(names_model) {
        let message = "The model is named in the body alone, not in the query string.";
        return Err(Failure::invalid_parameter("model", message));
    }
    Ok(body)
}

/// Reads the body whole, within its bounds.
///
/// # Errors
/// When it is too large, too slow, broken, or there is no room for it.
pub async fn read_body(relay: &Relay, request: &HttpRequest, payload: web::Payload) -> Result<Body, Failure> {
    let most = relay.settings.max_body_bytes;
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(Failure::request_too_large(most));
    }
    let mut buffered = relay.buffers.begin();
    let reading = collect(payload, most, &mut buffered);
    let bytes = tokio::time::timeout(relay.settings.body_timeout, reading)
        .await
        .map_err(|_| Failure::request_timeout())??;
    Ok(Body { bytes, buffered })
}

async fn collect(mut payload: web::Payload, most: usize, buffered: &mut Buffered) -> Result<Bytes, Failure> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Failure::broken_body())?;
        if first.len() + whole.len() + chunk.len() > most {
            return Err(Failure::request_too_large(most));
        }
        buffered.grow(chunk.len()).map_err(|_| Failure::overloaded())?;
        // Most bodies come as one chunk, which is then not copied.
        if first.is_empty() && whole.is_empty() {
            first = chunk;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&chunk);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn code(form: Form, uri: &str, headers: &[(&'static str, &'static str)]) -> Option<&'static str> {
        let mut request = TestRequest::post().uri(uri);
        for header in headers {
            request = request.append_header(*header);
        }
        check_head(&request.to_http_request(), form).err().map(|failure| failure.code)
    }

    #[test]
    fn the_head_is_checked_before_the_body_is_read() {
        for (uri, headers, want) in [
            ("/", &[][..], None),
            ("/?beta=true", &[("content-type", "application/json; charset=utf-8")], None),
            ("/", &[("content-encoding", "identity")], None),
            ("/", &[("content-encoding", "gzip")], Some("unsupported_encoding")),
            ("/", &[("content-type", "text/plain")], Some("unsupported_media_type")),
            (
                "/",
                &[("content-type", "application/json"), ("content-type", "application/json")],
                Some("unsupported_media_type"),
            ),
            ("/?model=m", &[], Some("invalid_parameter")),
            ("/?a=b&mo%64el=m", &[], Some("invalid_parameter")),
            ("/?Model", &[], Some("invalid_parameter")),
        ] {
            assert_eq!(code(Form::Chat, uri, headers), want, "{uri} {headers:?}");
        }
        let multi = "multipart/form-data; boundary=x";
        for (form, content_type, want) in [
            (Form::Chat, multi, Some("unsupported_media_type")),
            (Form::Chat, "multipart/form-data", Some("unsupported_media_type")),
            (Form::Images, multi, Some("unsupported_media_type")),
            (Form::ImageEdits, multi, None),
            (Form::ImageEdits, "application/json", None),
            (Form::ImageEdits, "multipart/form-data", Some("invalid_multipart")),
            (Form::ImageEdits, "multipart/mixed; boundary=x", Some("unsupported_media_type")),
            (Form::Transcription, multi, None),
            (Form::Transcription, "application/json", Some("unsupported_media_type")),
        ] {
            assert_eq!(code(form, "/", &[("content-type", content_type)]), want, "{form:?} {content_type}");
        }
        assert_eq!(code(Form::Transcription, "/", &[]), Some("unsupported_media_type"));
    }
}
