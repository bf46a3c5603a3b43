//! An exchange whose client and provider speak different dialects: what it takes to ask and to answer, over the pure functions of
//! `wire`. An exchange that needs no translation passes here without a copy.

use bytes::Bytes;

use crate::admission::Market;
use crate::channels::client::{HeaderMap, HeaderName, HeaderValue, header};
use crate::relay::failure::Failure;
use crate::relay::inbound::Body;
use crate::relay::pump::Exchange;
use crate::tokens::ApiToken;
use crate::wire::fault::{ErrorKind, ErrorWords, ProviderError, error_body};
use crate::wire::{Dialect, Manner, Translation, targets};

/// The version of Anthropic's API whose shapes are translated.
const VERSION: &str = "2023-06-01";

impl Exchange {
    /// Makes an exchange, whose model no channel serves in its client's dialect, one in a dialect in which some channel does.
    ///
    /// # Errors
    /// When there is none; or when something that is asked cannot be said in it.
    pub fn translate(&mut self, token: &ApiToken) -> Result<(), Failure> {
        let model = &self.ask.model;
        let directory = &self.relay.directory;
        let found = targets(self.ask.form).iter().find_map(|target| {
            let name = Market::channel(&**directory, token, model, target.form())?;
            Some((*target, directory.channel(name.as_str())?))
        });
        let (target, channel) = found.ok_or_else(|| Failure::model_not_found(model))?;
        let now = self.relay.clock.now().secs();
        let offer = Market::offer(&**directory, token, model, target.form());
        let manner = Manner {
            model: channel.provider_model(model),
            cap_field: &channel.output_cap_field,
            most_output: offer.ok().and_then(|offer| offer.terms.max_output_tokens()),
        };
        let (ask, translation) = Translation::of(&self.ask, target, manner, now)?;
        self.buffered.grow(ask.body.len()).map_err(|_| Failure::overloaded())?;
        self.call = translation.call();
        self.target = translation.path_and_query();
        self.ask = ask.into();
        self.translation = Some(Box::new(translation));
        translate_headers(&mut self.headers, self.dialect, self.call.form.dialect());
        Ok(())
    }

    /// A whole answer as the client is told it.
    ///
    /// # Errors
    /// When it cannot be told, or there is no room for it.
    pub fn retell(&self, mut body: Body) -> Result<Body, Failure> {
        let Some(translation) = &self.translation else { return Ok(body) };
        let told = translation.answer(&body.bytes).map_err(|_| {
            Failure::upstream("The model's provider answered with something that cannot be translated.")
        })?;
        body.buffered.grow(told.len()).map_err(|_| Failure::overloaded())?;
        Ok(Body { bytes: Bytes::from(told), buffered: body.buffered })
    }

    /// A provider's refusal, in the words of the client's dialect; `None` where it passes as it came.
    pub fn retell_refusal(&self, status: u16, error: &ProviderError) -> Option<Bytes> {
        self.translation.as_ref()?;
        let kind = match status {
            404 => ErrorKind::NotFound,
            413 => ErrorKind::TooLarge,
            429 => ErrorKind::Rate,
            _ => ErrorKind::Invalid,
        };
        let or = |text: &'_ str, instead: &'static str| {
            if text.is_empty() { instead.to_owned() } else { text.to_owned() }
        };
        let message = or(&error.message, "The model's provider refused the request.");
        // Google's code is the status once more.
        let code = if error.code.parse::<u16>().is_ok() { "" } else { error.code.as_str() };
        let code = or(if code.is_empty() { &error.kind } else { code }, "upstream_error");
        let words = ErrorWords { message: &message, kind, param: None, code: &code, status };
        Some(error_body(&words, self.dialect, &self.id.to_string()).into())
    }
}

/// What the client's library says of itself in its own dialect, `from`, is of no use in that of `to`. Nor does it ask for parts of
/// Anthropic's API that are not finished: the shapes that are translated are those of one version.
fn translate_headers(headers: &mut HeaderMap, from: Dialect, to: Dialect) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.remove("anthropic-beta");
    if from != Dialect::OpenAi || to != Dialect::OpenAi {
        headers.remove("openai-beta");
    }
    if to == Dialect::Anthropic {
        headers.insert(HeaderName::from_static("anthropic-version"), HeaderValue::from_static(VERSION));
    } else {
        headers.remove("anthropic-version");
    }
}
