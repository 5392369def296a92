//! What the simulator is worth: policies and worlds that are broken on purpose are caught, each within few seeds.

#![allow(clippy::unwrap_used)]

use simulator::brain::Native;
use simulator::mutant::{Fracture, Mutant};
use simulator::run::{Mix, Options, Outcome, lose_everything, run};

/// Seeds within which a broken policy must be caught.
const FEW: u64 = 150;

/// The first seed that is caught with such a complaint.
fn first(complaints: &[&str], mut attempt: impl FnMut(u64) -> Outcome) -> Option<(u64, String)> {
    let complains = |text: &String| complaints.iter().any(|complaint| text.contains(complaint));
    (1..=FEW).find_map(|seed| attempt(seed).broken.into_iter().find(complains).map(|text| (seed, text)))
}

fn caught(fracture: Fracture, complaints: &[&str]) {
    let found = first(complaints, |seed| run(&Options::seed(seed), &mut Mutant::of(&mut Native, fracture)));
    assert!(found.is_some(), "{fracture:?} goes unnoticed in {FEW} seeds");
}

const LOST: &[&str] = &["without acknowledged rows", "are missing on the primary"];

#[test]
fn the_simulator_catches_a_policy_that_does_not_fence_replicas() {
    caught(Fracture::FencesNothing, &["can commit at the same time", "could still commit", LOST[0], LOST[1]]);
}

#[test]
fn the_simulator_catches_a_policy_that_elects_by_what_is_executed_and_not_by_what_was_received() {
    // Where appliers keep up there is no difference.
    let mix = Mix { appliers: Some(10), ..Mix::default() };
    let found = first(LOST, |seed| {
        run(&Options { mix, ..Options::seed(seed) }, &mut Mutant::of(&mut Native, Fracture::ElectsOnExecuted))
    });
    assert!(found.is_some(), "what was only received goes unnoticed in {FEW} seeds");
}

#[test]
fn the_simulator_catches_a_policy_that_opens_a_server_before_the_status_names_it() {
    caught(Fracture::OpensBeforeStatus, &["was opened while the status names"]);
}

#[test]
fn the_simulator_catches_a_policy_that_waits_for_one_acknowledgement_less() {
    caught(Fracture::WaitsForOneLess, LOST);
}

#[test]
fn the_simulator_catches_a_policy_that_sends_readers_to_servers_with_data_of_their_own() {
    caught(Fracture::SendsReadersAnywhere, &["readers are sent to server"]);
}

#[test]
fn the_simulator_catches_hosts_that_act_on_what_they_saw_a_while_ago() {
    let mix = Mix { guarded: false, ..Mix::default() };
    let found =
        first(&["named", "rows", "commit", "opened"], |seed| run(&Options { mix, ..Options::seed(seed) }, &mut Native));
    assert!(found.is_some(), "old views go unnoticed in {FEW} seeds");
}

#[test]
fn a_single_server_that_lost_its_data_is_never_opened_empty() {
    for seed in 1..20 {
        let outcome = lose_everything(seed, &mut Native);
        assert!(outcome.broken.is_empty() && outcome.acknowledged > 0, "seed {seed}: {outcome:?}");
        assert_eq!(outcome.status["state"], "DataLost", "seed {seed}");
    }
}

#[test]
fn the_simulator_catches_a_policy_that_opens_an_empty_server_in_place_of_a_lost_one() {
    for seed in 1..20 {
        let outcome = lose_everything(seed, &mut Mutant::of(&mut Native, Fracture::ForgetsThatThereWasData));
        let caught = outcome.broken.iter().any(|text| text.contains(LOST[0]));
        assert!(caught, "seed {seed}: an empty server that is opened goes unnoticed: {:?}", outcome.broken);
    }
}
