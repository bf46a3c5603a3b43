//! The bound on all bodies that are in memory at one time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much is buffered, of how much may be.
#[derive(Debug)]
pub struct Buffers {
    used: AtomicUsize,
    most: usize,
}

/// There is no room for more.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Full;

/// Bytes that count as buffered until this is dropped.
#[derive(Debug)]
pub struct Buffered {
    buffers: Arc<Buffers>,
    bytes: usize,
}

impl Buffers {
    /// Room for `most` bytes.
    pub fn new(most: usize) -> Self {
        Self { used: AtomicUsize::new(0), most }
    }

    /// A body of which nothing has come yet.
    pub fn begin(self: &Arc<Self>) -> Buffered {
        Buffered { buffers: Arc::clone(self), bytes: 0 }
    }
}

impl Buffered {
    /// Counts `bytes` more.
    ///
    /// # Errors
    /// When all bodies together would be too large; nothing was counted then.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let buffers = &self.buffers;
        let before = buffers.used.fetch_add(bytes, Ordering::AcqRel);
        if before.saturating_add(bytes) > buffers.most {
            buffers.used.fetch_sub(bytes, Ordering::AcqRel);
            return Err(Full);
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        self.buffers.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_makes_room() {
        let buffers = Arc::new(Buffers::new(10));
        let mut one = buffers.begin();
        let mut two = buffers.begin();
        assert_eq!((one.grow(6), two.grow(5), two.grow(4)), (Ok(()), Err(Full), Ok(())));
        drop(one);
        assert_eq!(two.grow(6), Ok(()));
    }
}
