//! Differences of decisions over a tiny cluster.

use super::*;
use crate::decision::{Body, Decision, GeneratedSecret, Item, PasswordRules, RandomValue, RemovalPolicy, UpdatePolicy};
use crate::plan::propose;
use crate::plan::tests::properties::{good_decision, settle};
use crate::plan::tests::world::{World, claim, config_map, decision, item, stateful_set};
use proptest::prelude::*;
use serde_json::json;

/// What a version with this decision would do in this world.
fn outlook(world: &World, decision: &Decision) -> Outlook {
    let facts = world.facts(decision);
    let proposed = propose(&facts, decision);
    match world.check(&facts, decision) {
        Ok(checked) => Outlook::Plans(Box::new(Planned::new(decision, &proposed, checked))),
        Err(refusal) => Outlook::refused(&refusal),
    }
}

fn settled(decision: &Decision) -> World {
    let mut world = World::new();
    settle(&mut world, decision);
    world
}

/// Severity, what happens, and the item of each change.
fn told(difference: &Difference) -> Vec<(Severity, Happens, &str)> {
    difference.changes().iter().map(|it| (it.severity, it.happens, it.item.as_str())).collect()
}

fn difference(old: &Decision, new: &Decision) -> Difference {
    let world = settled(old);
    compare(&outlook(&world, old), &outlook(&world, new))
}

#[test]
fn items_that_come_change_and_go_are_named_with_the_fields_that_differ() {
    let old = decision(vec![item("a", &[], config_map("a", "1")), item("b", &[], config_map("b", "1"))]);
    let new = decision(vec![item("a", &[], config_map("a", "2")), item("c", &["a"], config_map("c", "1"))]);
    let difference = difference(&old, &new);
    assert_eq!(
        told(&difference),
        [
            (Severity::Takes, Happens::Deleted, "b"),
            (Severity::Changes, Happens::Changed, "a"),
            (Severity::Changes, Happens::Created, "c"),
        ]
    );
    let field = &difference.changes()[1].fields[0];
    assert_eq!(field.path, "data.value");
    assert_eq!((field.old.as_deref(), field.new.as_deref()), (Some("\"1\""), Some("\"2\"")));
    assert_eq!(difference.changes()[1].target, "ConfigMap default/a");
}

#[test]
fn what_holds_state_and_goes_is_the_worst_though_a_guard_would_hold_it_back() {
    let old = decision(vec![
        item("set", &[], stateful_set("db")),
        item("data", &[], claim("data-0")),
        item("a", &[], config_map("a", "1")),
    ]);
    let new = decision(vec![item("a", &[], config_map("a", "1"))]);
    let world = settled(&old);
    let changes = compare(&outlook(&world, &old), &outlook(&world, &new));
    assert_eq!(
        told(&changes),
        [(Severity::Destroys, Happens::Deleted, "data"), (Severity::Destroys, Happens::Deleted, "set")]
    );
    // The same, where nobody decides now.
    let alone = compare(&Outlook::AsIs(json!(null)), &outlook(&world, &new));
    assert_eq!(alone.worst(), Some(Severity::Destroys));
    assert_eq!(alone.changes().iter().filter(|it| it.happens == Happens::Deleted).count(), 2, "{alone:?}");
}

#[test]
fn a_set_that_is_made_anew_or_moves_is_destroyed_and_one_that_is_only_changed_is_not() {
    let old = decision(vec![item("set", &[], stateful_set("db"))]);
    let mut scaled = old.clone();
    let Body::Kubernetes(body) = &mut scaled.items[0].body else { unreachable!() };
    body["spec"]["replicas"] = json!(5);
    assert_eq!(told(&difference(&old, &scaled)), [(Severity::Changes, Happens::Changed, "set")]);
    let mut anew = scaled.clone();
    anew.items[0].update = UpdatePolicy::Recreate;
    assert_eq!(told(&difference(&old, &anew)), [(Severity::Destroys, Happens::Recreated, "set")]);
    let moved = decision(vec![item("set", &[], stateful_set("other"))]);
    let changes = difference(&old, &moved);
    assert_eq!(told(&changes), [(Severity::Destroys, Happens::Recreated, "set")]);
    assert!(changes.changes()[0].note.contains("default/db"), "{changes:?}");
    // Let go of, it stays.
    let kept = decision(vec![Item { removal: RemovalPolicy::Keep, ..old.items[0].clone() }]);
    let none = decision(vec![item("a", &[], config_map("a", "1"))]);
    assert!(told(&difference(&kept, &none)).contains(&(Severity::Changes, Happens::Released, "set")));
}

