//! Generators of objects, and what becomes of workloads: `create`, `run`, `expose`, `set image`, `rollout`.

use crate::stage::{DEPLOYMENT, Stage, words};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn config_maps_and_secrets_are_created_from_literals_and_files() {
    let stage = Stage::start().await;
    let file = stage.file("key.txt", "content\n");
    assert_eq!(
        stage.run(&format!("create configmap c --from-literal a=b --from-file {file}")).await.ok(),
        "configmap/c created\n"
    );
    assert_eq!(stage.run("get cm c -o jsonpath={.data}").await.ok(), r#"{"a":"b","key.txt":"content\n"}"#);
    assert_eq!(stage.run("create secret generic s --from-literal a=hello").await.ok(), "secret/s created\n");
    assert_eq!(stage.run("get secret s -o jsonpath={.type}:{.data.a}").await.ok(), "Opaque:aGVsbG8=");
    assert!(stage.run("describe secret s").await.ok().contains("a:  5 bytes"));
    assert_eq!(words(&stage.run("get secret s").await.ok())[1][..3], ["s", "Opaque", "1"]);
    let tls = stage.run("create secret docker-registry r --docker-username u --docker-password p").await;
    assert_eq!(tls.ok(), "secret/r created\n");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_created_from_a_cron_job_and_completes() {
    let stage = Stage::start().await;
    let cron =
        stage.exec(&["create", "cronjob", "cj", "--image", "i", "--schedule", "0 5 * * *", "--", "date"], "", &[]);
    assert_eq!(cron.await.ok(), "cronjob.batch/cj created\n");
    assert_eq!(stage.run("create job once --from=cronjob/cj").await.ok(), "job.batch/once created\n");
    stage.run("wait job/once --for condition=Complete --timeout=60s").await.ok();
    let jobs = stage.run("get job once").await.ok();
    assert_eq!(words(&jobs)[1][..3], ["once", "Complete", "1/1"]);
    let owner = "get job once -o jsonpath={.metadata.ownerReferences[0].kind}/{.metadata.ownerReferences[0].name}";
    assert_eq!(stage.run(owner).await.ok(), "CronJob/cj");
    assert_eq!(
        stage.run(r"get job once -o jsonpath={.metadata.annotations.cronjob\.kubernetes\.io/instantiate}").await.ok(),
        "manual"
    );
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_kinds_of_every_group_are_created() {
    let stage = Stage::start().await;
    for (arguments, said) in [
        ("create quota q --hard=pods=5,requests.cpu=2", "resourcequota/q created\n"),
        ("create poddisruptionbudget b --selector app=x --min-available 50%", "poddisruptionbudget.policy/b created\n"),
        ("create ingress i --rule=a.example.com/c*=web:80", "ingress.networking.k8s.io/i created\n"),
        ("create clusterrole cr --verb get --resource nodes", "clusterrole.rbac.authorization.k8s.io/cr created\n"),
        (
            "create clusterrolebinding crb --clusterrole cr --user eve",
            "clusterrolebinding.rbac.authorization.k8s.io/crb created\n",
        ),
        ("create priorityclass high --value 3", "priorityclass.scheduling.k8s.io/high created\n"),
        ("create deployment d --image i --replicas 0", "deployment.apps/d created\n"),
        ("create service nodeport np --tcp 80:8080", "service/np created\n"),
    ] {
        let out = stage.run(arguments).await;
        assert_eq!((out.error.as_str(), out.out.as_str()), ("", said), "{arguments}");
    }
    let path = stage.run("get ingress i -o jsonpath={.spec.rules[0].http.paths[0].path}").await.ok();
    assert_eq!(path, "/c");
    let hard = stage.run("get quota q -o jsonpath={.spec.hard}").await.ok();
    assert_eq!(hard, r#"{"pods":"5","requests.cpu":"2"}"#);
    assert_eq!(stage.run("get pdb b -o jsonpath={.spec.minAvailable}").await.ok(), "50%");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_is_run_and_exposed() {
    let stage = Stage::start().await;
    assert_eq!(stage.run("run p --image nginx --port 8080 --labels app=p").await.ok(), "pod/p created\n");
    stage.run("wait pod/p --for condition=Ready --timeout=60s").await.ok();
    assert_eq!(stage.run("expose pod p --port 80 --target-port 8080").await.ok(), "service/p exposed\n");
    let address = stage.run("get pod p -o jsonpath={.status.podIP}").await.ok();
    stage
        .run(&format!("wait endpoints/p --for jsonpath={{.subsets[0].addresses[0].ip}}={address} --timeout=60s"))
        .await
        .ok();
    let service = stage.run("get svc p").await.ok();
    assert_eq!(words(&service)[0], ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]);
    assert_eq!((words(&service)[1][1], words(&service)[1][4]), ("ClusterIP", "80/TCP"));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_goes_on_restarts_and_goes_back() {
    let stage = Stage::start().await;
    stage.feed("apply -f -", DEPLOYMENT).await.ok();
    let done = "deployment \"web\" successfully rolled out\n";
    assert!(stage.run("rollout status deploy/web --timeout=60s").await.ok().ends_with(done));
    assert_eq!(stage.run("set image deploy/web c=nginx:2").await.ok(), "deployment.apps/web image updated\n");
    assert!(stage.run("rollout status deploy/web --timeout=60s").await.ok().ends_with(done));
    assert_eq!(stage.run("rollout restart deploy/web").await.ok(), "deployment.apps/web restarted\n");
    assert!(stage.run("rollout status deploy/web --timeout=60s").await.ok().ends_with(done));
    let history = stage.run("rollout history deploy/web").await.ok();
    assert!(
        history.contains("REVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n3         <none>\n"),
        "{history}"
    );
    assert_eq!(stage.run("rollout undo deploy/web --to-revision=1").await.ok(), "deployment.apps/web rolled back\n");
    assert!(stage.run("rollout status deploy/web --timeout=60s").await.ok().ends_with(done));
    let image = stage.run("get deploy web -o jsonpath={.spec.template.spec.containers[0].image}").await.ok();
    assert_eq!(image, "nginx:1");
    let revision = r"get deploy web -o jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}";
    assert_eq!(stage.run(revision).await.ok(), "4", "what is gone back to is the newest revision");
    stage.stop().await;
}
