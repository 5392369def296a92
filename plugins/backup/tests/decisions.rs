//! What is decided for a Backup in which situation, one sentence each.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

use backup::BackupPlugin;
use proptest::prelude::*;
use windlass_sdk::testing::SnapshotOf;
use windlass_sdk::{Condition, Decision, Fault, Item, RemovalPolicy, Truth, Value, entry, json};

/// The example that users are shown, as the API server would hand it out.
fn resource() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds/examples/backup.yaml");
    let mut resource: Value = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    resource["metadata"]["namespace"] = json!("default");
    resource["metadata"]["uid"] = json!("5f1c0c3e-0000-4000-8000-000000000002");
    resource
}

fn with(spec: Value) -> Value {
    let mut changed = resource();
    for (key, value) in spec.as_object().unwrap() {
        changed["spec"][key] = value.clone();
    }
    changed
}

/// A MySQL that has reported where to connect.
fn database() -> Value {
    json!({ "metadata": { "name": "prod-db" }, "status": {
        "endpoints": {
            "primary": "prod-db-primary.default.svc:3306", "replica": "prod-db-replica.default.svc:3306",
        },
        "selector": "app.kubernetes.io/name=mysql,app.kubernetes.io/instance=prod-db",
        "backupSecret": "prod-db-backup",
    } })
}

/// The pods of that MySQL; one has no address yet.
fn servers() -> [Value; 3] {
    [
        json!({ "status": { "podIP": "10.0.0.9" } }),
        json!({ "status": {} }),
        json!({ "status": { "podIP": "10.0.0.2" } }),
    ]
}

fn seen(resource: &Value) -> SnapshotOf {
    with_jobs(resource, &[], &[])
}

fn with_jobs(resource: &Value, jobs: &[Value], pods: &[Value]) -> SnapshotOf {
    let snapshot = SnapshotOf::resource(resource).related("source", &[database()]).related("servers", &servers());
    snapshot.related("jobs", jobs).related("pods", pods)
}

fn decide(snapshot: SnapshotOf) -> Decision {
    entry::decide::<BackupPlugin>(snapshot.build()).unwrap()
}

fn item(decision: &Decision, id: &str) -> Option<Value> {
    decision.items.iter().find(|item| item.id == id).and_then(Item::manifest)
}

fn condition<'a>(decision: &'a Decision, type_: &str) -> &'a Condition {
    decision.conditions.iter().find(|c| c.type_ == type_).unwrap()
}

fn status(decision: &Decision) -> Value {
    serde_json::from_str(&decision.status).unwrap()
}

fn errors(resource: &Value) -> Vec<String> {
    match entry::decide::<BackupPlugin>(seen(resource).build()) {
        Err(Fault::Invalid(errors)) => errors.iter().map(|e| format!("{}: {}", e.path, e.message)).collect(),
        other => panic!("{other:?}"),
    }
}

