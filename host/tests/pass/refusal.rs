//! What the check refuses, and what is not ours.

use crate::{items::*, world::*};
use model::{Body, Decision, Fault, Kind, description::RelatedQuery, grant::WriteVerb};
use serde_json::json;
use std::sync::atomic::Ordering;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_a_foreign_object_of_that_name_is_not_touched() {
    let world = World::start(counted).await;
    let foreign =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a-0"}, "data": {"k": "theirs"}});
    request(&world.user, "POST", "/api/v1/namespaces/default/configmaps", Some(foreign)).await;
    let kind = model::Kind::new("", "v1", "ConfigMap");
    let at = model::ObjectKey { kind, namespace: Some("default".into()), name: "a-0".into() };
    world.until(|| world.host.context.cache.get(&at).is_some()).await;
    let before = world.get(&config_path("a-0")).await.unwrap();
    world.create_widget("a", json!({"count": 2})).await;
    world.settle("a").await;
    assert_eq!(world.get(&config_path("a-0")).await.unwrap(), before);
    let (status, reason, message) = world.reconciled("a").await;
    assert_eq!((status.as_str(), reason.as_str()), ("False", "NameCollision"));
    assert!(message.contains("a-0"), "{message}");
    assert!(world.get(&config_path("a-1")).await.is_none(), "nothing of a refused decision is done");
    let events = world.events().await;
    assert_eq!(events.iter().filter(|(kind, reason, _)| kind == "Warning" && reason == "NameCollision").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_a_foreign_object_that_the_cache_has_not_seen_is_not_touched() {
    let world = World::start(counted).await;
    world.create_widget("a", json!({"count": 1})).await;
    // Between the look and the write: the host's view ends before the foreign object appears.
    world.host.context.watches.retain(|kind| kind.kind == "Widget");
    let foreign = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a-0"}, "data": {"value": "x"}});
    request(&world.user, "POST", "/api/v1/namespaces/default/configmaps", Some(foreign)).await;
    let before = world.get(&config_path("a-0")).await.unwrap();
    let resource = world.host.context.actor.discovery.resolve(&model::Kind::new("", "v1", "ConfigMap")).await.unwrap();
    let key = model::ObjectKey {
        kind: model::Kind::new("", "v1", "ConfigMap"),
        namespace: Some("default".into()),
        name: "a-0".into(),
    };
    let target = windlass::act::kubernetes::Target { key: &key, resource: &resource.unwrap() };
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a-0"}, "data": {"value": "x"}});
    let failure = world.host.context.actor.writer.create(target, &body).await.unwrap_err();
    assert_eq!(failure, windlass::act::kubernetes::Failure::AlreadyExists);
    assert_eq!(world.get(&config_path("a-0")).await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_a_resource_goes_on_as_soon_as_what_is_in_its_way_is_gone() {
    let world = World::start(counted).await;
    let foreign = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a-0"}, "data": {"k": "v"}});
    request(&world.user, "POST", "/api/v1/namespaces/default/configmaps", Some(foreign)).await;
    world.create_widget("a", json!({"count": 1})).await;
    world.settle("a").await;
    assert_eq!(world.reconciled("a").await.1, "NameCollision");
    let in_the_way = model::ObjectKey {
        kind: model::Kind::new("", "v1", "ConfigMap"),
        namespace: Some("default".into()),
        name: "a-0".into(),
    };
    let context = &world.host.context;
    let change = windlass::watch::Change { old: context.cache.get(&in_the_way), new: None, first: false };
    let concerned = context.trigger.keys(&change);
    assert_eq!(concerned, [(key("a"), windlass::watch::Cause::Change)]);
    world.delete(&config_path("a-0")).await;
    world.until(|| context.cache.get(&in_the_way).is_none()).await;
    world.settle("a").await;
    assert_eq!(world.reconciled("a").await.0, "True");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g4_a_kind_that_is_not_granted_is_refused_as_a_whole() {
    let world = World::start(|snapshot| {
        let mut decision = counted(snapshot)?;
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}});
        decision.items.push(item("role", Body::Kubernetes(role)));
        Ok(decision)
    })
    .await;
    world.create_widget("a", json!({"count": 1})).await;
    world.settle("a").await;
    assert_eq!(world.reconciled("a").await.0, "False");
    assert!(world.reconciled("a").await.2.contains("role"));
    assert!(world.get(&config_path("a-0")).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_an_empty_desired_set_deletes_nothing() {
    let world = World::start(counted).await;
    world.create_widget("a", json!({"count": 3})).await;
    world.settle("a").await;
    world.decides(|_| Ok(Decision::default()));
    world.patch(&widget_path("a"), json!({"spec": {"count": 2}})).await;
    world.settle("a").await;
    for n in 0..3 {
        assert!(world.get(&config_path(&format!("a-{n}"))).await.is_some());
    }
    assert_eq!(world.reconciled("a").await.0, "False");
}

/// A plugin that must see ConfigMaps of this namespace and these names before it decides.
fn needing(
    namespace: &str,
    names: &[&str],
) -> impl Fn(&model::Snapshot) -> Result<Decision, Fault> + Send + Sync + 'static {
    let query = RelatedQuery {
        name: "wanted".into(),
        kind: Kind::new("", "v1", "ConfigMap"),
        namespace: Some(namespace.into()),
        label_selector: None,
        names: names.iter().map(|name| (*name).into()).collect(),
    };
    move |snapshot| match snapshot.related.iter().find(|answer| answer.name == "wanted") {
        None => Err(Fault::Needs(vec![query.clone()])),
        Some(_) => Ok(Decision { items: vec![config("made", "x")], ..Decision::default() }),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_must_see_beyond_its_grants_is_refused_by_query_and_rule() {
    let world = World::start(needing("kube-system", &[])).await;
    world.create_widget("a", json!({})).await;
    world.settle("a").await;
    let (status, reason, message) = world.reconciled("a").await;
    assert_eq!((status.as_str(), reason.as_str()), ("False", "ReadNotGranted"));
    assert!(message.contains("item wanted: ConfigMap in namespace kube-system is not granted"), "{message}");
    let events = world.events().await;
    assert!(events.iter().any(|(kind, reason, _)| kind == "Warning" && reason == "ReadNotGranted"), "{events:?}");
    // Granted while the host runs.
    world.grants(|grants| grants.reads.iter_mut().for_each(|read| read.namespaces = vec!["kube-system".into()]));
    world.settle("a").await;
    assert_eq!(world.reconciled("a").await.0, "True");
    assert!(world.get(&config_path("made")).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_of_names_shows_no_other_object() {
    let world = World::start(needing("default", &["other"])).await;
    let narrow = |world: &World, name: &str| {
        world.grants(|grants| grants.reads.iter_mut().for_each(|read| read.names = vec![name.into()]));
    };
    narrow(&world, "mine");
    world.create_widget("a", json!({})).await;
    world.settle("a").await;
    assert_eq!(world.reconciled("a").await.1, "ReadNotGranted");
    narrow(&world, "other");
    world.settle("a").await;
    assert_eq!(world.reconciled("a").await.0, "True");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_outside_of_the_granted_namespaces_is_not_shown_to_the_plugin() {
    let world = World::start(counted).await;
    world.grants(|grants| grants.namespaces = vec!["shop".into()]);
    world.create_widget("a", json!({})).await;
    world.settle("a").await;
    assert_eq!(world.reconciled("a").await.1, "NamespaceNotGranted");
    assert_eq!(world.host.plugin.calls.load(Ordering::Relaxed), 0);
    world.grants(|grants| grants.namespaces = vec!["shop".into(), "default".into()]);
    world.settle("a").await;
    assert_eq!(world.reconciled("a").await.0, "True");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_that_is_not_granted_refuses_the_decision_and_not_what_was_done_before() {
    let world = World::start(counted).await;
    world.grants(|grants| grants.writes[0].verbs = vec![WriteVerb::Create]);
    world.create_widget("a", json!({"count": 1})).await;
    world.settle("a").await;
    assert_eq!(world.reconciled("a").await.0, "True");
    world.patch(&config_path("a-0"), json!({"data": {"value": "theirs"}})).await;
    let at = model::ObjectKey {
        kind: Kind::new("", "v1", "ConfigMap"),
        namespace: Some("default".into()),
        name: "a-0".into(),
    };
    world.until(|| world.host.context.cache.get(&at).is_some_and(|seen| seen.json.contains("theirs"))).await;
    world.settle("a").await;
    let (_, reason, message) = world.reconciled("a").await;
    assert_eq!(reason, "NotGranted");
    assert!(message.contains("item a-0") && message.contains("to patch ConfigMap"), "{message}");
    assert_eq!(world.get(&config_path("a-0")).await.unwrap()["data"]["value"], "theirs");
}
