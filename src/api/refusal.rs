//! Every way a call of the token API can be refused, and the one table that gives each its status, code and words.

use crate::api::answer::Answer;

/// The language of the two messages that have two.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// As the API that this implements answers.
    #[default]
    Chinese,
    /// For clients that ask for it.
    English,
}

/// A longest name, in Unicode scalar values.
pub const NAME_MOST: usize = 50;

/// Why a call is not done. Data; the words are made in [`Refusal::answer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A token's name is too long; where it stands in a batch.
    NameTooLong(Option<String>),
    /// A field, or a member of the query, is wrong: its name, and what was wrong and would be right.
    Field(String, String),
    /// The body is not one JSON object.
    InvalidJson(String),
    /// A key comes twice: the words for it.
    DuplicateField(String),
    /// No such object, or not the caller's.
    NotFound(&'static str),
    /// One of the objects that a batch names: the words for it.
    NotListed(String),
    /// No route.
    NoRoute,
    /// Another method; those that the path has.
    Method(String),
    /// No or bad credentials.
    Unauthenticated,
    /// Two different credentials.
    Ambiguous,
    /// Scope, role or address forbids it; the words for it.
    Forbidden(&'static str),
    /// A field has what only admins may give it: its name, and the words for that.
    AdminsOnly(String, &'static str),
    /// Too many calls; seconds until the next passes.
    TooManyCalls(i64),
    /// The last administrator would be lost.
    LastAdmin(&'static str),
    /// It was done before; what it made or changed.
    Repeated(Vec<i64>),
    /// The same key with another body.
    IdempotencyConflict,
    /// The row was given back before.
    AlreadyRefunded,
    /// A key could not be made or recorded.
    Generation,
    /// The store cannot answer or record.
    Storage,
    /// The body is larger than this many bytes.
    TooLarge(usize),
    /// The body did not arrive in time.
    TooSlow,
    /// The body is compressed.
    Encoding,
    /// The body is not JSON by its type.
    MediaType,
}

impl Refusal {
    /// A field that is wrong, and how.
    pub fn field(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Field(name.into(), why.into())
    }

    /// Status and code in the envelope; `None` for the refusals with an `error` object of their own.
    const fn row(&self) -> Option<(u16, &'static str)> {
        Some(match self {
            Self::NameTooLong(_) => (400, "token_name_too_long"),
            Self::Field(..) | Self::LastAdmin(_) => (400, "invalid_field"),
            Self::InvalidJson(_) => (400, "invalid_json"),
            Self::DuplicateField(_) => (400, "duplicate_field"),
            Self::Ambiguous => (400, "ambiguous_credentials"),
            Self::NotFound(_) | Self::NotListed(_) | Self::NoRoute => (404, "not_found"),
            Self::Method(_) => (405, "method_not_allowed"),
            Self::TooSlow => (408, "request_timeout"),
            Self::Repeated(_) => (409, "already_created"),
            Self::IdempotencyConflict => (409, "idempotency_conflict"),
            Self::AlreadyRefunded => (409, "already_refunded"),
            Self::TooLarge(_) => (413, "request_too_large"),
            Self::Encoding => (415, "unsupported_encoding"),
            Self::MediaType => (415, "unsupported_media_type"),
            Self::Generation => (500, "token_generation_failed"),
            Self::Storage => (503, "storage_unavailable"),
            Self::Unauthenticated | Self::Forbidden(_) | Self::AdminsOnly(..) | Self::TooManyCalls(_) => {
                return None;
            }
        })
    }

    /// The words. The two Chinese messages are the wire format of the API that this implements.
    fn message(&self, language: Language) -> String {
        match self {
            Self::NameTooLong(place) => {
                let words = match language {
                    Language::English => "Token name is too long (at most 50 characters)",
                    Language::Chinese => "令牌名称过长",
                };
                place.as_ref().map_or_else(|| words.to_owned(), |place| format!("{place}: {words}"))
            }
            Self::Generation => match language {
                Language::English => "Failed to generate token".to_owned(),
                Language::Chinese => "生成令牌失败".to_owned(),
            },
            Self::Field(name, why) => format!("{name}: {why}"),
            Self::AdminsOnly(name, why) => format!("{name}: {why}"),
            Self::InvalidJson(words) | Self::DuplicateField(words) | Self::NotListed(words) => words.clone(),
            Self::NotFound(what) => format!("No such {what}"),
            Self::NoRoute => "No such route".to_owned(),
            Self::Method(allowed) => format!("This path takes {allowed}"),
            Self::Unauthenticated => "Authentication failed, please check your API key".to_owned(),
            Self::Ambiguous => "Two different credentials in one request: send one".to_owned(),
            Self::Forbidden(words) | Self::LastAdmin(words) => (*words).to_owned(),
            Self::TooManyCalls(_) => "Too many requests, please try again later".to_owned(),
            Self::Repeated(_) => {
                "A call with this Idempotency-Key was done before; data is what it made, as it is now"
                    .to_owned()
            }
            Self::IdempotencyConflict => {
                "This Idempotency-Key was used with another body; use a new one".to_owned()
            }
            Self::AlreadyRefunded => "This row was given back before".to_owned(),
            Self::Storage => "The store cannot do this now, please try again".to_owned(),
            Self::TooLarge(most) => format!("The body is too large: at most {most} bytes"),
            Self::TooSlow => "The body did not arrive in time".to_owned(),
            Self::Encoding => "The body is compressed; send it without Content-Encoding".to_owned(),
            Self::MediaType => {
                "The body must be JSON: send it with Content-Type: application/json".to_owned()
            }
        }
    }

    /// The answer that tells it.
    pub fn answer(&self, language: Language) -> Answer {
        let message = self.message(language);
        let answer = match self.row() {
            Some((status, code)) => Answer::refused(status, code, &message, None),
            None => self.own_shape(&message),
        };
        match self {
            Self::Method(allowed) => answer.with("allow", allowed.clone()),
            Self::TooManyCalls(seconds) => answer.with("retry-after", seconds.to_string()),
            Self::Storage => answer.with("retry-after", "1".to_owned()),
            _ => answer,
        }
    }

    fn own_shape(&self, message: &str) -> Answer {
        let (status, kind) = match self {
            Self::Forbidden(_) | Self::AdminsOnly(..) => (403, "permission_error"),
            Self::TooManyCalls(_) => (429, "rate_limit_error"),
            _ => (401, "authentication_error"),
        };
        Answer::error_object(status, kind, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_shapes_of_the_table() {
        let cases = [
            (
                Refusal::NameTooLong(None),
                400,
                r#"{"success":false,"message":"令牌名称过长","code":"token_name_too_long"}"#,
            ),
            (
                Refusal::Generation,
                500,
                r#"{"success":false,"message":"生成令牌失败","code":"token_generation_failed"}"#,
            ),
            (
                Refusal::Unauthenticated,
                401,
                r#"{"error":{"code":401,"message":"Authentication failed, please check your API key","type":"authentication_error"}}"#,
            ),
            (
                Refusal::TooManyCalls(2),
                429,
                r#"{"error":{"code":429,"message":"Too many requests, please try again later","type":"rate_limit_error"}}"#,
            ),
            (
                Refusal::Forbidden("no"),
                403,
                r#"{"error":{"code":403,"message":"no","type":"permission_error"}}"#,
            ),
        ];
        for (refusal, status, body) in cases {
            let answer = refusal.answer(Language::Chinese);
            assert_eq!(answer.status, status);
            assert_eq!(String::from_utf8(answer.body).unwrap(), body);
        }
    }

    #[test]
    fn conflicts_are_not_to_be_retried_and_a_busy_store_is() {
        assert!(
            Refusal::AlreadyRefunded
                .answer(Language::English)
                .headers
                .contains(&("x-should-retry", "false".to_owned()))
        );
        assert!(
            Refusal::Storage.answer(Language::English).headers.contains(&("retry-after", "1".to_owned()))
        );
        assert!(
            Refusal::TooManyCalls(7)
                .answer(Language::English)
                .headers
                .contains(&("retry-after", "7".to_owned()))
        );
    }

    #[test]
    fn the_two_old_messages_read_in_english_too() {
        let message = |refusal: Refusal| String::from_utf8(refusal.answer(Language::English).body).unwrap();
        assert!(message(Refusal::Generation).contains("\"Failed to generate token\""));
        let batch = Refusal::NameTooLong(Some("tokens[17].name".to_owned()));
        assert!(message(batch).contains("tokens[17].name: Token name is too long (at most 50 characters)"));
    }
}
