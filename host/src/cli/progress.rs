//! How far a long command is. In: counters. Out: a line on a terminal that renews itself, or now and then a line of the
//! log.

use crate::backup::stream::Progress;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Between two lines of the log.
const IN_LOG: Duration = Duration::from_secs(30);
/// Between two looks at a terminal.
const ON_TERMINAL: Duration = Duration::from_millis(500);

/// Ends the display when it is dropped.
pub(super) struct Shown(pub(super) JoinHandle<()>, pub(super) bool);

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.abort();
        if self.1 {
            // Back to the start of the line, and the rest of it away.
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Counters, and what shows them until it is dropped.
pub(super) fn show(done: &'static str) -> (Arc<Progress>, Shown) {
    let progress = Arc::new(Progress::default());
    let terminal = std::io::stderr().is_terminal();
    let counters = progress.clone();
    let task = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(if terminal { ON_TERMINAL } else { IN_LOG });
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let [plain, stored] = [&counters.plain, &counters.stored].map(|count| size(count.load(Ordering::Relaxed)));
            if terminal {
                let _ = write!(std::io::stderr(), "\r\x1b[K{plain} {done}, {stored} compressed");
            } else {
                tracing::info!("{plain} {done}, {stored} compressed");
            }
        }
    });
    (progress, Shown(task, terminal))
}

/// Waits for work of a second or more with a line on a terminal that says for what and how long, or now and then a line of
/// the log.
pub(super) async fn waiting<T>(what: &str, work: impl Future<Output = T>) -> T {
    let terminal = std::io::stderr().is_terminal();
    let begun = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval(if terminal { ON_TERMINAL } else { IN_LOG });
    let mut shown = false;
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                if shown {
                    let _ = write!(std::io::stderr(), "\r\x1b[K");
                }
                return done;
            }
            _ = ticks.tick() => match begun.elapsed().as_secs() {
                0 => {}
                seconds if terminal => {
                    shown = true;
                    let _ = write!(std::io::stderr(), "\r\x1b[K{what}, {seconds} s");
                }
                seconds => tracing::info!("{what}, {seconds} s"),
            }
        }
    }
}

/// A number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        // Tenths, by whole numbers: a size is never so great that this overflows.
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(10 << 30), "10.0 GiB");
        assert_eq!(size(u64::MAX), "16777215.9 TiB");
    }
}
