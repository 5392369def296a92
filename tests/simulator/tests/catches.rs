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
fn the_simulator_catches_a_policy_that_elects_on_what_is_executed() {
    caught(Fracture::ElectsOnExecuted, LOST);
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
#[ignore = "the policy's barriers make up for an unguarded status in the first seeds: needs more seeds, or a harder fault"]
fn the_simulator_catches_hosts_that_overwrite_each_others_status() {
    let mix = Mix { guarded: false, ..Mix::default() };
    let found =
        first(&["named", "rows", "commit", "opened"], |seed| run(&Options { mix, ..Options::seed(seed) }, &mut Native));
    assert!(found.is_some(), "unguarded statuses go unnoticed in {FEW} seeds");
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
#[ignore = "the preconditions of items hold this variant back, so that it does no harm: needs a variant without them"]
fn the_simulator_catches_a_policy_that_opens_an_empty_server_in_place_of_a_lost_one() {
    let mut caught = 0;
    for seed in 1..20 {
        let outcome = lose_everything(seed, &mut Mutant::of(&mut Native, Fracture::ForgetsThatThereWasData));
        caught += u32::from(outcome.broken.iter().any(|text| text.contains("without acknowledged rows")));
    }
    assert!(caught > 0, "an empty server that is opened goes unnoticed");
}
