//! Properties: arbitrary bytes are no plugin and no panic, arbitrary JSON comes back as it went in.

use guests::Guest;
use hostile::{engine, limits, snapshot};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::LazyLock;
use tokio::runtime::Runtime;
use windlass::decide::{DecideError, Engine, LoadError, Plugin};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static ENGINE: LazyLock<Engine> = LazyLock::new(engine);
static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| Guest::idle().build().unwrap());
static ECHO: LazyLock<Plugin> =
    LazyLock::new(|| RUNTIME.block_on(ENGINE.load("echo", Guest::echo().build().unwrap(), limits())).unwrap());

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has finite numbers only", |number| number.is_finite()).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(".{0,8}", inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), marked in any::<bool>()) {
        let bytes = if marked { [b"\0asm\x0d\0\x01\0".as_slice(), &bytes].concat() } else { bytes };
        let error = RUNTIME.block_on(ENGINE.load("noise", bytes, limits())).unwrap_err();
        let refused = matches!(
            error,
            LoadError::NotAComponent { .. } | LoadError::Malformed { .. } | LoadError::MissingExport { .. }
        );
        prop_assert!(refused, "{error:?}");
    }

    #[test]
    fn arbitrary_text_is_an_answer_or_named_as_wrong(text in "(?s).{0,200}") {
        match RUNTIME.block_on(ECHO.decide(&snapshot(&text))) {
            Ok(decided) => {
                let expected: Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(decided.outcome.unwrap().status, expected);
            }
            Err(DecideError::InvalidOutput { at, .. }) => prop_assert_eq!(at, "status"),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn arbitrary_json_comes_back_as_it_went_in(value in json()) {
        let text = value.to_string();
        let decided = RUNTIME.block_on(ECHO.decide(&snapshot(&text))).unwrap();
        // Compared as text that was read once: the shortest text of a float need not be the one that went in.
        prop_assert_eq!(decided.outcome.unwrap().status, serde_json::from_str::<Value>(&text).unwrap());
    }
}

proptest! {
    // Some of these compile and run.
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn a_damaged_component_is_refused_or_contained(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = GOOD.clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        if let Ok(plugin) = RUNTIME.block_on(ENGINE.load("damaged", bytes, limits())) {
            // Whatever it answers, the host lives to tell.
            let _ = RUNTIME.block_on(plugin.decide(&snapshot("{}")));
        }
    }
}
