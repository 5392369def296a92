//! `apply` on both sides, `diff`, `replace` and `edit`.

use crate::stage::{CONFIG_MAP, Stage};

const NARROWED: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: '9'}}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_side_apply_creates_leaves_alone_configures_and_prunes() {
    let stage = Stage::start().await;
    assert_eq!(stage.feed("apply -f -", CONFIG_MAP).await.ok(), "configmap/c created\n");
    assert_eq!(stage.feed("apply -f -", CONFIG_MAP).await.ok(), "configmap/c unchanged\n");
    stage.run("patch cm c -p {\"data\":{\"other\":\"x\"}}").await.ok();
    assert_eq!(stage.feed("apply -f -", NARROWED).await.ok(), "configmap/c configured\n");
    // What was applied and is no more is gone; what somebody else added stays.
    assert_eq!(stage.run("get cm c -o jsonpath={.data}").await.ok(), r#"{"a":"9","other":"x"}"#);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_with_prune_deletes_what_is_no_longer_in_the_files() {
    let stage = Stage::start().await;
    let labelled = |name: &str| {
        format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, labels: {{set: s}}}}}}\n---\n")
    };
    stage.feed("apply -f -", &format!("{}{}", labelled("one"), labelled("two"))).await.ok();
    let out =
        stage.feed("apply --prune -l set=s --prune-allowlist=core/v1/ConfigMap -f -", &labelled("two")).await.ok();
    assert_eq!(out, "configmap/two unchanged\nconfigmap/one pruned\n");
    assert_eq!(stage.run("get cm -l set=s -o name").await.ok(), "configmap/two\n");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_side_apply_prunes_what_its_manager_no_longer_sets() {
    let stage = Stage::start().await;
    assert_eq!(stage.feed("apply --server-side -f -", CONFIG_MAP).await.ok(), "configmap/c serverside-applied\n");
    assert_eq!(stage.feed("apply --server-side -f -", NARROWED).await.ok(), "configmap/c serverside-applied\n");
    assert_eq!(stage.run("get cm c -o jsonpath={.data}").await.ok(), r#"{"a":"9"}"#);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_of_server_side_apply_names_manager_and_field_and_can_be_forced() {
    let stage = Stage::start().await;
    stage.feed("apply --server-side -f -", CONFIG_MAP).await.ok();
    let refused = stage.feed("apply --server-side --field-manager other -f -", NARROWED).await.refused();
    assert!(
        refused.starts_with("error: Apply failed with 1 conflict: conflict with \"kubectl\": .data.a\n"),
        "{refused}"
    );
    stage.feed("apply --server-side --field-manager other --force-conflicts -f -", NARROWED).await.ok();
    assert_eq!(stage.run("get cm c -o jsonpath={.data}").await.ok(), r#"{"a":"9","b":"2"}"#);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_from_client_side_to_server_side_apply_moves_the_ownership_along() {
    let stage = Stage::start().await;
    stage.feed("apply -f -", CONFIG_MAP).await.ok();
    stage.feed("apply --server-side -f -", NARROWED).await.ok();
    // `b` was applied on the client's side and is dropped on the server's.
    assert_eq!(stage.run("get cm c -o jsonpath={.data}").await.ok(), r#"{"a":"9"}"#);
    let managers = "get cm c --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}";
    assert!(!stage.run(managers).await.ok().contains("kubectl-client-side-apply"));
    let annotation = r"jsonpath={.metadata.annotations.kubectl\.kubernetes\.io/last-applied-configuration}";
    let last = stage.exec(&["get", "cm", "c", "-o", annotation], "", &[]).await.ok();
    assert!(last.contains(r#""data":{"a":"9"}"#), "the annotation follows: {last}");
    // And back: client-side apply takes the annotation for what it applied last, and prunes by it.
    let emptied = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {z: '1'}}";
    assert_eq!(stage.feed("apply -f -", emptied).await.ok(), "configmap/c configured\n");
    assert_eq!(stage.run("get cm c -o jsonpath={.data}").await.ok(), r#"{"z":"1"}"#);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diff_ends_with_0_without_and_1_with_a_difference_and_changes_nothing() {
    let stage = Stage::start().await;
    stage.feed("apply -f -", CONFIG_MAP).await.ok();
    let same = stage.feed("diff -f -", CONFIG_MAP).await;
    assert_eq!((same.code, same.out.as_str()), (0, ""));
    let other = stage.feed("diff -f -", NARROWED).await;
    assert_eq!(other.code, 1, "{}", other.error);
    assert!(other.out.contains("-  a: \"1\"\n-  b: \"2\"\n+  a: \"9\"\n"), "{}", other.out);
    let server = stage.feed("diff --server-side --force-conflicts -f -", NARROWED).await;
    assert_eq!(server.code, 1, "{}", server.error);
    assert_eq!(stage.run("get cm c -o jsonpath={.data}").await.ok(), r#"{"a":"1","b":"2"}"#);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replace_keeps_the_object_and_replace_with_force_makes_a_new_one() {
    let stage = Stage::start().await;
    let missing = stage.feed("replace -f -", CONFIG_MAP).await.refused();
    assert_eq!(missing, "Error from server (NotFound): error when replacing \"STDIN\": configmaps \"c\" not found\n");
    stage.feed("create -f -", CONFIG_MAP).await.ok();
    let again = stage.feed("create -f -", CONFIG_MAP).await.refused();
    assert!(again.contains("(AlreadyExists)") && again.contains("configmaps \"c\" already exists"), "{again}");
    let uid = stage.run("get cm c -o jsonpath={.metadata.uid}").await.ok();
    assert_eq!(stage.feed("replace -f -", NARROWED).await.ok(), "configmap/c replaced\n");
    assert_eq!(stage.run("get cm c -o jsonpath={.metadata.uid}").await.ok(), uid);
    assert_eq!(
        stage
            .exec(&["replace", "--force", "-f", &stage.file("c.yaml", &format!("---\n{CONFIG_MAP}"))], "", &[])
            .await
            .ok(),
        "configmap \"c\" deleted\nconfigmap/c replaced\n"
    );
    assert_ne!(stage.run("get cm c -o jsonpath={.metadata.uid}").await.ok(), uid);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_is_stored_and_an_edit_that_changes_nothing_is_cancelled() {
    let stage = Stage::start().await;
    stage.feed("create -f -", CONFIG_MAP).await.ok();
    let edit = |editor: &'static str| {
        let stage = &stage;
        async move { stage.exec(&["edit", "cm", "c"], "", &[("KUBE_EDITOR", editor)]).await }
    };
    assert_eq!(edit("sed -i 's/a: .1./a: \"7\"/'").await.ok(), "configmap/c edited\n");
    assert_eq!(stage.run("get cm c -o jsonpath={.data.a}").await.ok(), "7");
    let untouched = edit("true").await;
    assert!(untouched.error.contains("Edit cancelled, no changes made."), "{untouched:?}");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_fields_are_refused_strictly_warned_about_or_ignored() {
    let stage = Stage::start().await;
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i, imag: j}], nodeNam: n}}";
    let strict = stage.feed("create --validate=strict -f -", pod).await.refused();
    assert_eq!(
        strict,
        "Error from server (BadRequest): error when creating \"STDIN\": Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"spec.containers[0].imag\", unknown field \"spec.nodeNam\"\n"
    );
    let warned = stage.feed("create --validate=warn --dry-run=server -f -", pod).await;
    assert_eq!(
        warned.error,
        "Warning: unknown field \"spec.containers[0].imag\"\nWarning: unknown field \"spec.nodeNam\"\n"
    );
    assert_eq!(warned.ok(), "pod/p created (server dry run)\n");
    let ignored = stage.feed("create --validate=ignore -f -", pod).await;
    assert_eq!((ignored.error.as_str(), ignored.out.as_str()), ("", "pod/p created\n"));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_side_dry_run_shows_the_result_and_stores_nothing() {
    let stage = Stage::start().await;
    let out =
        stage.run("create configmap x --from-literal a=b --dry-run=server -o jsonpath={.data.a}{.metadata.uid}").await;
    assert!(out.ok().len() > 30, "the object has what the server adds");
    let missing = stage.run("get cm x").await.refused();
    assert_eq!(missing, "Error from server (NotFound): configmaps \"x\" not found\n");
    stage.feed("apply -f -", CONFIG_MAP).await.ok();
    assert_eq!(
        stage.feed("apply --dry-run=server -f -", NARROWED).await.ok(),
        "configmap/c configured (server dry run)\n"
    );
    assert_eq!(stage.run("delete cm c --dry-run=server").await.ok(), "configmap \"c\" deleted (server dry run)\n");
    assert_eq!(stage.run("get cm c -o jsonpath={.data.a}").await.ok(), "1");
    stage.stop().await;
}
