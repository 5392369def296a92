//! Attacks of one call (G1, G2, G3), each with the error that it must end in.

use crate::{endless_fuel, limits};
use guests::Guest;
use serde_json::{Value, json};
use windlass::decide::{DecideError, Limits};

/// One attack.
pub struct Attack {
    /// What the plugin does.
    pub name: &'static str,
    /// The plugin.
    pub guest: Guest,
    /// Under which limits.
    pub limits: Limits,
    /// How its call must end.
    pub end: End,
}

/// How a call must end.
pub enum End {
    /// In exactly this error.
    Exactly(DecideError),
    /// In a crash whose message has this text.
    Crash(&'static str),
    /// In an answer that is wrong at this place, with a message that has this text.
    Wrong(&'static str, &'static str),
}

impl End {
    /// Whether `error` is that.
    pub fn is(&self, error: &DecideError) -> bool {
        match (self, error) {
            (End::Exactly(expected), error) => error == expected,
            (End::Crash(text), DecideError::Trap { message }) => message.contains(text),
            (End::Wrong(place, text), DecideError::InvalidOutput { at, message }) => {
                at == place && message.contains(text)
            }
            _ => false,
        }
    }
}

fn attack(name: &'static str, guest: Guest, end: End) -> Attack {
    Attack { name, guest, limits: limits(), end }
}

/// Every attack on time and memory (G1).
pub fn on_resources() -> Vec<Attack> {
    let limits = limits();
    let fuel = DecideError::OutOfFuel { limit: limits.fuel };
    let time = DecideError::TimeLimit { limit: limits.wall };
    let memory = DecideError::MemoryLimit { limit: limits.memory };
    vec![
        attack("endless loop", Guest::idle().doing("(loop $again (br $again))"), End::Exactly(fuel)),
        Attack {
            limits: endless_fuel(),
            ..attack("endless loop, fuel without end", Guest::idle().doing("(loop $again (br $again))"), End::Exactly(time.clone()))
        },
        Attack {
            limits: endless_fuel(),
            ..attack(
                "filling memory over and over",
                Guest::idle().pages(200).doing(
                    "(loop $again (memory.fill (i32.const 65536) (i32.const 7) (i32.const 12582912)) (br $again))",
                ),
                End::Exactly(time),
            )
        },
        attack(
            "endless recursion",
            Guest::idle().with("(func $deeper (param i64) (call $deeper (local.get 0)) (drop (i64.const 1)))").doing(
                "(call $deeper (i64.const 1))",
            ),
            End::Exactly(DecideError::StackLimit { limit: 512 << 10 }),
        ),
        attack(
            "memory page by page, then abort",
            Guest::idle().doing("(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable"),
            End::Exactly(memory.clone()),
        ),
        attack(
            "4 GiB of memory at once, then abort",
            Guest::idle().doing("(if (i32.eq (memory.grow (i32.const 65535)) (i32.const -1)) (then unreachable))"),
            End::Exactly(memory.clone()),
        ),
        attack(
            "table growth, then abort",
            Guest::idle().with("(table $large 1 funcref)").doing(
                "(loop $again (br_if $again (i32.ne (table.grow $large (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable",
            ),
            End::Exactly(DecideError::TableLimit { limit: limits.table_elements }),
        ),
        attack("trap", Guest::idle().doing("unreachable"), End::Crash("`unreachable` instruction")),
        attack(
            "division by zero",
            Guest::idle().doing("(drop (i32.div_u (i32.const 1) (local.get $i)))"),
            End::Crash("integer divide by zero"),
        ),
        attack(
            "reading beyond its memory",
            Guest::idle().doing("(drop (i32.load (i32.const -8)))"),
            End::Crash("out of bounds memory access"),
        ),
        attack(
            "calling through an empty table",
            Guest::idle().with("(table $empty 4 funcref) (type $nothing (func))").doing("(call_indirect $empty (type $nothing) (i32.const 2))"),
            End::Crash("uninitialized element"),
        ),
    ]
}

/// Every attack by the answer (G2).
pub fn on_output() -> Vec<Attack> {
    let limits = limits();
    let output = DecideError::OutputLimit { limit: limits.output };
    let status = |status: Value| Guest::answering(json!({"ok": {"status": status}}));
    let items: Vec<_> =
        (0..=limits.items).map(|number| json!({"id": format!("item-{number}"), "body": {"kubernetes": {}}})).collect();
    vec![
        attack(
            "a million items that are not there",
            Guest::idle().doing("(i32.store offset=12 (global.get $answer) (i32.const 1000000))"),
            End::Wrong("answer", "out of bounds"),
        ),
        attack(
            "thirty thousand empty items, 6 MiB of them",
            Guest::idle().pages(200).doing(
                "(i32.store offset=8 (global.get $answer) (i32.const 65536)) (i32.store offset=12 (global.get $answer) (i32.const 30000))",
            ),
            End::Exactly(output.clone()),
        ),
        Attack {
            limits: Limits { memory: 128 << 20, ..limits.clone() },
            ..attack(
                "a status of 64 MiB",
                Guest::idle().pages(1_100).doing(
                    "(i32.store offset=16 (global.get $answer) (i32.const 0)) (i32.store offset=20 (global.get $answer) (i32.const 67108864))",
                ),
                End::Exactly(output.clone()),
            )
        },
        attack(
            "one item too many",
            Guest::answering(json!({"ok": {"items": items, "status": "{}"}})),
            End::Exactly(DecideError::ItemLimit { list: "items", found: limits.items + 1, limit: limits.items }),
        ),
        attack(
            "text that is no UTF-8",
            Guest::idle().doing(
                "(i32.store8 (i32.const 64) (i32.const 255))
                 (i32.store offset=16 (global.get $answer) (i32.const 64)) (i32.store offset=20 (global.get $answer) (i32.const 1))",
            ),
            End::Wrong("answer", "invalid utf-8"),
        ),
        attack(
            "text beyond its memory",
            Guest::idle().doing(
                "(i32.store offset=16 (global.get $answer) (i32.const -65536)) (i32.store offset=20 (global.get $answer) (i32.const 100))",
            ),
            End::Wrong("answer", "out of bounds"),
        ),
        attack(
            "a case that does not exist",
            Guest::idle().doing("(i32.store8 (global.get $answer) (i32.const 9))"),
            End::Wrong("answer", "discriminant"),
        ),
        attack("text that is no JSON", status(json!("{")), End::Wrong("status", "EOF")),
        attack("no JSON at all", status(json!("")), End::Wrong("status", "EOF")),
        attack("JSON with a key twice", status(json!("{\"a\":1,\"a\":2}")), End::Wrong("status", "a key twice")),
        attack(
            "JSON nested deeply",
            status(json!("[".repeat(10_000) + &"]".repeat(10_000))),
            End::Wrong("status", "nested deeper than 32"),
        ),
        attack(
            "JSON of many values",
            status(json!(format!("[0{}]", ",0".repeat(20_000)))),
            End::Wrong("status", "too many JSON values"),
        ),
        attack(
            "an item that is no JSON",
            Guest::answering(json!({"ok": {"status": "{}", "items": [{"id": "a", "body": {"kubernetes": "nonsense"}}]}})),
            End::Wrong("items[0].body.kubernetes", "no acceptable JSON"),
        ),
    ]
}

/// Every attack by the host's one function (G3).
pub fn on_logs() -> Vec<Attack> {
    let limits = limits();
    let logs = DecideError::LogLimit { limit: limits.log };
    vec![
        attack(
            "a million short lines",
            Guest::idle().doing(
                "(loop $again (call $log (i32.const 1) (i32.const 0) (i32.const 1))
                   (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000))))",
            ),
            End::Exactly(logs.clone()),
        ),
        attack(
            "a million empty lines",
            Guest::idle().doing(
                "(loop $again (call $log (i32.const 1) (i32.const 0) (i32.const 0))
                   (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000))))",
            ),
            End::Exactly(logs.clone()),
        ),
        attack(
            "one line over the limit",
            Guest::idle().pages(3).doing("(call $log (i32.const 2) (i32.const 65536) (i32.const 5000))"),
            End::Exactly(logs),
        ),
        attack(
            "one line of 8 MiB",
            Guest::idle().pages(200).doing("(call $log (i32.const 2) (i32.const 0) (i32.const 8388608))"),
            End::Exactly(DecideError::OutputLimit { limit: limits.output }),
        ),
    ]
}

/// All of them.
pub fn all() -> Vec<Attack> {
    on_resources().into_iter().chain(on_output()).chain(on_logs()).collect()
}
