//! A bounded queue between the log and standard error: whoever logs never waits for a reader that stalls. What does not fit
//! is dropped and counted.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Lines that may wait.
const LINES: usize = 8_192;

/// How long a flush waits for the lines before it.
const PATIENCE: Duration = Duration::from_secs(1);

enum Item {
    Line(Vec<u8>),
    /// Tells the other end when all before it is written.
    Flush(SyncSender<()>),
}

/// The writing end, for env_logger; one whole line a write.
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
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&waiting, &lost))?;
        Ok(Self { items, dropped })
    }
}

fn write_all(waiting: &Receiver<Item>, dropped: &AtomicU64) {
    let mut out = io::stderr();
    for item in waiting {
        match item {
            Item::Line(line) => {
                if out.write_all(&line).is_err() {
                    dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            Item::Flush(done) => drop(done.try_send(())),
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0
            && writeln!(out, "… {lost} lines of log were dropped: standard error does not keep up").is_err()
        {
            dropped.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

impl Write for LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.items.try_send(Item::Line(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let (done, written) = sync_channel(1);
        if self.items.try_send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
        Ok(())
    }
}
