use super::*;
use crate::azure::compare::{patch, set};
use proptest::prelude::*;
use serde_json::json;

/// What an ARM does with a field.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Shows,
    Swallows,
    /// Shows every value as one of two.
    Coarsens,
}

const FIELDS: [&str; 4] = ["/properties/a", "/properties/deep/b", "/properties/c", "/tags/d"];

/// An ARM with one resource, and a client that looks, and writes where that may mend something.
struct World {
    ways: [Way; 4],
    stored: Value,
    record: Record,
    writes: usize,
}

impl World {
    fn shown(&self) -> Value {
        let mut shown = json!({"properties": {"state": "Ready"}, "tags": {}});
        for (place, way) in FIELDS.iter().zip(self.ways) {
            match (way, self.stored.pointer(place)) {
                (Way::Shows, Some(value)) => set(&mut shown, place, value.clone()),
                (Way::Coarsens, Some(value)) => {
                    set(&mut shown, place, json!(value.as_u64().unwrap_or_default() / 2 * 2));
                }
                (Way::Swallows, _) | (_, None) => {}
            }
        }
        shown
    }

    fn pass(&mut self, wanted: &Value) {
        let live = self.shown();
        learn(&mut self.record, wanted, &[], &live);
        let places = mendable(&self.record, wanted, &live);
        if places.is_empty() {
            return;
        }
        let body = patch(wanted, &live, &places);
        for (place, _) in fingerprints(&body) {
            if let Some(value) = body.pointer(&place) {
                set(&mut self.stored, &place, value.clone());
            }
        }
        self.record.sent.extend(fingerprints(&body));
        self.writes += 1;
    }
}

fn wish(values: [u64; 4]) -> Value {
    let mut wanted = json!({});
    FIELDS.iter().zip(values).for_each(|(place, value)| set(&mut wanted, place, json!(value)));
    wanted
}

fn ways() -> impl Strategy<Value = [Way; 4]> {
    let way = || prop_oneof![Just(Way::Shows), Just(Way::Swallows), Just(Way::Coarsens)];
    // Tags are always shown.
    (way(), way(), way()).prop_map(|(a, b, c)| [a, b, c, Way::Shows])
}

proptest! {
    #[test]
    fn each_change_of_a_wish_is_sent_and_then_nothing_more(
        ways in ways(),
        wishes in prop::collection::vec(prop::array::uniform4(0_u64..4), 1..6),
    ) {
        let mut world = World { ways, stored: json!({}), record: Record::default(), writes: 0 };
        for values in wishes {
            let wanted = wish(values);
            let before = world.writes;
            (0..4).for_each(|_| world.pass(&wanted));
            let settled = world.writes;
            prop_assert!(settled - before <= ENOUGH as usize, "{} writes", settled - before);
            if !ways.contains(&Way::Coarsens) {
                prop_assert!(settled - before <= 1, "what is not shown at all is sent once");
            }
            (0..10).for_each(|_| world.pass(&wanted));
            prop_assert_eq!(world.writes, settled, "an unchanged wish is not sent at each look");
            for (place, way) in FIELDS.iter().zip(ways) {
                // Of values that are shown as one, nobody can tell which is stored.
                let coarse = |body: &Value| body.pointer(place).and_then(Value::as_u64).map(|value| value / 2);
                prop_assert_eq!(coarse(&world.stored), coarse(&wanted), "it has arrived: {}", place);
                if way != Way::Coarsens {
                    prop_assert_eq!(world.stored.pointer(place), wanted.pointer(place), "it has arrived: {}", place);
                }
            }
        }
    }

    #[test]
    fn what_somebody_changes_in_a_field_that_is_shown_is_taken_back(
        ways in ways(),
        values in prop::array::uniform4(0_u64..4),
        field in 0_usize..4,
        theirs in 100_u64..200,
    ) {
        let wanted = wish(values);
        let mut world = World { ways, stored: json!({}), record: Record::default(), writes: 0 };
        (0..4).for_each(|_| world.pass(&wanted));
        prop_assume!(ways[field] != Way::Swallows);
        set(&mut world.stored, FIELDS[field], json!(theirs));
        (0..4).for_each(|_| world.pass(&wanted));
        let coarse = |body: &Value| body.pointer(FIELDS[field]).and_then(Value::as_u64).map(|value| value / 2);
        prop_assert_eq!(coarse(&world.stored), coarse(&wanted));
        let settled = world.writes;
        (0..10).for_each(|_| world.pass(&wanted));
        prop_assert_eq!(world.writes, settled);
    }

    #[test]
    fn only_what_was_sent_as_it_is_wished_is_left_alone(
        sent in prop::collection::btree_map(0_usize..4, 0_u64..3, 0..4),
        values in prop::array::uniform4(0_u64..3),
        looks in 1_usize..4,
    ) {
        let (wanted, live) = (wish(values), json!({"properties": {}}));
        let mut record = Record::default();
        let mut body = json!({});
        sent.iter().for_each(|(field, value)| set(&mut body, FIELDS[*field], json!(value)));
        for _ in 0..looks {
            record.sent = fingerprints(&body);
            learn(&mut record, &wanted, &[], &live);
        }
        let places = mendable(&record, &wanted, &live);
        for (field, value) in values.iter().enumerate() {
            if sent.get(&field) != Some(value) {
                prop_assert!(places.contains(&FIELDS[field].to_owned()), "{} was never sent so", FIELDS[field]);
            }
        }
    }
}

