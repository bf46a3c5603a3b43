//! The failure table: every refusal and fault on a model route, with its status, its kind, its code, its words and its headers.
//! The reason behind a provider's fault goes to the log alone.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::admission::{BudgetRefusal, Refusal};
use crate::channels::client::Fault;
use crate::ids::{RequestId, TokenId};
use crate::ledger::Which;
use crate::limits::{RateFault, RateKind};
use crate::money::{Money, credits_of_quota};
use crate::relay::visit::sign;
use crate::tokens::{ApiToken, AuthFault, CredentialFault};
use crate::wire::fault::{ErrorKind, ErrorWords, error_body, error_event, typed_error_event};
use crate::wire::{AskFault, Dialect, Form, FormFault, JsonFault};

/// A failure as a client is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status.
    pub status: u16,
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The exact cause, for a program.
    pub code: &'static str,
    /// The field that is to blame.
    pub param: Option<String>,
    /// What went wrong and what to do.
    pub message: String,
    /// Headers of its own.
    pub headers: Vec<(&'static str, String)>,
}

/// Whom a failure is told: in which dialect, in answer to what.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The dialect of the route, or of the caller.
    pub dialect: Dialect,
    /// The request.
    pub id: RequestId,
}

impl Failure {
    /// A failure without a field or headers.
    pub fn new(status: u16, kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code, param: None, message: message.into(), headers: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn about(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    /// Its words on the wire.
    pub fn words(&self) -> ErrorWords<'_> {
        ErrorWords {
            message: &self.message,
            kind: self.kind,
            param: self.param.as_deref(),
            code: self.code,
            status: self.status,
        }
    }

    /// It as an event of a stream that has begun in answer to a body of `form`.
    pub fn event(&self, to: Listener, form: Form) -> Vec<u8> {
        match form {
            Form::Responses => typed_error_event(&self.words()),
            _ => error_event(&self.words(), to.dialect, &to.id.to_string()),
        }
    }

    /// It as an element of an array that streams, behind `lead`.
    pub fn element(&self, to: Listener, lead: &str) -> Vec<u8> {
        [lead.as_bytes(), &error_body(&self.words(), to.dialect, &to.id.to_string())].concat()
    }

    /// It as an answer.
    pub fn response(&self, to: Listener) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        response.content_type("application/json");
        sign(&mut response, to);
        for (name, value) in &self.headers {
            response.insert_header((*name, value.as_str()));
        }
        response.body(error_body(&self.words(), to.dialect, &to.id.to_string()))
    }

    /// No such route.
    pub fn no_route(method: &str, path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        Self::new(404, ErrorKind::NotFound, "not_found", format!("There is no route {method} {path:?} here."))
    }

    /// The route has other methods.
    pub fn method_not_allowed(allow: &str) -> Self {
        let message = format!("This route answers {allow} alone.");
        Self::new(405, ErrorKind::Invalid, "method_not_allowed", message).with("allow", allow)
    }

    /// The client's address is not on the token's list.
    pub fn ip_not_allowed() -> Self {
        Self::new(
            403,
            ErrorKind::Permission,
            "ip_not_allowed",
            "This API key may not be used from your address.",
        )
    }

    /// The token lacks the scope for model routes.
    pub fn scope_missing() -> Self {
        let message = "This API key manages tokens and may not call models: it lacks the scope `inference`.";
        Self::new(403, ErrorKind::Permission, "scope_missing", message)
    }

    /// A model that the token cannot see.
    pub fn model_not_found(model: &str) -> Self {
        let message =
            format!("There is no model {model:?} for this API key; GET /v1/models lists those there are.");
        Self::new(404, ErrorKind::NotFound, "model_not_found", message).about("model")
    }

    /// A response that the token cannot follow up: unknown, another token's, too old, or made by a channel that is gone.
    pub fn response_not_found(id: &str) -> Self {
        let id: String = id.chars().take(80).collect();
        let message = format!(
            "There is no response {id:?} that can be followed up with this API key: its provider must store it, and it is \
             remembered for 30 days, for the key that asked for it."
        );
        Self::new(404, ErrorKind::NotFound, "not_found", message)
    }

    /// A parameter that is wrong.
    pub fn invalid_parameter(param: &str, message: impl Into<String>) -> Self {
        Self::new(400, ErrorKind::Invalid, "invalid_parameter", message).about(param)
    }

    /// A body that is not identity-encoded.
    pub fn unsupported_encoding() -> Self {
        let message = "The request body must not be compressed: send it without a content-encoding.";
        Self::new(415, ErrorKind::Invalid, "unsupported_encoding", message)
    }

