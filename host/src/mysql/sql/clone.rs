//! A clone: begun in a session of its own and left to run, because it takes as long as the data is large. Looks show how
//! far it is. At its end the server restarts itself, or ends for whoever runs it to start it again.

use super::{
    apply::Hand,
    connect::Session,
    errors::{Trouble, code},
    line::Line,
    statement,
};
use crate::mysql::{Failure, Wanted};
use model::decision::Reseed;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// A clone that cannot be (no such donor, wrong password) says so at once.
const EARLY: Duration = Duration::from_secs(1);

/// Begins a clone into the server. `session` is that of the pass.
pub async fn begin(line: &Arc<Line>, wanted: &Wanted, reseed: &Reseed, session: &mut Session) -> Result<(), Failure> {
    let Reseed { donor_host, donor_port, user, password, tls, contained_in: _ } = reseed;
    let hand = Hand { wanted };
    if let Some(trouble) = line.clone_advises_against() {
        return Err(hand.failure("clone", trouble));
    }
    let (user, password) = (hand.text(user)?, hand.text(password)?);
    hand.send(session, &statement::donor(donor_host, *donor_port)).await?;
    let mut own = Session::open(wanted).await.map_err(|trouble| hand.failure("clone", trouble))?;
    // A clone first drops what users have made, and `super_read_only` forbids that even to it. `read_only` stays, which
    // keeps clients out; the configuration sets both again when the server starts with the copy.
    hand.send(&mut own, &statement::drop_for_clone()).await?;
    let statement = statement::clone_from(donor_host, *donor_port, &user, &password, tls.mode);
    line.cloning.store(true, Ordering::Relaxed);
    let (running, server) = (Cloning(line.clone()), wanted.address());
    tracing::info!(%server, donor = %format_args!("{donor_host}:{donor_port}"), "cloning into a MySQL server");
    let mut task = tokio::spawn(async move {
        let running = running;
        let ended = own.run_long(&statement).await;
        match &ended {
            // No supervisor starts the server again: whoever runs it does.
            Err(trouble) if trouble.code() == code::RESTART_FAILED => {
                running.0.cloned(None);
                Ok(())
            }
            // It restarts, or is gone: the next look tells.
            Ok(()) | Err(Trouble::NoAnswer(_) | Trouble::Unreadable) => Ok(()),
            Err(trouble) => {
                // Best effort: where it fails, the next pass finds the server as it is, and does the same.
                let _ = own.run(&statement::super_read_only()).await;
                running.0.cloned(Some(trouble));
                tracing::warn!(%server, code = trouble.code(), "a clone into a MySQL server failed");
                Err(trouble.clone())
            }
        }
    });
    match tokio::time::timeout(EARLY, &mut task).await {
        Ok(Ok(Err(trouble))) => Err(hand.failure("clone", trouble)),
        Ok(Ok(Ok(())) | Err(_)) | Err(_) => Ok(()),
    }
}

/// While it lives, a clone runs.
struct Cloning(Arc<Line>);

impl Drop for Cloning {
    fn drop(&mut self) {
        self.0.cloning.store(false, Ordering::Relaxed);
    }
}
