//! The host's memory stays bounded under every attack. Its own process, so that nothing else is counted.
#![allow(clippy::unwrap_used, missing_docs)]

use guests::Guest;
use hostile::{attacks, engine, limits, resident, snapshot};

/// Bytes beyond the state before that the host may have at any time: what two calls may use of memory and answers, the
/// pages that idle instances keep, and compiling in this process.
const ROOM: usize = 160 << 20;

#[tokio::test]
async fn no_attack_leaves_memory_behind_or_takes_more_than_its_limits() {
    let engine = engine();
    let good = engine.load("good", Guest::idle().build().unwrap(), limits()).await.unwrap();
    good.decide(&snapshot("{}")).await.unwrap();
    let (before, _) = resident();
    assert!(before > 0);
    for attack in attacks::all() {
        let plugin = engine.load("attacker", attack.guest.build().unwrap(), attack.limits).await.unwrap();
        for _ in 0..3 {
            plugin.decide(&snapshot("{}")).await.expect_err(attack.name);
        }
        good.decide(&snapshot("{}")).await.unwrap();
        let (now, most) = resident();
        assert!(most < before + ROOM, "{}: {} MiB at most, {} before", attack.name, most >> 20, before >> 20);
        assert!(now < before + ROOM / 2, "{}: {} MiB left, {} before", attack.name, now >> 20, before >> 20);
    }
}
