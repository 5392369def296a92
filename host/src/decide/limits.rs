//! What one call of a plugin may use. Values in, values out.

use serde::{Deserialize, Serialize};
use std::time::Duration;

mod units;

/// What one call of a plugin may use, and how large its component may be.
///
/// The defaults are for production. A decision of a plugin written in Rust takes about 0.3 million units of fuel and
/// 1.2 MiB; one in JavaScript 2.5 million units and 13 MiB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Time that a call may run, not counting the time that it waited for a thread. `1s`, `250ms`.
    #[serde(with = "units::duration")]
    pub wall: Duration,
    /// Units of work, about one per WebAssembly instruction. The same call with the same input always takes the same.
    pub fuel: u64,
    /// Bytes of all linear memories of an instance together. `64Mi`.
    #[serde(with = "units::bytes")]
    pub memory: usize,
    /// Elements of all tables of an instance together.
    pub table_elements: usize,
    /// Bytes that one answer may hold: strings, and the records around them. `4Mi`.
    #[serde(with = "units::bytes")]
    pub output: usize,
    /// Desired items, and entries of every other list of an answer.
    pub items: usize,
    /// How deep the JSON of an answer may be nested.
    pub json_depth: usize,
    /// JSON values in one answer, over all its documents.
    pub json_values: usize,
    /// Bytes of log lines. `64Ki`.
    #[serde(with = "units::bytes")]
    pub log: usize,
    /// Component-model handles that may be alive. The contract has none, so a plugin that needs many is up to something.
    pub handles: usize,
    /// Bytes of the component itself. JavaScript needs 13 MiB, Python 19 MiB. `8Mi`.
    #[serde(with = "units::bytes")]
    pub component_size: usize,
}

/// The most that an operator may set: what the engine's pool of instances is laid out for.
pub const MOST_MEMORY: usize = 512 << 20;
/// The most table elements that an operator may set.
pub const MOST_TABLE_ELEMENTS: usize = 100_000;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            wall: Duration::from_secs(1),
            fuel: 500_000_000,
            memory: 64 << 20,
            table_elements: 20_000,
            output: 4 << 20,
            items: 2_000,
            json_depth: 64,
            json_values: 100_000,
            log: 64 << 10,
            handles: 1_024,
            component_size: 8 << 20,
        }
    }
}

impl Limits {
    /// The first field that is out of range, and the largest value it may have.
    pub fn out_of_range(&self) -> Option<(&'static str, usize)> {
        let Limits {
            wall,
            // Of work there is as much as fits into the time.
            fuel: _,
            memory,
            table_elements,
            output,
            items,
            json_depth,
            json_values,
            log,
            handles,
            component_size,
        } = self;
        let wall = usize::try_from(wall.as_millis()).unwrap_or(usize::MAX);
        let bounds = [
            ("memory", *memory, MOST_MEMORY),
            ("tableElements", *table_elements, MOST_TABLE_ELEMENTS),
            // The JSON parser has a limit of its own, 128.
            ("jsonDepth", *json_depth, 120),
            ("wall, in milliseconds", wall, 60_000),
            // What one call may make the host itself hold.
            ("output", *output, 64 << 20),
            ("items", *items, 100_000),
            ("jsonValues", *json_values, 10_000_000),
            ("log", *log, 16 << 20),
            ("handles", *handles, 100_000),
            ("componentSize", *component_size, 256 << 20),
        ];
        bounds.into_iter().find(|(_, value, most)| value > most).map(|(field, _, most)| (field, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_in_the_units_that_manifests_use() {
        let read: Limits = serde_yaml::from_str("wall: 250ms\nmemory: 16Mi\nfuel: 1000\nlog: 1024").unwrap();
        let expected =
            Limits { wall: Duration::from_millis(250), memory: 16 << 20, fuel: 1_000, log: 1_024, ..Limits::default() };
        assert_eq!(read, expected);
    }

    #[test]
    fn limits_survive_being_written_and_read() {
        let limits = Limits { wall: Duration::from_millis(1_500), memory: (16 << 20) + 1, ..Limits::default() };
        let text = serde_yaml::to_string(&limits).unwrap();
        assert!(text.contains("wall: 1500ms"), "{text}");
        assert_eq!(serde_yaml::from_str::<Limits>(&text).unwrap(), limits);
    }

    #[test]
    fn a_misspelt_limit_is_refused_by_name() {
        let error = serde_yaml::from_str::<Limits>("memry: 16Mi").unwrap_err().to_string();
        assert!(error.contains("memry"), "{error}");
    }

    #[test]
    fn no_limit_can_be_set_beyond_what_the_host_bears() {
        let set = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            limits.out_of_range().map(|(field, _)| field)
        };
        assert_eq!(set(|limits| limits.wall = Duration::from_secs(61)), Some("wall, in milliseconds"));
        assert_eq!(set(|limits| limits.wall = Duration::MAX), Some("wall, in milliseconds"));
        assert_eq!(set(|limits| limits.output = usize::MAX), Some("output"));
        assert_eq!(set(|limits| limits.items = 100_001), Some("items"));
        assert_eq!(set(|limits| limits.json_values = usize::MAX), Some("jsonValues"));
        assert_eq!(set(|limits| limits.log = 1 << 30), Some("log"));
        assert_eq!(set(|limits| limits.handles = 1 << 30), Some("handles"));
        assert_eq!(set(|limits| limits.component_size = 1 << 30), Some("componentSize"));
        assert_eq!(set(|limits| limits.fuel = u64::MAX), None);
    }

    #[test]
    fn a_limit_beyond_what_the_pool_holds_is_named() {
        let limits = Limits { memory: MOST_MEMORY + 1, ..Limits::default() };
        assert_eq!(limits.out_of_range(), Some(("memory", MOST_MEMORY)));
        assert_eq!(Limits::default().out_of_range(), None);
    }
}
