//! The host's backend for MySQL on real servers: every statement that it can send is sent to one here, with every
//! installation that is at hand.
#![allow(clippy::unwrap_used)]

mod accounts;
mod looks;
mod replication;
mod secrecy;
mod stuck;
mod transport;

use mysql_suite::Installation;
use std::future::Future;

/// Runs a test on every installation.
fn on_each<F: Future<Output = ()>>(test: impl Fn(Installation) -> F) {
    for installation in mysql_suite::installations() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(test(installation));
    }
}