#[test]
fn a_value_that_came_back_as_another_once_is_sent_again_and_after_that_it_is_the_way_of_arm() {
    let (wanted, live) = (json!({"properties": {"kind": "LRS"}}), json!({"properties": {"kind": "Local"}}));
    let mut record = Record::default();
    for left in [1, 0] {
        record.sent = fingerprints(&wanted);
        learn(&mut record, &wanted, &[], &live);
        assert_eq!(mendable(&record, &wanted, &live).len(), left);
    }
    let changed = json!({"properties": {"kind": "Geo"}});
    assert_eq!(mendable(&record, &wanted, &changed), ["/properties/kind"], "somebody changed it");
    assert_eq!(mendable(&record, &changed, &live), ["/properties/kind"], "another value is wished");
}

#[test]
fn a_tag_that_is_missing_after_it_was_sent_was_taken_away() {
    let (wanted, live) = (json!({"tags": {"team": "a"}}), json!({"tags": {}}));
    let mut record = Record { sent: fingerprints(&wanted), ..Record::default() };
    learn(&mut record, &wanted, &[], &live);
    assert_eq!(mendable(&record, &wanted, &live), ["/tags/team"]);
}

#[test]
fn nothing_of_a_value_but_its_fingerprint_is_kept() {
    let body = json!({"properties": {"name": "a-long-and-telling-value"}});
    let mut record = Record { sent: fingerprints(&body), ..Record::default() };
    let text = serde_json::to_string(&record).unwrap_or_default();
    learn(&mut record, &body, &[], &json!({}));
    let after = serde_json::to_string(&record).unwrap_or_default();
    assert!(!text.contains("telling") && !after.contains("telling") && after.len() < 120, "{after}");
}

#[test]
fn of_a_secret_that_no_tag_tells_of_it_is_remembered_which_value_was_sent() {
    let (wanted, live) = (json!({"properties": {"a": 1}}), json!({"properties": {"a": 1}}));
    let mut record = Record::default();
    record.sent.insert("/properties/key".into(), "fp1:a".into());
    learn(&mut record, &wanted, &[("/properties/key", "fp1:a")], &live);
    assert!(was_sent(&record, "/properties/key", "fp1:a") && !was_sent(&record, "/properties/key", "fp1:b"));
    record.sent.insert("/properties/a".into(), "1".into());
    learn(&mut record, &wanted, &[("/properties/key", "fp1:a")], &live);
    assert!(was_sent(&record, "/properties/key", "fp1:a"), "a write of something else forgets nothing");
}
