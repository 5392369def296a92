#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const UUIDS: [&str; 3] = [
    "3e11fa47-71ca-11e1-9e33-c80aa9429562",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
];
const TAGS: [&str; 3] = ["", "blue", "_z9"];

fn set(text: &str) -> GtidSet {
    text.parse().unwrap()
}

/// What a set is, without any cleverness: which server, which tag, which number.
type Naive = BTreeSet<(usize, usize, u64)>;

fn naive() -> impl Strategy<Value = Naive> {
    prop::collection::btree_set((0..UUIDS.len(), 0..TAGS.len(), 1_u64..12), 0..30)
}

/// One part of a text for each transaction: nothing is merged or sorted yet.
fn text_of(naive: &Naive) -> String {
    let parts: Vec<String> = naive
        .iter()
        .rev()
        .map(|(uuid, tag, number)| match TAGS[*tag] {
            "" => format!("{}:{number}", UUIDS[*uuid]),
            tag => format!("{}:{tag}:{number}", UUIDS[*uuid]),
        })
        .collect();
    parts.join(",")
}

fn of(naive: &Naive) -> GtidSet {
    set(&text_of(naive))
}

fn both(one: &Naive, two: &Naive, keep: impl Fn(bool, bool) -> bool) -> Naive {
    one.union(two).filter(|entry| keep(one.contains(entry), two.contains(entry))).copied().collect()
}

proptest! {
    #[test]
    fn the_algebra_is_that_of_sets_of_transactions(one in naive(), two in naive()) {
        let (a, b) = (of(&one), of(&two));
        prop_assert_eq!(a.union(&b), of(&both(&one, &two, |a, b| a || b)));
        prop_assert_eq!(a.intersect(&b), of(&both(&one, &two, |a, b| a && b)));
        prop_assert_eq!(a.subtract(&b), of(&both(&one, &two, |a, b| a && !b)));
        prop_assert_eq!(a.contains(&b), one.is_superset(&two));
        prop_assert_eq!(a.is_empty(), one.is_empty());
        prop_assert_eq!(a.transactions(), one.len() as u128);
        prop_assert_eq!(a == b, one == two);
    }

    #[test]
    fn the_laws_hold(one in naive(), two in naive(), three in naive()) {
        let (a, b, c) = (of(&one), of(&two), of(&three));
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersect(&b.union(&c)), a.intersect(&b).union(&a.intersect(&c)));
        prop_assert_eq!(a.subtract(&b).union(&a.intersect(&b)), a.clone());
        prop_assert!(a.subtract(&b).intersect(&b).is_empty());
        prop_assert!(a.union(&b).contains(&a) && a.contains(&a.intersect(&b)));
        prop_assert_eq!(a.contains(&b), b.subtract(&a).is_empty());
        prop_assert_eq!(a.contains(&b) && b.contains(&a), a == b);
    }

    #[test]
    fn what_is_printed_is_read_back(one in naive()) {
        let a = of(&one);
        prop_assert_eq!(&set(&a.to_string()), &a);
        prop_assert_eq!(set(&a.to_string()).to_string(), a.to_string());
    }

    #[test]
    fn any_order_case_overlap_and_white_space_reads_as_the_same_set(
        parts in prop::collection::vec((0..UUIDS.len(), 0..TAGS.len(), 1_u64..12, 0_u64..6), 0..12),
        seed in any::<u64>(),
    ) {
        let mut naive = Naive::new();
        let mut text = String::new();
        for (at, (uuid, tag, first, more)) in parts.iter().enumerate() {
            naive.extend((*first..=first + more).map(|number| (*uuid, *tag, number)));
            let space = [" ", "\n", "", "\t "][(seed >> (at % 32)) as usize % 4];
            let tag = if TAGS[*tag].is_empty() { String::new() } else { format!(":{space}{}", TAGS[*tag].to_uppercase()) };
            let uuid = UUIDS[*uuid].to_uppercase();
            text.push_str(&format!("{space}{uuid}{tag}{space}:{first}{space}-{space}{}{space},", first + more));
        }
        prop_assert_eq!(set(&text), of(&naive));
    }

    #[test]
    fn nonsense_is_an_error_and_never_a_panic(text in ".{0,80}") {
        let _ = text.parse::<GtidSet>();
    }

    #[test]
    fn damaged_text_is_an_error_or_a_set_and_never_a_panic(
        one in naive(), at in 0_usize..200, insert in "[-:,0-9a-z \u{e9}]{0,3}", cut in 0_usize..4,
    ) {
        let text = of(&one).to_string();
        let damaged: String = text.chars().take(at).chain(insert.chars()).chain(text.chars().skip(at + cut)).collect();
        if let Ok(set) = damaged.parse::<GtidSet>() {
            prop_assert_eq!(self::set(&set.to_string()), set);
        }
    }

    #[test]
    fn a_summary_keeps_its_length(one in naive(), bytes in 0_usize..200) {
        let summary = of(&one).summary(bytes);
        prop_assert!(summary.len() <= bytes, "{summary}");
        prop_assert!(bytes < 8 || !summary.is_empty());
    }

    #[test]
    fn a_server_and_all_others_make_the_whole(one in naive(), at in 0..UUIDS.len()) {
        let a = of(&one);
        let (own, others) = (a.only_uuid(UUIDS[at]), a.without_uuid(&UUIDS[at].to_uppercase()));
        prop_assert_eq!(own.union(&others), a);
        prop_assert!(own.uuids().all(|uuid| uuid == UUIDS[at]));
        prop_assert!(others.uuids().all(|uuid| uuid != UUIDS[at]));
    }
}

