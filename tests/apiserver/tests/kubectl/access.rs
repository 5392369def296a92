//! `auth can-i`, roles and bindings, tokens and impersonation.

use crate::stage::{Stage, words};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_account_may_do_is_what_its_roles_say() {
    let stage = Stage::start().await;
    assert_eq!(stage.run("create serviceaccount bob").await.ok(), "serviceaccount/bob created\n");
    assert_eq!(
        stage.run("create role reader --verb get,list --resource pods").await.ok(),
        "role.rbac.authorization.k8s.io/reader created\n"
    );
    assert_eq!(
        stage.run("create rolebinding bob --role reader --serviceaccount t:bob").await.ok(),
        "rolebinding.rbac.authorization.k8s.io/bob created\n"
    );
    let bob = "--as system:serviceaccount:t:bob";
    assert_eq!(stage.run(&format!("auth can-i list pods {bob}")).await.ok(), "yes\n");
    let no = stage.run(&format!("auth can-i delete pods {bob}")).await;
    assert_eq!((no.code, no.out.as_str()), (1, "no\n"));
    assert_eq!(stage.run(&format!("auth can-i list pods -n default {bob}")).await.out, "no\n");
    let list = stage.run(&format!("auth can-i --list {bob}")).await.ok();
    assert!(words(&list).contains(&vec!["pods", "[]", "[]", "[get", "list]"]), "{list}");
    assert_eq!(stage.run(&format!("get pods {bob}")).await.code, 0);
    assert_eq!(
        stage.run(&format!("get secrets {bob}")).await.refused(),
        "Error from server (Forbidden): secrets is forbidden: User \"system:serviceaccount:t:bob\" cannot list resource \"secrets\" in API group \"\" in the namespace \"t\"\n"
    );
    assert_eq!(stage.run("auth can-i * *").await.ok(), "yes\n", "the administrator may do everything");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_created_for_an_account_that_exists() {
    // kubectl sends no tokens over plain HTTP: what a token is worth is asked in the conformance tests.
    let stage = Stage::start().await;
    stage.run("create serviceaccount bob").await.ok();
    let token = stage.run("create token bob --duration=1h").await.ok();
    assert_eq!(token.trim().split('.').count(), 3, "{token}");
    let missing = stage.run("create token none").await.refused();
    assert_eq!(missing, "error: failed to create token: serviceaccounts \"none\" not found\n");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_one_is_is_told() {
    let stage = Stage::start().await;
    let admin = stage.run("auth whoami").await.ok();
    assert!(admin.contains("[system:masters system:authenticated]"), "{admin}");
    let eve = stage.run("auth whoami --as eve --as-group g -o jsonpath={.status.userInfo.groups}").await.ok();
    assert_eq!(eve, r#"["g","system:authenticated"]"#);
    stage.stop().await;
}