#[test]
fn another_id_for_the_same_thing_deletes_nothing() {
    let old = decision(vec![item("set", &[], stateful_set("db"))]);
    let new = decision(vec![item("statefulset", &[], stateful_set("db"))]);
    assert_eq!(told(&difference(&old, &new)), [(Severity::Changes, Happens::Renamed, "statefulset")]);
}

#[test]
fn values_of_secrets_are_not_shown() {
    let random = RandomValue { key: "p".into(), length: 20, rules: PasswordRules::Alphanumeric, avoid: String::new() };
    let generated = |plain: &str| Item {
        body: Body::Secret(GeneratedSecret {
            name: "s".into(),
            secret_type: String::new(),
            plain: vec![("user".into(), plain.into())],
            random: vec![random.clone()],
            composed: Vec::new(),
            generation: 1,
            labels: Vec::new(),
        }),
        ..item("secret", &[], json!(null))
    };
    let (old, new) = (decision(vec![generated("hunter1")]), decision(vec![generated("hunter2")]));
    let changes = difference(&old, &new);
    assert_eq!(told(&changes), [(Severity::Changes, Happens::Changed, "secret")]);
    assert!(!format!("{changes:?}").contains("hunter"), "{changes:?}");
    assert_eq!(changes.changes()[0].fields[0].path, "plain[0][1]");
    // Its values cannot be made again.
    let none = decision(vec![item("a", &[], config_map("a", "1"))]);
    assert!(told(&difference(&old, &none)).contains(&(Severity::Destroys, Happens::Deleted, "secret")));
}

#[test]
fn a_status_a_condition_and_a_time_that_differ_are_told_and_nothing_more() {
    let old = Decision { status: json!({"text": "a"}), wake: Some(5), ..decision(vec![]) };
    let new = Decision {
        status: json!({"text": "b"}),
        conditions: vec![crate::Condition {
            type_: "Ready".into(),
            status: crate::Truth::Yes,
            reason: "Done".into(),
            message: "m".into(),
        }],
        ..decision(vec![])
    };
    let changes = difference(&old, &new);
    assert_eq!(changes.worst(), Some(Severity::Tells));
    let paths: Vec<&str> =
        changes.changes().iter().flat_map(|it| &it.fields).map(|field| field.path.as_str()).collect();
    assert_eq!(paths, ["status.text", "status.conditions[Ready]", "wake"]);
}

#[test]
fn a_version_that_fails_where_the_other_decides_is_worse_than_one_that_changes_much() {
    let old = decision(vec![item("a", &[], config_map("a", "1"))]);
    let world = settled(&old);
    let decides = outlook(&world, &old);
    let fails = Outlook::undecided("PluginCrashed", "it crashed");
    assert_eq!(told(&compare(&decides, &fails)), [(Severity::Fails, Happens::Failed, "")]);
    assert!(compare(&fails, &fails).is_empty());
    assert_eq!(compare(&fails, &Outlook::undecided("Invalid", "")).worst(), Some(Severity::Tells));
    assert_eq!(told(&compare(&fails, &decides)), [(Severity::Tells, Happens::Recovered, "")]);
    let foreign =
        decision(vec![item("a", &[], json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}}))]);
    let refused = compare(&decides, &outlook(&world, &foreign));
    assert_eq!(told(&refused), [(Severity::Fails, Happens::Refused, "")]);
    assert!(refused.changes()[0].note.contains("Job"), "{refused:?}");
}

#[test]
fn an_item_that_only_waits_is_a_difference_already() {
    let old = decision(vec![item("set", &[], stateful_set("db"))]);
    let mut world = settled(&old);
    world.make_unready("db");
    let new = decision(vec![item("set", &[], stateful_set("db")), item("late", &["set"], config_map("late", "1"))]);
    let changes = compare(&outlook(&world, &old), &outlook(&world, &new));
    assert_eq!(told(&changes), [(Severity::Changes, Happens::Created, "late")]);
    let alone = compare(&Outlook::AsIs(json!({})), &outlook(&world, &new));
    assert!(told(&alone).contains(&(Severity::Changes, Happens::Created, "late")), "{alone:?}");
}

#[test]
fn no_difference_is_no_proof_where_something_was_not_seen() {
    let same = Outlook::undecided("x", "");
    assert_eq!(judge(&same, &same, None), Judgement::Equal);
    let blind = Some(NotJudged::BackendUnknown);
    assert_eq!(judge(&same, &same, blind), Judgement::NotJudged(NotJudged::BackendUnknown));
    let other = Outlook::undecided("y", "");
    assert!(matches!(judge(&same, &other, blind), Judgement::Different(_)));
}

