//! A host that was started without the plugin of a kind that it served before.

use crate::{items::*, world::*};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use windlass::{
    clock::SetClock,
    decide::Compiler,
    run::{self, RunConfig},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_a_deleted_resource_without_a_plugin_is_torn_down_and_others_are_left_alone() {
    let world = World::start(counted).await;
    let definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.test.dev";
    let marked = json!({"metadata": {"annotations": {"windlass.dev/definition-digest": "of an earlier host"}}});
    world.patch(definition, marked).await;
    for name in ["a", "b"] {
        world.create_widget(name, json!({"count": 2})).await;
        world.settle(name).await;
    }
    let untouched = world.widget("b").await.unwrap();
    world.host.stop.cancel();

    let clock = Arc::new(SetClock::new(1_700_000_000_000));
    let config = RunConfig { clock: clock.clone(), ..RunConfig::new(Compiler::InProcess) };
    let stop = CancellationToken::new();
    let host = tokio::spawn(run::run(config, world.user.clone(), stop.clone()));
    world.delete(&widget_path("a")).await;
    until(&world, |widget| widget.is_some_and(|widget| widget.to_string().contains("TeardownByInventory"))).await;
    assert!(world.get(&config_path("a-0")).await.is_some(), "it is told before it is done");
    clock.set(1_700_000_000_000 + 60_000);
    // Somebody looks at it, which spares the test the wait.
    request(&world.user, "PATCH", &widget_path("a"), Some(json!({"metadata": {"labels": {"seen": "yes"}}}))).await;
    until(&world, |widget| widget.is_none()).await;
    assert!(world.get(&config_path("a-0")).await.is_none());
    assert_eq!(world.widget("b").await.unwrap(), untouched);
    stop.cancel();
    host.await.unwrap().unwrap();
}

async fn until(world: &World, holds: impl Fn(Option<Value>) -> bool) {
    for _ in 0..2000 {
        if holds(world.widget("a").await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come true within 20 s: {:?}", world.widget("a").await);
}
