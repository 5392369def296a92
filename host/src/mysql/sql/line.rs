//! The line to one server: its connection, and what is remembered of it between looks. Losing it costs a connection, and
//! that a failure counts from now.

use super::{
    connect::{Login, Session},
    errors::{NoAnswer, Trouble},
    read::{self, Reading},
    stall::Stall,
};
use crate::mysql::{Seen, Wanted};
use model::{
    mysql,
    snapshot::{CloneFacts, CloneState, Instant, MysqlFacts, Unreachable},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

/// How long a look waits for a server that answered last time.
const WAIT: Duration = Duration::from_secs(2);
/// And for one that did not: its probe goes on by itself, so that one server does not hold up what others need.
const SHORT_WAIT: Duration = Duration::from_millis(300);
/// After a first clone that failed; twice as long after each further one, up to about a minute.
const CLONE_PAUSE: Duration = Duration::from_secs(2);
/// After this time a probe gives up its connection.
const PROBE: Duration = Duration::from_secs(20);

/// The line to one server.
pub struct Line {
    /// How to get in.
    pub login: Login,
    /// One statement at a time.
    pub session: tokio::sync::Mutex<Option<Session>>,
    memory: Mutex<Memory>,
    /// A clone into the server, begun by this host, runs.
    pub cloning: AtomicBool,
}

#[derive(Default)]
struct Memory {
    /// The class of the last failure, and since when attempts fail in that way; none after an answer.
    failing: Option<(bool, Instant)>,
    probe: Option<JoinHandle<Result<Reading, Trouble>>>,
    stall: Stall,
    /// Why the last clone failed, how often in a row clones did, and when the next may be tried.
    clone: Option<(Trouble, u32, tokio::time::Instant)>,
    /// Uptime of the server when it did not become read-only.
    hung: Option<u64>,
    /// It was told to shut down, and did not answer since.
    ending: bool,
}

impl Line {
    /// A line that nobody used. What was remembered of the same server under another login is taken over.
    pub fn new(login: Login, before: Option<&Line>) -> Self {
        let mut memory = Memory::default();
        if let Some(before) = before.filter(|before| before.login.host == login.host) {
            let mut old = before.memory();
            memory.clone = old.clone.take();
            memory.failing = old.failing;
            memory.hung = old.hung;
            memory.stall = std::mem::take(&mut old.stall);
        }
        let cloning = before.is_some_and(|before| before.cloning.load(Ordering::Relaxed));
        Line { login, session: Default::default(), memory: Mutex::new(memory), cloning: AtomicBool::new(cloning) }
    }

    /// One look. `now` is when it began.
    pub async fn look(self: &Arc<Self>, wanted: &Wanted, now: Instant) -> Seen {
        let expected = |memory: &Memory| memory.failing.is_none() && !memory.ending;
        let wait = if expected(&self.memory()) { WAIT } else { SHORT_WAIT };
        let mut probe = self.probe(wanted);
        let answer = match tokio::time::timeout(wait, &mut probe).await {
            Ok(Ok(answer)) => answer,
            // A probe that was aborted, or panicked: nothing is known.
            Ok(Err(_)) => Err(Trouble::Unreadable),
            Err(_) => {
                self.memory().probe = Some(probe);
                Err(Trouble::NoAnswer(NoAnswer::Timeout))
            }
        };
        match answer {
            Ok(reading) => {
                let mut memory = self.memory();
                (memory.failing, memory.ending) = (None, false);
                drop(memory);
                Ok(Box::new(self.remembered(reading, now)))
            }
            Err(trouble) => Err(self.failed(&trouble, now)),
        }
    }

    /// The probe that still runs, or a new one. What an old one brought is of then and not of now.
    fn probe(self: &Arc<Self>, wanted: &Wanted) -> JoinHandle<Result<Reading, Trouble>> {
        if let Some(running) = self.memory().probe.take().filter(|probe| !probe.is_finished()) {
            return running;
        }
        let (line, wanted) = (self.clone(), wanted.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(PROBE, line.read(&wanted)).await {
                Ok(answer) => answer,
                Err(_) => Err(Trouble::NoAnswer(NoAnswer::Timeout)),
            }
        })
    }

    async fn read(&self, wanted: &Wanted) -> Result<Reading, Trouble> {
        let kept = self.session.lock().await.is_some();
        let once = self.with_session(wanted, async |session| read::read(session, wanted).await).await;
        match once {
            // A session of before a restart says nothing about the server as it is now.
            Err(Trouble::NoAnswer(NoAnswer::Refused) | Trouble::Unreadable) if kept => {
                self.with_session(wanted, async |session| read::read(session, wanted).await).await
            }
            once => once,
        }
    }

    /// Does something in the session of the line, which is opened first where there is none. A session that was cut off
    /// in the middle is not used again.
    pub async fn with_session<T, E>(
        &self,
        wanted: &Wanted,
        work: impl AsyncFnOnce(&mut Session) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: Broken + From<Trouble>,
    {
        let mut slot = self.session.lock().await;
        // Taken out, so that it is dropped with this future.
        let mut session = match slot.take() {
            Some(session) => session,
            None => Session::open(wanted).await?,
        };
        let done = work(&mut session).await;
        if !done.as_ref().is_err_and(Broken::broken) {
            *slot = Some(session);
        }
        done
    }

    /// Why a clone is not tried now: the last one failed not long ago.
    pub fn clone_advises_against(&self) -> Option<Trouble> {
        let memory = self.memory();
        let (trouble, _, next) = memory.clone.as_ref()?;
        (tokio::time::Instant::now() < *next).then(|| trouble.clone())
    }

    /// Notes what a clone came to. Each that fails costs the donor and throws away what was copied, so pauses grow.
    pub fn cloned(&self, failed: Option<&Trouble>) {
        let mut memory = self.memory();
        let failures = memory.clone.as_ref().map_or(0, |(_, failures, _)| *failures);
        memory.clone = failed.map(|trouble| {
            let pause = CLONE_PAUSE.saturating_mul(1 << failures.min(5));
            (trouble.clone(), failures.saturating_add(1), tokio::time::Instant::now() + pause)
        });
    }

    /// The server did not become read-only because its commits do not end.
    pub fn hangs(&self, facts: &MysqlFacts) {
        self.memory().hung = Some(facts.uptime);
    }

    /// The server was told to shut down. Until it answers again nobody waits long for that.
    pub fn ends(&self) {
        self.memory().ending = true;
    }

    /// What was read, with what only earlier looks tell.
    pub fn remembered(&self, reading: Reading, now: Instant) -> mysql::Seen {
        let Reading { mut facts, ack_timeout, source_as_wanted, auto_position, accounts, committing, moved } = reading;
        let mut memory = self.memory();
        facts.stalled_since = memory.stall.note(committing, &facts.executed, moved, now).filter(|_| !facts.read_only);
        facts.can_commit = facts.stalled_since.is_none();
        if memory.hung.is_some_and(|uptime| facts.uptime < uptime) || facts.super_read_only {
            memory.hung = None;
        }
        if self.cloning.load(Ordering::Relaxed) {
            facts.clone = Some(CloneFacts { state: CloneState::InProgress, error: 0 });
        }
        let hangs = memory.hung.is_some();
        mysql::Seen { facts, ack_timeout, source_as_wanted, auto_position, accounts, hangs }
    }

    fn failed(&self, trouble: &Trouble, now: Instant) -> Unreachable {
        let why = match trouble {
            Trouble::NoAnswer(why) => *why,
            // It answers, and does not let this account see what has to be seen.
            Trouble::Refused { .. } => NoAnswer::AccessDenied,
            Trouble::Unreadable => NoAnswer::Refused,
        };
        let mut memory = self.memory();
        let since = match memory.failing {
            Some((lives, since)) if lives == why.lives() => since,
            _ => now,
        };
        memory.failing = Some((why.lives(), since));
        Unreachable { since, reason: why.word().into() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what goes on by itself.
    pub fn close(&self) {
        if let Some(probe) = self.memory().probe.take() {
            probe.abort();
        }
    }
}

/// Whether a session can be used after an error.
pub trait Broken {
    /// It cannot.
    fn broken(&self) -> bool;
}

impl Broken for Trouble {
    fn broken(&self) -> bool {
        !matches!(self, Trouble::Refused { .. })
    }
}
