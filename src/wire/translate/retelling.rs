//! What a provider answers, told to the client as it hears it: the dispatch over who answers and who is told.

use bytes::Bytes;

use super::telling::{Asked, Delta};
use super::{NotAnAnswer, Source, Target, chat, gemini, messages, responses};
use crate::wire::sse::Event;

/// Tells a whole answer of `from` to `to`.
///
/// # Errors
/// When it is none.
pub(super) fn whole(from: Target, to: Source, asked: &Asked, body: &[u8]) -> Result<Vec<u8>, NotAnAnswer> {
    let deltas = match from {
        Target::Chat => chat::hear::whole(body),
        Target::Messages => messages::hear::whole(body),
        Target::Content => gemini::hear::whole(body),
    }?;
    Ok(match to {
        Source::Chat => chat::tell::whole(&deltas, asked),
        Source::Messages => messages::tell::whole(&deltas, asked),
        Source::Responses => responses::tell::whole(&deltas, asked),
    })
}

/// The most bytes of content that one stream may hold: some dialects repeat all of it at the end, so it is kept until then.
const MOST_HEARD: usize = 64 * 1024 * 1024;

/// What a delta takes beside its words, in bytes, at least.
const FRAME: usize = 64;

/// Tells a stream, event by event.
#[derive(Debug)]
pub struct Retelling {
    hearer: Hearer,
    teller: Teller,
    is_begun: bool,
    /// Bytes of content that were heard.
    heard: usize,
}

#[derive(Debug)]
enum Hearer {
    Chat(chat::hear::Stream),
    Messages(messages::hear::Stream),
    Content(gemini::hear::Stream),
}

#[derive(Debug)]
enum Teller {
    Chat(chat::tell::Stream),
    Messages(messages::tell::Stream),
    Responses(Box<responses::tell::Stream>),
}

impl Retelling {
    pub(super) fn new(from: Target, to: Source, asked: Asked) -> Self {
        let hearer = match from {
            Target::Chat => Hearer::Chat(chat::hear::Stream::new()),
            Target::Messages => Hearer::Messages(messages::hear::Stream::new()),
            Target::Content => Hearer::Content(gemini::hear::Stream::new()),
        };
        let teller = match to {
            Source::Chat => Teller::Chat(chat::tell::Stream::new(asked)),
            Source::Messages => Teller::Messages(messages::tell::Stream::new(&asked)),
            Source::Responses => Teller::Responses(Box::new(responses::tell::Stream::new(asked))),
        };
        Self { hearer, teller, is_begun: false, heard: 0 }
    }

    /// What the client is told of `event`; nothing of one that has no counterpart, or that only ends the stream.
    ///
    /// # Errors
    /// When it cannot be read, or is more than may be kept.
    pub fn tell(&mut self, event: &Event) -> Result<Bytes, NotAnAnswer> {
        let mut out = Vec::new();
        for delta in self.hearer.event(event)? {
            // An answer begins once, or it would change its name.
            let is_begun = std::mem::replace(&mut self.is_begun, true);
            self.heard = self.heard.saturating_add(size(&delta));
            if self.heard > MOST_HEARD {
                return Err(NotAnAnswer);
            }
            if !(is_begun && matches!(delta, Delta::Begin { .. })) {
                self.teller.delta(&delta, &mut out);
            }
        }
        Ok(out.into())
    }

    /// What the client is told when the provider's stream has ended in good order.
    pub fn end(&mut self) -> Bytes {
        let mut out = Vec::new();
        match &mut self.teller {
            Teller::Chat(stream) => stream.end(&mut out),
            Teller::Messages(stream) => stream.end(&mut out),
            Teller::Responses(stream) => stream.end(&mut out),
        }
        out.into()
    }
}

/// About what is kept of it.
fn size(delta: &Delta) -> usize {
    match delta {
        Delta::Text(words) | Delta::Thought(words) | Delta::Refusal(words) => words.len(),
        Delta::Arguments { json, .. } => json.len(),
        Delta::Signature(proof) => proof.len().saturating_add(FRAME),
        Delta::Call { id, name, .. } => id.len().saturating_add(name.len()).saturating_add(FRAME),
        Delta::Begin { .. } | Delta::Finish(_) | Delta::Figures(_) => 0,
    }
}

impl Hearer {
    fn event(&mut self, event: &Event) -> Result<Vec<Delta>, NotAnAnswer> {
        match self {
            Self::Chat(stream) => stream.event(event),
            Self::Messages(stream) => stream.event(event),
            Self::Content(stream) => stream.event(event),
        }
    }
}

impl Teller {
    fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        match self {
            Self::Chat(stream) => stream.delta(delta, out),
            Self::Messages(stream) => stream.delta(delta, out),
            Self::Responses(stream) => stream.delta(delta, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::meter::UsageEvent;

    /// What is told may be kept until the end.
    #[test]
    fn a_stream_is_bounded() {
        let asked =
            Asked { created: 0, usage_event: UsageEvent::Gateway, body: Bytes::new(), model: "m".to_owned() };
        let mut retelling = Retelling::new(Target::Chat, Source::Responses, asked);
        retelling.heard = MOST_HEARD - 1;
        let json = Bytes::from_static(b"{\"choices\":[{\"delta\":{\"content\":\"x\"}}]}");
        let event = Event::plain(json.clone(), Some(0..json.len()));
        assert!(retelling.tell(&event).is_ok());
        assert_eq!(retelling.tell(&event), Err(NotAnAnswer));
    }
}