    /// A body of another type than `form` may have.
    pub fn unsupported_media_type(form: Form) -> Self {
        let message = match form {
            Form::Transcription => "The request body must be multipart/form-data.",
            Form::ImageEdits => "The request body must be application/json or multipart/form-data.",
            _ => "The request body must be application/json.",
        };
        Self::new(415, ErrorKind::Invalid, "unsupported_media_type", message)
    }

    /// A body over the bound.
    pub fn request_too_large(most: usize) -> Self {
        let message = format!("The request body is larger than {most} bytes ([server] max_body_bytes).");
        Self::new(413, ErrorKind::TooLarge, "request_too_large", message)
    }

    /// A body that did not arrive in time.
    pub fn request_timeout() -> Self {
        Self::new(408, ErrorKind::TooLarge, "request_timeout", "The request body did not arrive in time.")
    }

    /// A body that broke off or is no HTTP.
    pub fn broken_body() -> Self {
        Self::new(400, ErrorKind::Invalid, "invalid_json", "The request body did not arrive whole.")
    }

    /// As many requests, or bytes of them, as the process takes.
    pub fn overloaded() -> Self {
        Self::new(
            503,
            ErrorKind::Overloaded,
            "overloaded",
            "The gateway is at its limit of requests in flight; try again shortly.",
        )
        .with("retry-after", "1")
    }

    /// The store cannot record.
    pub fn storage_unavailable() -> Self {
        let message =
            "The gateway cannot record charges at present, so it lets nothing through; try again shortly.";
        Self::new(503, ErrorKind::Storage, "storage_unavailable", message).with("retry-after", "1")
    }

    /// An answer that was charged, and whose charge is not known to be on disk: it is kept back, and asking again would pay twice.
    pub fn unrecorded() -> Self {
        Self::storage_unavailable().with("x-should-retry", "false")
    }

    /// A provider's answer that is none.
    pub fn upstream(message: impl Into<String>) -> Self {
        Self::new(502, ErrorKind::Upstream, "upstream_error", message)
    }

    /// A provider's status that is the channel's trouble, not the caller's.
    pub fn of_status(status: u16) -> Self {
        Self::upstream(format!("The model's provider could not serve the request (status {status})."))
    }

    /// A fault of the channel.
    pub fn of_fault(fault: &Fault) -> Self {
        if fault.is_timeout() {
            return Self::new(
                504,
                ErrorKind::Timeout,
                "upstream_timeout",
                "The model's provider did not answer in time.",
            );
        }
        let message = match fault {
            Fault::Unreachable { .. } | Fault::Tls { .. } => "The model's provider cannot be reached.",
            _ => "The model's provider broke off the connection.",
        };
        Self::upstream(message)
    }
}

impl From<CredentialFault> for Failure {
    fn from(fault: CredentialFault) -> Self {
        match fault {
            CredentialFault::Missing => {
                let message = "No API key was given; send it as `Authorization: Bearer sk-…`.";
                Self::new(401, ErrorKind::Authentication, "missing_api_key", message)
                    .with("www-authenticate", "Bearer")
            }
            CredentialFault::Malformed => Self::from(AuthFault::Unknown),
            CredentialFault::Ambiguous => {
                let message = "The request has two different API keys; send one.";
                Self::new(400, ErrorKind::Invalid, "ambiguous_credentials", message)
            }
        }
    }
}

impl From<AuthFault> for Failure {
    fn from(fault: AuthFault) -> Self {
        let (code, message) = match fault {
            AuthFault::Unknown => ("invalid_api_key", "The API key is not valid."),
            AuthFault::Disabled => ("token_disabled", "The API key is disabled."),
            AuthFault::Expired => ("token_expired", "The API key has expired."),
        };
        Self::new(401, ErrorKind::Authentication, code, message).with("www-authenticate", "Bearer")
    }
}

impl From<AskFault> for Failure {
    fn from(fault: AskFault) -> Self {
        match fault {
            AskFault::Parameter { param, message } => Self::invalid_parameter(&param, message),
            AskFault::Form(fault) => {
                let message = fault.to_string();
                let failure = |code| Self::new(400, ErrorKind::Invalid, code, message);
                match fault {
                    FormFault::Duplicate(name) => failure("duplicate_field").about(&name),
                    _ => failure("invalid_multipart"),
                }
            }
            AskFault::Json(fault) => {
                let code =
                    if matches!(fault, JsonFault::Duplicate(_)) { "duplicate_field" } else { "invalid_json" };
                let failure = Self::new(400, ErrorKind::Invalid, code, fault.to_string());
                match fault {
                    JsonFault::Duplicate(field) => failure.about(&field),
                    _ => failure,
                }
            }
        }
    }
}

