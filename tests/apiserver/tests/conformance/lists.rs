//! Pages, versions and watches.

use crate::stage::{MAPS, Stage, kinds, one, version};
use serde_json::{Value, json};

#[tokio::test]
async fn pages_show_one_snapshot_whatever_is_written_meanwhile() {
    let stage = Stage::start().await;
    for name in ["a", "b", "c"] {
        stage.map(name).await;
    }
    let (_, first) = stage.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    stage.delete(&one("c"), Value::Null).await;
    stage.map("d").await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = stage.get(&format!("{MAPS}?limit=2&continue={token}")).await;
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
    assert_eq!(second["items"][0]["metadata"]["name"], "c");
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    stage.server.stop().await;
}

#[tokio::test]
async fn an_expired_page_is_gone_and_its_token_goes_on_inconsistently() {
    let stage = Stage::start().await;
    for name in ["a", "b"] {
        stage.map(name).await;
    }
    let (_, first) = stage.get(&format!("{MAPS}?limit=1")).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    stage.map("c").await;
    stage.server.store().compact(None);
    let (code, status) = stage.get(&format!("{MAPS}?limit=1&continue={token}")).await;
    assert_eq!((code, &status["reason"]), (410, &json!("Expired")));
    let token = status["metadata"]["continue"].as_str().unwrap();
    let (_, rest) = stage.get(&format!("{MAPS}?continue={token}")).await;
    let names: Vec<_> = rest["items"].as_array().unwrap().iter().map(|i| i["metadata"]["name"].clone()).collect();
    assert_eq!(names, [json!("b"), json!("c")]);
    stage.server.stop().await;
}

#[tokio::test]
async fn combinations_of_version_and_match_are_checked() {
    let stage = Stage::start().await;
    let a = stage.map("a").await;
    stage.map("b").await;
    let at = version(&a);
    let exact = format!("resourceVersionMatch=Exact&resourceVersion={at}");
    let (_, list) = stage.get(&format!("{MAPS}?{exact}")).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "as it was then");
    let (_, list) = stage.get(&format!("{MAPS}?resourceVersionMatch=NotOlderThan&resourceVersion={at}")).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2, "as it is now");
    for query in [
        "resourceVersionMatch=Exact",
        "resourceVersionMatch=Exact&resourceVersion=0",
        "resourceVersionMatch=Odd&resourceVersion=1",
        "resourceVersionMatch=NotOlderThan&resourceVersion=1&continue=x",
        "sendInitialEvents=true",
    ] {
        let (code, status) = stage.get(&format!("{MAPS}?{query}")).await;
        assert_eq!((code, &status["reason"]), (422, &json!("Invalid")), "{query}: {status}");
    }
    let reply =
        stage.try_send("GET", &format!("{MAPS}?resourceVersion=999999"), "application/json", &Value::Null).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (504, "1"));
    assert_eq!(reply.json()["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    stage.server.store().compact(None);
    stage.map("c").await;
    assert_eq!(stage.get(&format!("{MAPS}?{exact}")).await.0, 410);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_watch_begins_after_its_version_and_a_deletion_has_the_latest() {
    let stage = Stage::start().await;
    let a = stage.map("a").await;
    stage.merge(&one("a"), json!({"data": {"k": "w"}})).await;
    stage.delete(&one("a"), Value::Null).await;
    let events = stage.watch(&format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={}", version(&a))).await;
    assert_eq!(kinds(&events), [("MODIFIED", "a"), ("DELETED", "a")]);
    let number = |i: usize| version(&events[i]["object"]).parse::<u64>().unwrap();
    assert!(number(1) > number(0));
    stage.server.stop().await;
}

#[tokio::test]
async fn a_watch_from_a_version_that_is_gone_is_told_so() {
    let stage = Stage::start().await;
    let a = stage.map("a").await;
    stage.map("b").await;
    stage.server.store().compact(None);
    let reply = stage
        .try_send("GET", &format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={}", version(&a)), "", &Value::Null)
        .await
        .unwrap();
    let code = if reply.status == 200 { reply.lines()[0]["object"]["code"].clone() } else { json!(reply.status) };
    assert_eq!(code, 410);
    stage.server.stop().await;
}

#[tokio::test]
async fn an_object_that_comes_into_the_selection_is_added_and_one_that_leaves_it_deleted() {
    let stage = Stage::start().await;
    let a = stage.map("a").await;
    for labels in [json!({"l": "1"}), json!({"l": "2"}), json!({"l": null})] {
        stage.merge(&one("a"), json!({"metadata": {"labels": labels}})).await;
    }
    let path = format!("{MAPS}?watch=1&timeoutSeconds=1&labelSelector=l&resourceVersion={}", version(&a));
    assert_eq!(kinds(&stage.watch(&path).await), [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]);
    stage.server.stop().await;
}
