//! Every attack of one call ends in its own error, and the plugin's next call is as good as its first (G1, G2, G3).

use hostile::{attacks, attacks::Attack, engine, snapshot};
use windlass::decide::Engine;

async fn is_contained(engine: &Engine, attack: Attack) {
    let Attack { name, guest, limits, end } = attack;
    let plugin = engine.load("attacker", guest.build().unwrap(), limits).await.unwrap();
    for _ in 0..2 {
        let error = plugin.decide(&snapshot("{}")).await.expect_err(name);
        assert!(end.is(&error), "{name}: {error:?}");
        let text = error.to_string();
        assert!(text.len() < 2_000 && !text.chars().any(char::is_control), "{name}: {text}");
    }
    // The same sandbox still serves others.
    let neighbour = engine.load("neighbour", guests::Guest::idle().build().unwrap(), hostile::limits()).await.unwrap();
    assert!(neighbour.decide(&snapshot("{}")).await.unwrap().outcome.is_ok(), "{name}");
}

#[tokio::test]
async fn attacks_on_time_and_memory_end_in_the_limit_that_they_hit() {
    let engine = engine();
    for attack in attacks::on_resources() {
        is_contained(&engine, attack).await;
    }
}

#[tokio::test]
async fn answers_that_are_too_large_or_wrong_are_refused_before_they_are_taken_in() {
    let engine = engine();
    for attack in attacks::on_output() {
        is_contained(&engine, attack).await;
    }
}

#[tokio::test]
async fn log_lines_are_limited_by_bytes() {
    let engine = engine();
    for attack in attacks::on_logs() {
        is_contained(&engine, attack).await;
    }
}

#[tokio::test]
async fn a_plugin_that_goes_on_after_it_was_refused_memory_is_judged_by_its_answer() {
    let greedy = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";
    let component = guests::Guest::idle().doing(greedy).build().unwrap();
    let plugin = engine().load("greedy", component, hostile::limits()).await.unwrap();
    let decided = plugin.decide(&snapshot("{}")).await.unwrap();
    assert!(decided.outcome.is_ok());
    assert_eq!(decided.cost.peak_memory, hostile::limits().memory);
}

#[tokio::test]
async fn an_attack_in_describe_or_at_the_start_fails_the_loading() {
    let engine = engine();
    let endless = "(loop $again (br $again))";
    for guest in [
        guests::Guest::idle().doing_in_describe(endless),
        guests::Guest::idle().with("(func $begin (loop $again (br $again))) (start $begin)"),
    ] {
        let error = engine.load("attacker", guest.build().unwrap(), hostile::limits()).await.unwrap_err();
        let expected = windlass::decide::DecideError::OutOfFuel { limit: hostile::limits().fuel };
        assert_eq!(error, windlass::decide::LoadError::Describe(expected));
    }
}
