//! The events of a stream, in whichever form they come, what their client is told of them where that speaks another dialect,
//! and what of them is kept back until the stream has ended.

use bytes::{Bytes, BytesMut};

use crate::wire::{ArraySplitter, ChatStream, Event, EventTooLarge, Splitter};

/// See the room's head.
pub struct Events {
    splitter: Form,
    most: usize,
    retold: Option<Box<ChatStream>>,
    /// From the event on with which the answer ends.
    kept: Option<BytesMut>,
}

/// An event cannot be told in the client's dialect.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Untold;

enum Form {
    Sent(Splitter),
    Array(ArraySplitter),
}

impl Events {
    /// Those of a stream of server-sent events, each of at most `most` bytes.
    pub fn sent(most: usize) -> Self {
        Self { splitter: Form::Sent(Splitter::new(most)), most, retold: None, kept: None }
    }

    /// Those of an array that streams.
    pub fn in_array(most: usize) -> Self {
        Self { splitter: Form::Array(ArraySplitter::new(most)), most, retold: None, kept: None }
    }

    /// The same, retold by `stream` where there is one.
    pub fn retold(self, stream: Option<ChatStream>) -> Self {
        Self { retold: stream.map(Box::new), ..self }
    }

    /// What the client is told of `event`.
    ///
    /// # Errors
    /// When its dialect has no words for it.
    pub fn tell(&mut self, event: Event) -> Result<Bytes, Untold> {
        match &mut self.retold {
            None => Ok(event.raw),
            Some(stream) => stream.tell(&event).map_err(|_| Untold),
        }
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, piece: Bytes) {
        match &mut self.splitter {
            Form::Sent(splitter) => splitter.push(piece),
            Form::Array(splitter) => splitter.push(&piece),
        }
    }

    /// The next event that is complete.
    ///
    /// # Errors
    /// When one grows beyond the bound.
    pub fn next_event(&mut self) -> Result<Option<Event>, EventTooLarge> {
        match &mut self.splitter {
            Form::Sent(splitter) => splitter.next_event(),
            Form::Array(splitter) => splitter.next_event(),
        }
    }

    /// What came behind the last event, when the stream has ended.
    pub fn finish(&mut self) -> Option<Event> {
        match &mut self.splitter {
            Form::Sent(splitter) => splitter.finish(),
            Form::Array(splitter) => splitter.finish(),
        }
    }

    /// Whether events are kept back.
    pub fn is_keeping(&self) -> bool {
        self.kept.is_some()
    }

    /// Keeps an event back, as all that follow must be.
    ///
    /// # Errors
    /// When all that is kept is more than one event may have.
    pub fn keep(&mut self, raw: &[u8]) -> Result<(), EventTooLarge> {
        let kept = self.kept.get_or_insert_default();
        if kept.len() + raw.len() > self.most {
            return Err(EventTooLarge);
        }
        kept.extend_from_slice(raw);
        Ok(())
    }

    /// What was kept back of a stream that ended in good order; `None` when it did not.
    pub fn kept(&mut self) -> Option<Bytes> {
        let is_whole = match &self.splitter {
            Form::Sent(_) => true,
            Form::Array(splitter) => splitter.is_whole(),
        };
        self.kept.take().filter(|_| is_whole).map(BytesMut::freeze)
    }
}