/// A refusal of the gate, told to the holder of `token` who asked for `model`.
pub fn refused(refusal: &Refusal, token: &ApiToken, model: &str, form: Form) -> Failure {
    match refusal {
        Refusal::ModelNotAllowed => {
            let message = format!("This API key may not use the model {model:?}.");
            Failure::new(403, ErrorKind::Permission, "model_not_allowed", message).about("model")
        }
        Refusal::ModelNotFound => Failure::model_not_found(model),
        Refusal::ModelNotPriced => not_priced(model, form),
        Refusal::TierNotPriced => Failure::invalid_parameter(
            "service_tier",
            format!(
                "The model {model:?} has no price for this service tier, so its cost cannot be bounded; leave it out, or add `tiers` to the model's [[prices]]."
            ),
        ),
        Refusal::Rate(fault) => rate(*fault),
        Refusal::Budget(refusal) => budget(refusal, token),
        Refusal::Overloaded | Refusal::CallerChanged => Failure::overloaded(),
        Refusal::StoreUnavailable => Failure::storage_unavailable(),
    }
}

fn not_priced(model: &str, form: Form) -> Failure {
    let by_token = ("per million tokens", "input = 1.0\noutput = 2.0");
    let (unit, lines) = match form {
        Form::Images | Form::ImageEdits => {
            ("each; or input and output, per million tokens", "per_image = 0.04")
        }
        Form::Transcription => ("each; or input and output, per million tokens", "per_second = 0.0001"),
        Form::Speech => {
            ("per million; or per_second, or input and output by the token", "per_million_characters = 15.0")
        }
        _ => by_token,
    };
    let message = format!(
        "The model {model:?} has no price, so it cannot be charged. Add one to config.toml (US dollars {unit}):\n\
         [[prices]]\nmodel = {model:?}\n{lines}"
    );
    Failure::new(402, ErrorKind::NotPriced, "model_not_priced", message)
        .about("model")
        .with("x-should-retry", "false")
}

fn rate(fault: RateFault) -> Failure {
    let (code, message) = match fault.which {
        RateKind::Requests => {
            ("rate_limit_exceeded", format!("The limit is {} requests a minute (rpm).", fault.limit))
        }
        RateKind::Tokens => (
            "rate_limit_exceeded",
            format!("The limit is {} input and output tokens a minute (tpm).", fault.limit),
        ),
        RateKind::Concurrency => (
            "concurrency_limit_exceeded",
            format!("The limit is {} requests at one time (max_concurrency).", fault.limit),
        ),
    };
    let message = format!("{message} Try again in {} s.", fault.retry_after);
    Failure::new(429, ErrorKind::Rate, code, message).with("retry-after", fault.retry_after.to_string())
}

fn budget(refusal: &BudgetRefusal, token: &ApiToken) -> Failure {
    let line = &refusal.shortfall.line;
    let credits = |amount: Money| credits_of_quota(amount.quota_down());
    let used_up = |amount: Money| credits_of_quota(amount.quota_up());
    let figures = format!(
        "limit {} credits, used {}, reserved {}; this request needs {}",
        credits(line.limit),
        used_up(line.used),
        used_up(line.held),
        used_up(refusal.shortfall.need)
    );
    let missing = used_up(refusal.missing());
    let is_spent = line.free() == Money::ZERO;
    let what = if is_spent { "is spent" } else { "leaves too little for this request" };
    let total = |whose: &str, path: &str| {
        let message = format!(
            "{whose} {what} ({figures}). It does not reset. An administrator can add credit: \
             POST /v1/{path}/credit {{\"credits\": {missing}}}"
        );
        Failure::new(402, ErrorKind::Quota, "insufficient_quota", message)
    };
    let failure = match line.which {
        Which::Token => total("The token's total quota", &format!("tokens/{}", token.id)),
        Which::User => total("The total quota of the token's user", &format!("users/{}", token.user)),
        Which::Day => window("daily", "daily_limit_exceeded", &figures, refusal, token.id),
        Which::Month => window("monthly", "monthly_limit_exceeded", &figures, refusal, token.id),
    };
    failure.with("x-should-retry", "false")
}

