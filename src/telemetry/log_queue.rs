//! A bounded queue between the log and standard error: whoever logs never waits for a reader that stalls. What does not fit
//! is dropped and counted.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Lines that may wait.
const LINES: usize = 8_192;

/// How long the writing thread gathers lines before it looks again. While it does, whoever logs need not wake it.
const GATHERS: Duration = Duration::from_millis(2);

/// Bytes written at one time, about.
const AT_ONCE: usize = 64 * 1024;

/// How long a flush waits for the lines before it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Lines dropped since the process began; there is one log in a process.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Lines of log that were dropped since the process began.
pub fn lines_dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

enum Item {
    Line(String),
    /// Tells the other end when all before it is written.
    Flush(SyncSender<()>),
}

/// The writing end.
#[derive(Clone)]
pub struct LogQueue {
    items: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

impl LogQueue {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start() -> io::Result<Self> {
        let (items, waiting) = sync_channel(LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&waiting, &lost, &mut io::stderr()))?;
        Ok(Self { items, dropped })
    }

    /// Puts `line`, which ends with its newline, behind the others; never waits.
    pub fn put(&self, line: String) {
        match self.items.try_send(Item::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                DROPPED.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until all lines before it are written, for at most a second.
    pub fn drain(&self) {
        let (done, written) = sync_channel(1);
        if self.items.try_send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

/// Writes lines until nobody logs any more; as many at one time as have gathered.
fn write_all(waiting: &Receiver<Item>, dropped: &AtomicU64, out: &mut impl Write) {
    let mut gathered = Vec::with_capacity(AT_ONCE);
    while let Ok(item) = waiting.recv() {
        let mut lines = 0;
        let mut next = Some(item);
        let mut flush = None;
        while let Some(item) = next {
            match item {
                Item::Line(line) => {
                    gathered.extend_from_slice(line.as_bytes());
                    lines += 1;
                }
                Item::Flush(done) => flush = Some(done),
            }
            let is_full = gathered.len() >= AT_ONCE || flush.is_some();
            next = if is_full { None } else { waiting.try_recv().ok() };
        }
        if out.write_all(&gathered).is_err() {
            dropped.fetch_add(lines, Ordering::Relaxed);
            DROPPED.fetch_add(lines, Ordering::Relaxed);
        }
        gathered.clear();
        match flush {
            Some(done) => drop(done.try_send(())),
            None => std::thread::sleep(GATHERS),
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0
            && writeln!(out, "… {lost} lines of log were dropped: standard error does not keep up").is_err()
        {
            dropped.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes lines, unless it is closed.
    struct Reader {
        text: Vec<u8>,
        is_closed: bool,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.is_closed {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.text.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whoever_logs_waits_for_nobody() {
        let (items, _nobody_reads) = sync_channel(1);
        let queue = LogQueue { items, dropped: Arc::default() };
        for _ in 0..3 {
            queue.put("a line\n".to_owned());
        }
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn lines_are_written_in_order_and_lost_ones_counted() {
        for is_closed in [false, true] {
            let (items, waiting) = sync_channel(LINES);
            let dropped = Arc::new(AtomicU64::new(0));
            let queue = LogQueue { items, dropped: Arc::clone(&dropped) };
            for number in 0..3 {
                queue.put(format!("line {number}\n"));
            }
            drop(queue);
            let mut reader = Reader { text: Vec::new(), is_closed };
            write_all(&waiting, &dropped, &mut reader);
            let text = String::from_utf8(reader.text).unwrap();
            if is_closed {
                assert_eq!((text.as_str(), dropped.load(Ordering::Relaxed) > 0), ("", true));
            } else {
                assert_eq!((text.as_str(), dropped.load(Ordering::Relaxed)), ("line 0\nline 1\nline 2\n", 0));
            }
        }
    }
}