#[test]
fn a_summary_counts_everything_and_names_the_worst() {
    let mut summary = Summary::default();
    let old = decision(vec![item("a", &[], config_map("a", "1")), item("set", &[], stateful_set("db"))]);
    let changed = decision(vec![item("a", &[], config_map("a", "2")), item("set", &[], stateful_set("db"))]);
    let gone = decision(vec![item("a", &[], config_map("a", "1"))]);
    for number in 0..40 {
        summary.add(&format!("default/r{number:02}"), &Judgement::Different(difference(&old, &changed)));
    }
    summary.add("default/z", &Judgement::Different(difference(&old, &gone)));
    summary.add("default/paused", &Judgement::NotJudged(NotJudged::Paused));
    summary.add("default/dark", &Judgement::NotJudged(NotJudged::BackendUnknown));
    summary.add("default/same", &Judgement::Equal);
    assert_eq!((summary.judged, summary.equal, summary.different, summary.destroys), (42, 1, 41, 1));
    assert_eq!((summary.left_out(), summary.unknown()), (2, 1));
    assert_eq!(summary.worst().len(), MOST_ENTRIES);
    assert_eq!((summary.worst()[0].resource.as_str(), summary.worst()[0].happens), ("default/z", Happens::Deleted));
    assert_eq!(summary.worst()[1].fields, ["data.value"]);
    assert_eq!(
        summary.words(),
        "41 of 44 resources differ; change 40, delete 1; not judged: 1 Paused, 1 BackendUnknown"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_version_differs_from_itself_in_nothing(one in good_decision(), two in good_decision()) {
        let world = settled(&one);
        for decision in [&one, &two] {
            let outlook = outlook(&world, decision);
            prop_assert!(compare(&outlook, &outlook).is_empty());
        }
        // Nor does a settled world differ from what made it.
        let alone = compare(&Outlook::AsIs(one.status.clone()), &outlook(&world, &one));
        prop_assert!(alone.is_empty(), "{alone:?}");
    }

    #[test]
    fn what_comes_one_way_goes_the_other(one in good_decision(), two in good_decision()) {
        let world = settled(&one);
        let (here, there) = (outlook(&world, &one), outlook(&world, &two));
        let (forth, back) = (compare(&here, &there), compare(&there, &here));
        // What is made once counts by whether it is there, which is the same in both directions.
        prop_assert_eq!(forth.is_empty(), back.is_empty());
        let ids = |difference: &Difference, kinds: &[Happens]| -> Vec<String> {
            let found = difference.changes().iter().filter(|it| kinds.contains(&it.happens));
            let mut found: Vec<String> = found.map(|it| it.item.clone()).collect();
            found.sort();
            found
        };
        prop_assert_eq!(ids(&forth, &[Happens::Created]), ids(&back, &[Happens::Deleted, Happens::Released]));
        prop_assert_eq!(ids(&back, &[Happens::Created]), ids(&forth, &[Happens::Deleted, Happens::Released]));
    }

    #[test]
    fn whatever_a_plan_would_delete_is_in_the_difference(one in good_decision(), two in good_decision()) {
        let world = settled(&one);
        let (here, there) = (outlook(&world, &one), outlook(&world, &two));
        let difference = compare(&here, &there);
        let Outlook::Plans(planned) = &there else { return Ok(()) };
        for step in planned.plan.steps().iter().filter(|step| step.action.destructive()) {
            let told = difference.changes().iter().any(|it| {
                it.item == step.item && matches!(it.happens, Happens::Deleted | Happens::Recreated)
            });
            prop_assert!(told, "{step} is not in {difference:?}");
        }
        for step in planned.plan.steps() {
            prop_assert!(difference.changes().iter().any(|it| it.item == step.item), "{step} is not in {difference:?}");
        }
    }

    #[test]
    fn a_summary_is_the_same_in_whatever_order(seeds in proptest::collection::vec((good_decision(), good_decision()), 0..6)) {
        let all: Vec<(String, Judgement)> = seeds
            .iter()
            .enumerate()
            .map(|(at, (one, two))| {
                let world = settled(one);
                (format!("r{at}"), judge(&outlook(&world, one), &outlook(&world, two), None))
            })
            .collect();
        let (mut forth, mut back) = (Summary::default(), Summary::default());
        all.iter().for_each(|(name, judgement)| forth.add(name, judgement));
        all.iter().rev().for_each(|(name, judgement)| back.add(name, judgement));
        prop_assert_eq!(&forth, &back);
        prop_assert_eq!(forth.judged, forth.equal + forth.different);
        prop_assert!(forth.worst().is_sorted_by_key(|it| std::cmp::Reverse(it.severity)));
    }
}
