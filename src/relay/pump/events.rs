//! The events of a stream, in whichever form they come, what their client is told of them where that speaks another dialect,
//! and what of them is kept back until the stream has ended.

use bytes::{Bytes, BytesMut};

use crate::wire::{ArraySplitter, Event, EventTooLarge, Retelling, Splitter};

/// See the room's head.
pub struct Events {
    splitter: Form,
    most: usize,
    retold: Option<Box<Retelling>>,
    /// From the event on with which the answer ends.
    kept: Option<BytesMut>,
}

/// An event cannot be told in the client's dialect.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Untold;

/// Why an event was not kept.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Unkept {
    /// It is too large, with what was kept before.
    TooLarge,
    /// It cannot be told.
    Untold,
}

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

    /// The same, told by `retelling` where there is one.
    pub fn retold(self, retelling: Option<Retelling>) -> Self {
        Self { retold: retelling.map(Box::new), ..self }
    }

    /// Whether they are told in another dialect than they came in.
    pub fn is_retold(&self) -> bool {
        self.retold.is_some()
    }

    /// What the client is told of `event`.
    ///
    /// # Errors
    /// When its dialect has no words for it.
    pub fn tell(&mut self, event: Event) -> Result<Bytes, Untold> {
        match &mut self.retold {
            None => Ok(event.raw),
            // A comment keeps a connection alive in every dialect.
            Some(_) if event.data().is_none() && event.raw.starts_with(b":") => Ok(event.raw),
            Some(retelling) => retelling.tell(&event).map_err(|_| Untold),
        }
    }

    /// The same of the event that ends a stream.
    ///
    /// # Errors
    /// As [`Events::tell`].
    pub fn tell_last(&mut self, event: Event) -> Result<Bytes, Untold> {
        let told = self.tell(event)?;
        Ok(self.ended(told))
    }

    /// `told`, and behind it what ends a stream in the client's dialect where that is another.
    fn ended(&mut self, told: Bytes) -> Bytes {
        match &mut self.retold {
            None => told,
            Some(retelling) => [told, retelling.end()].concat().into(),
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

    /// Keeps back what the client will be told of `event`, as of all that follow.
    ///
    /// # Errors
    /// When all that is kept is more than one event may have; as [`Events::tell`].
    pub fn keep(&mut self, event: Event) -> Result<(), Unkept> {
        let told = self.tell(event).map_err(|Untold| Unkept::Untold)?;
        let kept = self.kept.get_or_insert_default();
        if kept.len() + told.len() > self.most {
            return Err(Unkept::TooLarge);
        }
        kept.extend_from_slice(&told);
        Ok(())
    }

    /// What was kept back of a stream that ended in good order; `None` when it did not.
    pub fn kept(&mut self) -> Option<Bytes> {
        let is_whole = match &self.splitter {
            Form::Sent(_) => true,
            Form::Array(splitter) => splitter.is_whole(),
        };
        let kept = self.kept.take().filter(|_| is_whole)?.freeze();
        Some(self.ended(kept))
    }
}