#[test]
fn every_pair_of_small_sets_is_reckoned_right() {
    // All sets over the numbers 1 to 6 of one server, each with each.
    let of_mask =
        |mask: u64| -> Naive { (1..=6).filter(|number| mask >> number & 1 == 1).map(|n| (0, 0, n)).collect() };
    let sets: Vec<(Naive, GtidSet)> =
        (0..128).step_by(2).map(of_mask).map(|naive| (naive.clone(), of(&naive))).collect();
    assert_eq!(sets.len(), 64);
    for (one, a) in &sets {
        for (two, b) in &sets {
            assert_eq!(a.union(b), of(&both(one, two, |a, b| a || b)), "{a} ∪ {b}");
            assert_eq!(a.intersect(b), of(&both(one, two, |a, b| a && b)), "{a} ∩ {b}");
            assert_eq!(a.subtract(b), of(&both(one, two, |a, b| a && !b)), "{a} - {b}");
            assert_eq!(a.contains(b), one.is_superset(two), "{a} ⊇ {b}");
        }
    }
}

#[test]
fn texts_of_servers_are_read_and_printed_the_same_but_for_line_breaks() {
    let printed = [
        "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5",
        "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-3:11:47-49",
        "2174b383-5441-11e8-b90a-c80aa9429562:1-3,\n24da167a-0c0c-11e8-8442-00059a3c7b00:1-19",
        "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:blue:1-3:7:green:1",
        "3e11fa47-71ca-11e1-9e33-c80aa9429562:tag_1:9223372036854775806",
        "",
    ];
    for text in printed {
        assert_eq!(set(text).to_string(), text.replace('\n', ""));
    }
}

#[test]
fn a_tag_holds_for_the_intervals_after_it_and_only_in_its_part() {
    let uuid = UUIDS[0];
    let one = set(&format!("{uuid}:1:blue:2:3:green:4,{uuid}:5"));
    assert_eq!(one.to_string(), format!("{uuid}:1:5:blue:2-3:green:4"));
    assert_eq!(one.transactions(), 5);
    assert!(!set(&format!("{uuid}:2")).contains(&set(&format!("{uuid}:blue:2"))));
}

#[test]
fn neighbours_are_merged_and_empty_intervals_are_nothing() {
    let uuid = UUIDS[0];
    assert_eq!(set(&format!("{uuid}:3:1-2")).to_string(), format!("{uuid}:1-3"));
    assert!(set(&format!("{uuid}:5-4")).is_empty());
    assert!(set(&format!("{uuid}:1-0")).is_empty());
    assert!(set(" , ,\n").is_empty());
}

#[test]
fn the_highest_numbers_do_not_overflow() {
    let uuid = UUIDS[0];
    let all = set(&format!("{uuid}:1-9223372036854775806"));
    assert_eq!(all.transactions(), 9_223_372_036_854_775_806);
    assert_eq!(all.subtract(&all), GtidSet::default());
    assert_eq!(all.union(&set(&format!("{uuid}:9223372036854775806"))), all);
    let but_the_last = all.subtract(&set(&format!("{uuid}:9223372036854775806")));
    assert_eq!(but_the_last.to_string(), format!("{uuid}:1-9223372036854775805"));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let uuid = UUIDS[0];
    let error = |text: &str| text.parse::<GtidSet>().unwrap_err();
    assert_eq!(error("x:1"), GtidError::NoUuid { at: 0, found: "x".into() });
    assert_eq!(error(&format!("{uuid}:1, y:2")), GtidError::NoUuid { at: 40, found: "y".into() });
    assert_eq!(error(uuid), GtidError::NoNumber { at: 0, found: uuid.into() });
    assert_eq!(error(&format!("{uuid}:blue")), GtidError::NoNumber { at: 37, found: "blue".into() });
    assert_eq!(error(&format!("{uuid}:blue:green:1")), GtidError::NoNumber { at: 37, found: "blue".into() });
    assert_eq!(error(&format!("{uuid}:")), GtidError::NoInterval { at: 37, found: String::new() });
    assert_eq!(error(&format!("{uuid}:1-2-3")), GtidError::NoInterval { at: 37, found: "1-2-3".into() });
    assert_eq!(error(&format!("{uuid}:+1")), GtidError::NoInterval { at: 37, found: "+1".into() });
    assert_eq!(error(&format!("{uuid}:0")), GtidError::OutOfRange { at: 37, found: "0".into() });
    let beyond = "9223372036854775807";
    assert_eq!(error(&format!("{uuid}:1-{beyond}")), GtidError::OutOfRange { at: 39, found: beyond.into() });
    let far_beyond = "9".repeat(40);
    assert!(matches!(error(&format!("{uuid}:{far_beyond}")), GtidError::OutOfRange { at: 37, .. }));
    let long_tag = "t".repeat(33);
    assert!(matches!(error(&format!("{uuid}:{long_tag}:1")), GtidError::NoInterval { at: 37, .. }));
    assert_eq!(error(&" ".repeat(MOST_BYTES + 1)), GtidError::TooLong { bytes: MOST_BYTES + 1 });
}

#[test]
fn a_summary_says_how_much_it_leaves_out() {
    let many: Vec<String> = (0..50).map(|n| format!("{}:{}", UUIDS[0], n * 2 + 1)).collect();
    let many = set(&many.join(","));
    let summary = many.summary(100);
    assert!(summary.starts_with(UUIDS[0]) && summary.ends_with("(50 transactions of one server)"), "{summary}");
    assert_eq!(set(&format!("{}:1-5", UUIDS[0])).summary(100), format!("{}:1-5", UUIDS[0]));
    assert_eq!(GtidSet::default().summary(100), "nothing");
}
