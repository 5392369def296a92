//! Brings one server to what its item says: looks, plans, and makes one change after the other, each only while the facts
//! of that moment permit it.

use super::{
    apply::{Applied, Hand, apply},
    clone,
    connect::Session,
    errors::{NoAnswer, Trouble},
    line::{Broken, Line},
    read,
};
use crate::{
    clock::Clock,
    mysql::{Failure, Wanted},
};
use model::mysql::{Change, Violated, permits, plan};
use std::sync::Arc;

/// Returns whether something was changed.
pub async fn converge(line: &Arc<Line>, wanted: &Wanted, clock: &dyn Clock) -> Result<bool, Failure> {
    let done =
        line.with_session(wanted, async |session| steps(line, session, wanted, clock).await.map_err(Stopped)).await;
    done.map_err(|stopped: Stopped| match stopped {
        Stopped(failure) => failure,
    })
}

async fn steps(line: &Arc<Line>, session: &mut Session, wanted: &Wanted, clock: &dyn Clock) -> Result<bool, Failure> {
    let hand = Hand { wanted };
    let unexpected = |violated: Violated| Failure::Unexpected { server: wanted.address(), why: violated.to_string() };
    let now = clock.now();
    let reading = read::read(session, wanted).await.map_err(|trouble| hand.failure("tell what it is", trouble))?;
    let seen = line.remembered(reading, now);
    let course = plan(&wanted.server, &seen).map_err(unexpected)?;
    let mut facts = seen.facts;
    let can_commit = facts.can_commit;
    let mut changed = false;
    for (index, change) in course.changes.iter().enumerate() {
        if index > 0 {
            let read = read::facts(session).await;
            facts = read.map_err(|trouble| hand.failure("tell what it is", trouble))?.0;
            // Only a series of looks tells.
            facts.can_commit = can_commit;
        }
        permits(change, &wanted.server, &facts).map_err(unexpected)?;
        if let Change::Clone(reseed) = change {
            clone::begin(line, wanted, reseed, session).await?;
            return Ok(true);
        }
        let applied = apply(session, change, wanted, &facts).await?;
        match applied {
            Applied::Changed => {
                changed = true;
                tracing::info!(server = %wanted.address(), %change, "changed a MySQL server");
            }
            Applied::Unchanged => {}
            Applied::Hangs => {
                line.hangs(&facts);
                tracing::warn!(server = %wanted.address(), "a MySQL server does not become read-only: its commits do not end");
                return Ok(true);
            }
        }
        if *change == Change::Shutdown {
            line.ends();
            return Ok(true);
        }
    }
    Ok(changed)
}

/// Why steps stopped.
struct Stopped(Failure);

impl Broken for Stopped {
    fn broken(&self) -> bool {
        match &self.0 {
            Failure::Unreachable { .. } | Failure::Deadline { .. } => true,
            Failure::Refused { code, .. } => *code == 0,
            Failure::Unexpected { .. } | Failure::Unfit { .. } | Failure::NoSecret { .. } | Failure::Unavailable => {
                false
            }
        }
    }
}

impl From<Trouble> for Stopped {
    fn from(trouble: Trouble) -> Self {
        let word = match trouble {
            Trouble::NoAnswer(why) => why,
            Trouble::Refused { .. } => NoAnswer::AccessDenied,
            Trouble::Unreadable => NoAnswer::Refused,
        };
        Stopped(Failure::Unreachable { server: "the server".into(), word: word.word() })
    }
}