fn needs(snapshot: SnapshotOf) -> Vec<(String, Option<String>)> {
    match entry::decide::<BackupPlugin>(snapshot.build()) {
        Err(Fault::Needs(queries)) => queries.into_iter().map(|query| (query.name, query.label_selector)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_database_its_servers_and_the_jobs_are_asked_for_before_anything_is_decided() {
    let own = Some("backup.windlass.dev/backup=prod-db-weekly".to_string());
    let first = [("source".to_string(), None), ("jobs".to_string(), own.clone()), ("pods".to_string(), own)];
    assert_eq!(needs(SnapshotOf::resource(&resource())), first);
    // The servers are asked for by the words of the database itself.
    let second = needs(SnapshotOf::resource(&resource()).related("source", &[database()]));
    assert_eq!(second[..3], first);
    let selector = "app.kubernetes.io/name=mysql,app.kubernetes.io/instance=prod-db".to_string();
    assert_eq!(second[3..], [("servers".to_string(), Some(selector))]);
}

#[test]
fn every_server_is_named_by_its_address_and_the_services_come_last() {
    let args = |snapshot: SnapshotOf| {
        let cron_job = item(&decide(snapshot), "cronjob").unwrap();
        let args = cron_job.pointer("/spec/jobTemplate/spec/template/spec/containers/0/args").unwrap().clone();
        let args: Vec<String> = serde_json::from_value(args).unwrap();
        args.iter().filter_map(|arg| arg.strip_prefix("--source-host=").map(str::to_string)).collect::<Vec<_>>()
    };
    let services = ["prod-db-replica.default.svc", "prod-db-primary.default.svc"];
    assert_eq!(args(seen(&resource())), [&["10.0.0.2", "10.0.0.9"], &services[..]].concat());
    // Pods that may not be seen leave the Services.
    let unseen = SnapshotOf::resource(&resource()).related("source", &[database()]);
    assert_eq!(args(unseen.unanswered("servers", "forbidden")), services);
}

#[test]
fn two_backups_on_one_claim_have_a_folder_each() {
    let destination = |name: &str| {
        let mut named = with(json!({ "storage": { "claimName": "mine" } }));
        named["metadata"]["name"] = json!(name);
        let cron_job = item(&decide(seen(&named)), "cronjob").unwrap().to_string();
        cron_job.split("--destination=").nth(1).unwrap().split('"').next().unwrap().to_string()
    };
    assert_eq!((destination("a"), destination("b")), ("/backups/a".to_string(), "/backups/b".to_string()));
}

#[test]
fn a_backup_becomes_a_claim_and_a_cronjob_that_waits_for_it() {
    let decision = decide(seen(&resource()));
    let cron_job = item(&decision, "cronjob").unwrap();
    assert_eq!(cron_job["spec"]["schedule"], "0 4 * * 0");
    assert_eq!(cron_job["spec"]["timeZone"], "Europe/Berlin");
    assert_eq!(cron_job["spec"]["concurrencyPolicy"], "Forbid");
    assert_eq!(cron_job["spec"]["suspend"], false);
    assert_eq!(cron_job["spec"]["startingDeadlineSeconds"], 1800);
    assert_eq!(cron_job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"], 7200);
    assert_eq!(decision.items[1].after, ["claim"]);
    let claim = item(&decision, "claim").unwrap();
    let pod = &cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"][1]["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"]);
    let args: Vec<String> = serde_json::from_value(pod["containers"][0]["args"].clone()).unwrap();
    assert_eq!(args[0], "backup");
    assert!(args.contains(&"--destination=/backups/prod-db-weekly".to_string()), "{args:?}");
    assert!(args.contains(&"--keep-count=8".to_string()) && args.contains(&"--keep-days=90".to_string()), "{args:?}");
}

#[test]
fn credentials_are_files_and_never_words_of_a_command_line() {
    let text = item(&decide(seen(&resource())), "cronjob").unwrap().to_string();
    assert!(text.contains("--password-file=/run/windlass/source/password") && !text.contains("--password="), "{text}");
    assert!(text.contains(r#""secretName":"prod-db-backup""#) && !text.contains("secretKeyRef"), "{text}");
}

#[test]
fn the_image_is_the_operators_setting() {
    let image = |settings: Value| {
        let cron_job = item(&decide(seen(&resource()).settings(&settings)), "cronjob").unwrap();
        cron_job.pointer("/spec/jobTemplate/spec/template/spec/containers/0/image").unwrap().clone()
    };
    assert_eq!(image(json!({ "image": "registry.example.com/windlass:2" })), "registry.example.com/windlass:2");
    assert!(image(json!({})).as_str().unwrap().starts_with("windlass:"));
    assert!(entry::validate_settings::<BackupPlugin>(r#"{"image":1}"#).is_err());
    assert!(entry::validate_settings::<BackupPlugin>(r#"{"imgae":"a"}"#).is_err());
    assert!(entry::validate_settings::<BackupPlugin>("{}").is_ok());
}

#[test]
fn without_its_database_a_backup_waits_and_keeps_what_it_has() {
    let missing = |resource: &Value| SnapshotOf::resource(resource).related("source", &[]).related("jobs", &[]);
    let first = decide(missing(&resource()));
    assert!(item(&first, "cronjob").is_none() && item(&first, "claim").is_some());
    assert_eq!(condition(&first, "Ready").reason, "SourceMissing");

    let mut known = resource();
    known["status"] = status(&decide(seen(&resource())));
    let later = decide(missing(&known));
    assert_eq!(item(&later, "cronjob").unwrap()["spec"]["suspend"], true);
}

#[test]
fn a_database_that_cannot_be_seen_is_not_taken_for_gone() {
    let unseen = |resource: &Value| SnapshotOf::resource(resource).unanswered("source", "forbidden").build();
    let first = entry::decide::<BackupPlugin>(unseen(&resource()));
    assert!(matches!(&first, Err(Fault::Retry(why)) if why.contains("forbidden")), "{first:?}");

    let mut known = resource();
    known["status"] = status(&decide(seen(&resource())));
    let later = entry::decide::<BackupPlugin>(unseen(&known)).unwrap();
    assert_eq!(item(&later, "cronjob").unwrap()["spec"]["suspend"], false);
}

#[test]
fn a_database_that_has_not_reported_yet_is_waited_for() {
    let silent = json!({ "metadata": { "name": "prod-db" } });
    let decision = decide(SnapshotOf::resource(&resource()).related("source", &[silent]));
    assert_eq!(condition(&decision, "Ready").reason, "SourceNotReady");
    assert!(item(&decision, "cronjob").is_none());
}

#[test]
fn what_became_of_backups_is_reported() {
    let cron_job = json!({ "status": {
        "lastScheduleTime": "2026-01-02T04:00:00Z", "lastSuccessfulTime": "2026-01-01T04:05:00Z", "active": [{}],
    } });
    let job = |name: &str, time: &str, state: &str| {
        json!({ "metadata": { "name": name }, "status": {
            "startTime": time, "conditions": [{ "type": state, "status": "True", "message": "deadline exceeded" }],
        } })
    };
    let jobs = [job("a", "2026-01-01T04:00:00Z", "Complete"), job("b", "2026-01-02T04:00:00Z", "Failed")];
    let snapshot = |jobs: &[Value]| with_jobs(&resource(), jobs, &[]).found("cronjob", &cron_job, true);
    let failed = decide(snapshot(&jobs));
    assert_eq!(status(&failed)["lastFailure"]["job"], "b");
    assert_eq!(status(&failed)["active"], 1);
    assert_eq!(condition(&failed, "Ready").reason, "LastBackupFailed");
    assert_eq!(
        failed.events.iter().map(|e| e.reason.as_str()).collect::<Vec<_>>(),
        ["BackupSucceeded", "BackupFailed"]
    );

    let good = decide(snapshot(&jobs[..1]));
    assert_eq!(condition(&good, "Ready").reason, "Scheduled");
    assert_eq!(condition(&good, "LastBackupSucceeded").status, Truth::Yes);
    let mut told = resource();
    told["status"] = status(&good);
    let again = with_jobs(&told, &jobs[..1], &[]);
    assert_eq!(decide(again.found("cronjob", &cron_job, true)).events, Vec::new());
}

#[test]
fn what_the_pods_of_backups_say_is_in_the_status() {
    let pod = |job: &str, time: &str, message: &str| {
        json!({ "metadata": { "labels": { "batch.kubernetes.io/job-name": job } }, "status": { "containerStatuses": [
            { "state": { "terminated": { "finishedAt": time, "message": message } } },
        ] } })
    };
    let good = r#"{"backup":"20260101T040000Z-00000001","finishedAt":"2026-01-01T04:05:00Z","size":7,
        "server":"10.0.0.2:3306","role":"replica","gtidSet":"a:1-5","warning":null,"plainSize":9}"#;
    let jobs = [
        json!({ "metadata": { "name": "by-hand" }, "status": {
            "startTime": "2026-01-01T04:00:00Z", "completionTime": "2026-01-01T04:05:01Z",
            "conditions": [{ "type": "Complete", "status": "True" }],
        } }),
        json!({ "metadata": { "name": "nightly" }, "status": {
            "startTime": "2026-01-02T04:00:00Z",
            "conditions": [{ "type": "Failed", "status": "True", "message": "BackoffLimitExceeded" }],
        } }),
    ];
    let pods = [
        pod("nightly", "2026-01-02T04:00:09Z", r#"{"error":"no server can be backed up: refused"}"#),
        pod("by-hand", "2026-01-01T04:05:00Z", good),
        pod("nightly", "2026-01-02T04:00:03Z", "not JSON"),
    ];
    let told = status(&decide(with_jobs(&resource(), &jobs, &pods)));
    assert_eq!(told["lastSuccessTime"], "2026-01-01T04:05:01Z");
    assert_eq!(told["lastBackup"]["name"], "20260101T040000Z-00000001");
    assert_eq!((&told["lastBackup"]["size"], &told["lastBackup"]["gtidSet"]), (&json!(7), &json!("a:1-5")));
    assert_eq!(told["lastFailure"]["message"], "no server can be backed up: refused");

    // Pods and Jobs are removed after a while; what they said stays true.
    let mut known = resource();
    known["status"] = told.clone();
    let later = status(&decide(seen(&known)));
    assert_eq!((&later["lastBackup"], &later["lastSuccessTime"]), (&told["lastBackup"], &told["lastSuccessTime"]));
}

#[test]
fn backups_outlive_their_resource_unless_asked_otherwise() {
    let removal = |storage: Value| {
        let decision = decide(seen(&with(json!({ "storage": storage }))));
        decision.items.iter().find(|item| item.id == "claim").map(|item| item.removal)
    };
    assert_eq!(removal(json!({})), Some(RemovalPolicy::Keep));
    assert_eq!(removal(json!({ "whenDeleted": "Delete" })), Some(RemovalPolicy::Delete));
    assert_eq!(removal(json!({ "claimName": "mine" })), None);
}

#[test]
fn a_backup_that_is_made_again_does_not_write_into_the_first_ones_volume() {
    let mut second = resource();
    second["metadata"]["uid"] = json!("5f1c0c3e-0000-4000-8000-000000000003");
    let claim = |resource: &Value| item(&decide(seen(resource)), "claim").unwrap()["metadata"]["name"].clone();
    assert_ne!(claim(&resource()), claim(&second));
}

#[test]
fn a_deleted_resource_leaves_nothing_desired() {
    assert_eq!(decide(SnapshotOf::resource(&resource()).deleting()).items, Vec::new());
}

#[test]
fn wrong_fields_are_reported_with_their_path() {
    for (spec, path) in [
        (json!({ "schedule": "every day" }), "spec.schedule"),
        (json!({ "timeZone": "Local" }), "spec.timeZone"),
        (json!({ "source": {} }), "spec.source"),
        (json!({ "storage": { "size": "much" } }), "spec.storage.size"),
        (json!({ "storage": { "size": "1Gi", "claimName": "mine" } }), "spec.storage.claimName"),
        (json!({ "retention": { "count": "all" } }), "spec.retention.count"),
        (json!({ "deadlineSeconds": 1 }), "spec.deadlineSeconds"),
    ] {
        let found = errors(&with(spec.clone()));
        assert!(found.iter().any(|e| e.starts_with(path)), "{spec}: {found:?}");
    }
}

#[test]
fn a_change_that_cannot_be_made_is_reported() {
    let change = |new: &Value| match entry::validate::<BackupPlugin>(Some(&resource().to_string()), &new.to_string()) {
        Ok(()) => String::new(),
        Err(errors) => errors.iter().map(|e| e.path.as_str()).collect::<Vec<_>>().join(","),
    };
    assert_eq!(change(&resource()), "");
    assert_eq!(change(&with(json!({ "source": { "mysql": "other" } }))), "spec.source");
    let smaller = with(json!({ "storage": { "size": "1Gi", "storageClassName": "fast" } }));
    assert_eq!(change(&smaller), "spec.storage.storageClassName,spec.storage.size");
}

#[test]
fn every_field_of_the_schema_changes_what_should_exist() {
    let crd = backup::crd().manifest();
    let spec = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties").unwrap();
    let before = decide(seen(&resource())).items;
    for (name, schema) in spec.as_object().unwrap() {
        let inner: Vec<String> = match schema.get("properties").and_then(Value::as_object) {
            Some(inner) => inner.keys().map(|key| format!("/spec/{name}/{key}")).collect(),
            None => vec![format!("/spec/{name}")],
        };
        for pointer in inner {
            let mut changed = resource();
            match pointer.as_str() {
                "/spec/source/mysql" => continue, // Names the query, see the first test.
                "/spec/storage/claimName" => changed["spec"]["storage"] = json!({ "claimName": "mine" }),
                "/spec/schedule" => changed["spec"]["schedule"] = json!("@daily"),
                "/spec/suspend" => changed["spec"]["suspend"] = json!(true),
                _ => {
                    *changed.pointer_mut(&pointer).unwrap_or_else(|| panic!("the example has no {pointer}")) =
                        Value::Null
                }
            }
            assert_ne!(before, decide(seen(&changed)).items, "{pointer} has no effect");
        }
    }
}

#[test]
fn everything_that_is_desired_was_asked_for_and_granted() {
    let description = entry::describe::<BackupPlugin>();
    let grants: Value = serde_yaml::from_str(include_str!("../grants.yaml")).unwrap();
    for manifest in decide(seen(&resource())).items.iter().filter_map(Item::manifest) {
        let (group, _) = manifest["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", ""));
        let kind = manifest["kind"].as_str().unwrap();
        assert!(description.writes.iter().any(|k| k.group == group && k.kind == kind), "{kind} is not asked for");
        let granted = grants["grants"]["writes"].as_array().unwrap();
        assert!(granted.iter().any(|g| g["group"] == group && g["kind"] == kind), "{kind} is not granted");
    }
}

/// Any JSON, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        Just(Value::from("prod-db")),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-zA-Z]{1,12}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_anywhere_is_answered(value in any_json(), pick in 0usize..8) {
        let mut changed = resource();
        let mut snapshot = seen(&changed);
        match pick {
            0 => changed = value,
            1 => changed["spec"] = value,
            2 => changed["status"] = value,
            3 => snapshot = SnapshotOf::resource(&changed).related("source", &[value]),
            4 => snapshot = seen(&changed).found("cronjob", &value, true),
            5 => snapshot = with_jobs(&changed, &[value], &[]),
            6 => snapshot = with_jobs(&changed, &[], &[value]),
            _ => {
                let servers = SnapshotOf::resource(&changed).related("source", &[database()]);
                snapshot = servers.related("servers", &[value]);
            }
        }
        if pick < 3 {
            snapshot = seen(&changed);
        }
        let _ = entry::decide::<BackupPlugin>(snapshot.build());
        let _ = entry::validate::<BackupPlugin>(None, &changed.to_string());
    }
}
