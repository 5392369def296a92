//! Calls know nothing of each other (G9), decide alike (G8), and a plugin that uses up its time leaves room for others (K2).

use futures::future::join_all;
use guests::Guest;
use hostile::{endless_fuel, engine, limits, snapshot};
use windlass::decide::DecideError;

#[tokio::test]
async fn nothing_stays_in_a_plugin_between_calls() {
    // Traps if memory, a global or a table shows that there was a call before.
    let guest = Guest::idle().with("(table $kept_table 1 funcref) (func $mark) (elem declare func $mark)").doing(
        "(if (i32.load (i32.const 64)) (then unreachable))
         (if (global.get $kept) (then unreachable))
         (if (i32.eqz (ref.is_null (table.get $kept_table (i32.const 0)))) (then unreachable))
         (if (i32.ne (memory.size) (i32.const 1)) (then unreachable))
         (i32.store (i32.const 64) (i32.const 1))
         (global.set $kept (i32.const 1))
         (table.set $kept_table (i32.const 0) (ref.func $mark))
         (drop (memory.grow (i32.const 3)))",
    );
    let engine = engine();
    let first = engine.load("first", guest.build().unwrap(), limits()).await.unwrap();
    let second = engine.load("second", guest.build().unwrap(), limits()).await.unwrap();
    let snapshot = snapshot("{}");
    let calls = (0..200).map(|number| if number % 2 == 0 { first.decide(&snapshot) } else { second.decide(&snapshot) });
    for decided in join_all(calls).await {
        assert!(decided.unwrap().outcome.is_ok());
    }
}

#[tokio::test]
async fn nothing_of_one_plugin_is_in_the_memory_of_the_next() {
    let engine = engine();
    let writer = Guest::idle().pages(16).doing("(memory.fill (i32.const 65536) (i32.const 165) (i32.const 983040))");
    // Traps if any word of its fresh memory is not zero.
    let reader = Guest::idle().pages(16).doing(
        "(local.set $i (i32.const 65536))
         (loop $again
           (if (i32.load (local.get $i)) (then unreachable))
           (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 1048576))))",
    );
    let writer = engine.load("writer", writer.build().unwrap(), limits()).await.unwrap();
    let reader = engine.load("reader", reader.build().unwrap(), limits()).await.unwrap();
    for _ in 0..30 {
        assert!(writer.decide(&snapshot("{}")).await.is_ok());
        assert!(reader.decide(&snapshot("{}")).await.is_ok());
    }
}

#[tokio::test]
async fn a_plugin_has_nothing_to_decide_differently_by() {
    // All that might differ from call to call: what memory held, where the answer is, how much memory there was, bits of
    // a number that is none. The answer is made of them.
    let plugin = engine()
        .load(
            "dice",
            Guest::echo()
                .doing(
                    "(f64.store (i32.const 8) (f64.div (f64.const 0) (f64.const 0)))
             (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
             (i32.store8 (i32.const 100) (i32.const 34))
             (i32.store8 (i32.const 101) (i32.add (i32.const 65) (i32.and (i32.load8_u (i32.const 15)) (i32.const 15))))
             (i32.store8 (i32.const 102) (i32.add (i32.const 65) (i32.and (memory.size) (i32.const 15))))
             (i32.store8 (i32.const 103) (i32.add (i32.const 65) (i32.and (local.get $resource) (i32.const 15))))
             (i32.store8 (i32.const 104) (i32.const 34))
             (i32.store offset=16 (global.get $answer) (i32.const 100))
             (i32.store offset=20 (global.get $answer) (i32.const 5))",
                )
                .build()
                .unwrap(),
            limits(),
        )
        .await
        .unwrap();
    let snapshot = snapshot("{}");
    let first = plugin.decide_twice(&snapshot).await.unwrap().outcome;
    assert!(first.as_ref().unwrap().status.is_string());
    for _ in 0..20 {
        assert_eq!(plugin.decide_twice(&snapshot).await.unwrap().outcome, first);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_served_while_a_plugin_uses_up_its_time_in_every_call() {
    let engine = engine();
    let endless = Guest::idle().doing("(loop $again (br $again))").build().unwrap();
    let endless = engine.load("endless", endless, endless_fuel()).await.unwrap();
    let good = engine.load("good", Guest::idle().build().unwrap(), limits()).await.unwrap();
    // Twenty calls on two threads take three seconds.
    let hostile = tokio::spawn(async move {
        let snapshot = snapshot("{}");
        join_all((0..20).map(|_| endless.decide(&snapshot))).await
    });
    tokio::task::yield_now().await;
    for _ in 0..50 {
        assert!(good.decide(&snapshot("{}")).await.unwrap().outcome.is_ok());
    }
    assert!(!hostile.is_finished(), "the good plugin had to wait for the hostile one");
    for decided in hostile.await.unwrap() {
        assert_eq!(decided.unwrap_err(), DecideError::TimeLimit { limit: limits().wall });
    }
}

#[tokio::test]
async fn a_call_outlives_the_plugin_and_the_engine_that_it_was_made_of() {
    let engine = engine();
    let plugin = engine.load("plugin", Guest::idle().build().unwrap(), limits()).await.unwrap();
    let call = tokio::spawn({
        let plugin = plugin.clone();
        async move { plugin.decide(&snapshot("{}")).await }
    });
    drop((engine, plugin));
    assert!(call.await.unwrap().unwrap().outcome.is_ok());
}
