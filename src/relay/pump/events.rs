//! The events of a stream, in whichever form they come, and what of them is kept back until the stream has ended.

use bytes::{Bytes, BytesMut};

use crate::wire::{ArraySplitter, Event, EventTooLarge, Splitter};

/// See the room's head.
pub struct Events {
    splitter: Form,
    most: usize,
    /// From the event on with which the answer ends.
    kept: Option<BytesMut>,
}

enum Form {
    Sent(Splitter),
    Array(ArraySplitter),
}

impl Events {
    /// Those of a stream of server-sent events, each of at most `most` bytes.
    pub fn sent(most: usize) -> Self {
        Self { splitter: Form::Sent(Splitter::new(most)), most, kept: None }
    }

    /// Those of an array that streams.
    pub fn in_array(most: usize) -> Self {
        Self { splitter: Form::Array(ArraySplitter::new(most)), most, kept: None }
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
