//! What this program's hosts said last, for when a round fails. In: the log of the whole process. Out: its last lines.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that are kept.
const KEPT: usize = 400;

static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
static LISTENING: OnceLock<()> = OnceLock::new();

/// Keeps the last lines of the log from now on; `WINDLASS_LOG` says of what, as `windlass run --log` does.
pub fn listen() {
    LISTENING.get_or_init(|| {
        let wanted = fixtures::environment::variable("WINDLASS_LOG");
        let filter = EnvFilter::new(wanted.as_deref().unwrap_or("warn,windlass=info,mysql_suite=debug"));
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Lines).finish();
        // Another subscriber is there already only where a test put one there, which then has the lines.
        let _ = tracing::subscriber::set_global_default(subscriber);
    });
}

/// The last lines.
pub fn last(count: usize) -> String {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().skip(lines.len().saturating_sub(count)).cloned().collect()
}

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(String::from_utf8_lossy(bytes).into_owned());
        while lines.len() > KEPT {
            lines.pop_front();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Lines;

    fn make_writer(&self) -> Lines {
        Lines
    }
}