fn window(name: &str, code: &'static str, figures: &str, refusal: &BudgetRefusal, token: TokenId) -> Failure {
    let resets_at = refusal.resets_at.unwrap_or(refusal.at);
    let wait = (resets_at.millis() - refusal.at.millis() + 999).div_euclid(1000).max(1);
    let vain = if refusal.never_fits() {
        ", but waiting will not help: the request alone is larger than the limit"
    } else {
        ""
    };
    let message = format!(
        "The token's {name} limit is reached ({figures}). It resets in {wait} s (Unix time {}){vain}. An administrator can raise it: \
         PATCH /v1/tokens/{token} {{\"{name}_credits\": …}}",
        resets_at.secs()
    );
    Failure::new(429, ErrorKind::Rate, code, message).with("retry-after", wait.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each kind of failure in each dialect: status, and the words for programs.
    #[test]
    fn the_table_of_failures() {
        let fault = |which| RateFault { which, limit: 1, retry_after: 1 };
        let rows = [
            (Failure::from(AskFault::Json(JsonFault::NotAnObject)), "400 invalid_json"),
            (Failure::invalid_parameter("n", "n"), "400 invalid_parameter"),
            (CredentialFault::Ambiguous.into(), "400 ambiguous_credentials"),
            (CredentialFault::Missing.into(), "401 missing_api_key"),
            (AuthFault::Disabled.into(), "401 token_disabled"),
            (not_priced("m", Form::Chat), "402 model_not_priced"),
            (Failure::scope_missing(), "403 scope_missing"),
            (Failure::model_not_found("m"), "404 model_not_found"),
            (Failure::response_not_found("resp_1"), "404 not_found"),
            (Failure::method_not_allowed("GET"), "405 method_not_allowed"),
            (Failure::request_timeout(), "408 request_timeout"),
            (Failure::request_too_large(1), "413 request_too_large"),
            (Failure::unsupported_encoding(), "415 unsupported_encoding"),
            (rate(fault(RateKind::Requests)), "429 rate_limit_exceeded"),
            (rate(fault(RateKind::Concurrency)), "429 concurrency_limit_exceeded"),
            (Failure::of_status(500), "502 upstream_error"),
            (Failure::overloaded(), "503 overloaded"),
            (Failure::storage_unavailable(), "503 storage_unavailable"),
            (Failure::of_fault(&Fault::HeadTimeout), "504 upstream_timeout"),
        ];
        let words = [
            "invalid_request_error invalid_request_error INVALID_ARGUMENT",
            "invalid_request_error invalid_request_error INVALID_ARGUMENT",
            "invalid_request_error invalid_request_error INVALID_ARGUMENT",
            "authentication_error authentication_error UNAUTHENTICATED",
            "authentication_error authentication_error UNAUTHENTICATED",
            "insufficient_quota billing_error FAILED_PRECONDITION",
            "permission_error permission_error PERMISSION_DENIED",
            "not_found_error not_found_error NOT_FOUND",
            "not_found_error not_found_error NOT_FOUND",
            "invalid_request_error invalid_request_error INVALID_ARGUMENT",
            "invalid_request_error request_too_large INVALID_ARGUMENT",
            "invalid_request_error request_too_large INVALID_ARGUMENT",
            "invalid_request_error invalid_request_error INVALID_ARGUMENT",
            "rate_limit_error rate_limit_error RESOURCE_EXHAUSTED",
            "rate_limit_error rate_limit_error RESOURCE_EXHAUSTED",
            "upstream_error api_error UNAVAILABLE",
            "server_error overloaded_error UNAVAILABLE",
            "server_error api_error UNAVAILABLE",
            "upstream_error api_error DEADLINE_EXCEEDED",
        ];
        for ((failure, row), words) in rows.iter().zip(words) {
            assert_eq!(format!("{} {}", failure.status, failure.code), *row);
            let dialects = [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini];
            assert_eq!(dialects.map(|dialect| failure.kind.word(dialect)).join(" "), words, "{row}");
        }
    }

    #[test]
    fn an_answer_names_its_request_as_the_dialect_does() {
        let id = RequestId::from_bytes([7; 16]);
        for (dialect, named) in [(Dialect::OpenAi, 1), (Dialect::Anthropic, 2), (Dialect::Gemini, 1)] {
            let response = Failure::overloaded().response(Listener { dialect, id });
            let headers = response.headers().iter();
            let names = headers.filter(|(_, value)| value.as_bytes() == id.to_string().as_bytes()).count();
            assert_eq!((response.status().as_u16(), names), (503, named), "{dialect:?}");
        }
    }
}
