//! What the token API answers: the envelope, and amounts as exact JSON numbers.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::money::{Money, credits_of_quota};

/// An answer, whatever carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers besides the content type.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

/// A number in JSON with exactly these decimal digits: no float in between.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Exact(Box<RawValue>);

impl Exact {
    /// Credits of a whole number of quota.
    pub fn credits(quota: i64) -> Self {
        Self::raw(credits_of_quota(quota))
    }

    /// Dollars, at most nine decimals.
    pub fn dollars(amount: Money) -> Self {
        Self::raw(amount.dollars())
    }

    /// JSON that is stored as text; `null` if it is none.
    pub fn raw(json: String) -> Self {
        Self(RawValue::from_string(json).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

#[derive(Serialize)]
struct Done<'a, T> {
    success: bool,
    message: &'a str,
    data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    credits_per_usd: Option<i64>,
}

#[derive(Serialize)]
struct Refused<'a> {
    success: bool,
    message: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credits_per_usd: Option<i64>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: u16,
    message: &'a str,
    r#type: &'a str,
}

impl Answer {
    /// A success whose data holds amounts.
    pub fn amounts(data: impl Serialize) -> Self {
        let done = Done { success: true, message: "", data, credits_per_usd: Some(Money::CREDITS_PER_USD) };
        Self::json(200, &done)
    }

    /// A success without amounts.
    pub fn plain(data: impl Serialize) -> Self {
        Self::json(200, &Done { success: true, message: "", data, credits_per_usd: None })
    }

    /// A refusal in the envelope. A conflict is not to be tried again.
    pub fn refused(status: u16, code: &str, message: &str, data: Option<&RawValue>) -> Self {
        let credits_per_usd = data.is_some().then_some(Money::CREDITS_PER_USD);
        let answer = Self::json(status, &Refused { success: false, message, code, data, credits_per_usd });
        if status == 409 { answer.with("x-should-retry", "false".to_owned()) } else { answer }
    }

    /// A refusal with an `error` object.
    pub fn error_object(status: u16, kind: &str, message: &str) -> Self {
        Self::json(status, &ErrorObject { error: ErrorBody { code: status, message, r#type: kind } })
    }

    /// Any JSON.
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("an answer has string keys and cannot fail to be written");
        Self { status, headers: Vec::new(), body }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}
