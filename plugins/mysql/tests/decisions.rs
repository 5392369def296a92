//! What is decided in which situation, one sentence each.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod support;

use support::{
    condition, decide, formed, holds, items, live, looked_at, manifest, reported, resource, running, with_spec,
};
use windlass_sdk::testing::SnapshotOf;
use windlass_sdk::{Fault, Item, Truth, Value, json};

fn ids(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.id.as_str()).collect()
}

/// The settings of my.cnf, in order.
fn mycnf(spec: Value) -> Vec<String> {
    let config = manifest(&with_spec(spec), "config");
    config["data"]["my.cnf"].as_str().unwrap().lines().map(str::to_string).collect()
}

/// The verbatim manifest when all is in order.
fn settled() -> Value {
    formed(&resource("mysql.yaml"))
}

#[test]
fn items_come_in_the_order_secrets_and_config_then_services_then_servers_then_the_rest() {
    let items = items(&resource("mysql.yaml"));
    let position = |id: &str| items.iter().position(|item| item.id == id).unwrap();
    for item in &items {
        for before in &item.after {
            assert!(position(before) < position(&item.id), "{} after {before}", item.id);
        }
    }
    let after = |id: &str| items[position(id)].after.clone();
    assert!(after("statefulset").contains(&"secret/root".to_string()));
    assert!(after("statefulset").contains(&"config".to_string()));
    assert!(after("statefulset").contains(&"service/headless".to_string()));
    assert_eq!(after("pdb"), ["statefulset"]);
    assert_eq!(after("backup"), ["statefulset"]);
}

#[test]
fn no_manifest_holds_a_password() {
    let all = format!("{:?}", items(&resource("mysql-full.yaml")));
    assert!(!all.to_lowercase().contains("password:"), "{all}");
    let args = manifest(&resource("mysql.yaml"), "statefulset")
        .pointer("/spec/template/spec/containers/0")
        .unwrap()
        .to_string();
    assert!(args.contains("MYSQL_ROOT_PASSWORD_FILE") && !args.contains("secretKeyRef"), "{args}");
}

#[test]
fn without_backups_there_is_no_backup_and_no_condition_about_it() {
    let decision = decide(looked_at(&with_spec(json!({ "version": "8.4" }))));
    assert!(!ids(&decision.items).contains(&"backup"));
    assert!(decision.conditions.iter().all(|c| c.type_ != "BackupReady"));
}

#[test]
fn a_single_server_has_no_disruption_budget_and_others_lose_half_at_most() {
    let budget = |replicas: u32| {
        let items = items(&with_spec(json!({ "version": "8.4", "replicas": replicas })));
        let pdb = items.iter().find(|item| item.id == "pdb")?.manifest()?;
        pdb.pointer("/spec/maxUnavailable")?.as_u64()
    };
    assert_eq!([1, 2, 3, 4, 5].map(budget), [None, Some(1), Some(1), Some(2), Some(2)]);
}

#[test]
fn settings_that_the_cluster_depends_on_are_left_out_and_reported() {
    let spec = json!({ "version": "8.4", "config": {
        "gtid-mode": "OFF", "loose_super_read_only": "OFF", "SERVER_ID": 1, "skip-log-bin": "1", "max_connections": 10,
    } });
    let decision = decide(looked_at(&with_spec(spec.clone())));
    let status: Value = serde_json::from_str(&decision.status).unwrap();
    assert_eq!(status["forcedConfigKeys"], json!(["SERVER_ID", "gtid-mode", "loose_super_read_only", "skip-log-bin"]));
    assert!(!holds(&decision, "ConfigAccepted"));
    assert!(condition(&decision, "ConfigAccepted").message.contains("remove them from spec.config"));
    let lines = mycnf(spec);
    assert!(lines.contains(&"max_connections = 10".to_string()));
    assert_eq!(lines.iter().filter(|line| line.to_lowercase().replace('-', "_").contains("gtid_mode")).count(), 1);
}

#[test]
fn the_clusters_settings_come_after_the_users() {
    let lines = mycnf(json!({ "version": "8.4", "config": { "zzz_last": "1" } }));
    let position = |start: &str| lines.iter().position(|line| line.starts_with(start)).unwrap();
    assert!(position("zzz_last") < position("gtid_mode"));
}

#[test]
fn values_with_a_meaning_in_option_files_are_quoted() {
    let lines = mycnf(
        json!({ "version": "8.4", "config": { "init_connect": "SET a = 1 # b", "x": "a\\b c", "y": "say \"hi\" #" } }),
    );
    assert!(lines.contains(&"init_connect = \"SET a = 1 # b\"".to_string()), "{lines:?}");
    assert!(lines.contains(&"x = \"a\\\\b c\"".to_string()), "{lines:?}");
    assert!(lines.contains(&"y = 'say \"hi\" #'".to_string()), "{lines:?}");
}

#[test]
fn the_buffer_pool_follows_the_memory_unless_it_is_set() {
    let pool = |spec: Value| mycnf(spec).into_iter().find(|line| line.starts_with("innodb_buffer_pool_size"));
    let with = |memory: Value| json!({ "version": "8.4", "resources": { "limits": { "memory": memory } } });
    let chunk = 128u64 << 20;
    assert_eq!(pool(with(json!("8Gi"))), Some(format!("innodb_buffer_pool_size = {}", 43 * chunk)));
    assert_eq!(pool(with(json!("64Mi"))), Some(format!("innodb_buffer_pool_size = {chunk}")));
    assert_eq!(pool(json!({ "version": "8.4", "resources": {} })), None);
    let own = json!({ "version": "8.4", "config": { "innodb-buffer-pool-size": "1G" } });
    assert_eq!(mycnf(own).iter().filter(|line| line.contains("buffer") && line.contains("pool")).count(), 1);
}

#[test]
fn a_changed_setting_restarts_the_pods() {
    let hash =
        |spec: Value| manifest(&with_spec(spec), "statefulset")["spec"]["template"]["metadata"]["annotations"].clone();
    assert_ne!(
        hash(json!({ "version": "8.4" })),
        hash(json!({ "version": "8.4", "config": { "max_connections": 9 } }))
    );
}

#[test]
fn each_server_gets_a_number_within_32_bits_from_its_ordinal() {
    for uid in 0..1000 {
        let metadata = windlass_sdk::Metadata { uid: uid.to_string(), ..Default::default() };
        let prefix = mysql::build::pod::server_id_prefix(&metadata);
        assert_eq!(prefix.to_string().len(), 7);
        assert!(format!("{prefix}98").parse::<u32>().is_ok());
    }
}

#[test]
fn a_cluster_is_ready_when_the_wished_servers_are_and_not_before() {
    let resource = resource("mysql.yaml");
    let first = decide(looked_at(&resource));
    assert_eq!(condition(&first, "Ready").reason, "Creating");
    assert!(holds(&first, "Progressing") && !holds(&first, "Available"));

    let live = live(&resource);
    let waiting = decide(running(&resource, &live, 1, 3));
    assert!(!holds(&waiting, "Ready") && !holds(&waiting, "Available") && holds(&waiting, "Progressing"));
    assert!(!holds(&waiting, "Degraded"), "what never worked is not degraded");
    assert!(condition(&waiting, "RecoveryBlocked").message.contains("prod-db-1 (since 2025-12-31T23:59:50.000Z)"));

    let all = decide(running(&settled(), &live, 3, 3));
    assert!(holds(&all, "Ready") && holds(&all, "Available") && holds(&all, "Healthy") && !holds(&all, "Progressing"));
    let status: Value = serde_json::from_str(&all.status).unwrap();
    assert_eq!(status["members"], "3/3");
    assert_eq!(status["syncedReplicas"], 2);
    assert_eq!(status["currentPrimary"], "prod-db-0");
    assert_eq!(status["version"], "8.0");
    assert_eq!(status["endpoints"]["primary"], "prod-db-primary.default.svc:3306");
    assert_eq!(status["selector"], "app.kubernetes.io/instance=prod-db,app.kubernetes.io/name=mysql");
}

#[test]
fn pods_are_asked_for_first_and_never_taken_for_gone_when_they_cannot_be_seen() {
    let resource = settled();
    let bare = |snapshot: SnapshotOf| windlass_sdk::entry::decide::<mysql::MysqlPlugin>(snapshot.build());
    let Err(Fault::Needs(queries)) = bare(SnapshotOf::resource(&resource)) else { panic!("no query") };
    assert_eq!(
        queries[0].label_selector.as_deref(),
        Some("app.kubernetes.io/instance=prod-db,app.kubernetes.io/name=mysql")
    );
    assert!(matches!(bare(SnapshotOf::resource(&resource).unanswered("pods", "no right")), Err(Fault::Retry(_))));
}

#[test]
fn a_server_that_fails_later_is_degradation_and_not_progress() {
    let resource = settled();
    let decision = decide(running(&resource, &live(&resource), 2, 3));
    assert!(holds(&decision, "Degraded") && !holds(&decision, "Progressing") && holds(&decision, "Available"));
    assert!(condition(&decision, "Degraded").message.contains("1 of 3"));
    assert!(condition(&decision, "Healthy").message.contains("prod-db-2 refuses connections since"));
}

#[test]
fn scaling_is_progress_and_an_event_and_not_degradation() {
    let mut resource = settled();
    let before = live(&resource);
    resource["spec"]["replicas"] = json!(5);
    let asked = decide(running(&resource, &before, 3, 3));
    assert!(!holds(&asked, "Ready") && holds(&asked, "Progressing") && holds(&asked, "Available"));
    assert_eq!(asked.events.iter().map(|e| e.reason.as_str()).collect::<Vec<_>>(), ["Scaling"]);
    let started = decide(running(&resource, &live(&resource), 3, 5));
    assert!(holds(&started, "Progressing") && !holds(&started, "Degraded"));
    assert!(!holds(&started, "Durable"));
}

#[test]
fn during_an_upgrade_the_reported_version_is_still_the_old_one() {
    let mut resource = settled();
    let before = live(&resource);
    resource["spec"]["version"] = json!("8.4");
    let version =
        |decision: &windlass_sdk::Decision| serde_json::from_str::<Value>(&decision.status).unwrap()["version"].clone();
    let asked = decide(running(&resource, &before, 3, 3));
    assert_eq!(version(&asked), "8.0");
    assert_eq!(asked.events[0].reason, "VersionChanging");
    let rolling = decide(running(&resource, &live(&resource), 3, 1));
    assert_eq!(version(&rolling), "8.0");
    assert_eq!(condition(&rolling, "Ready").reason, "RollingOut");
    let done = decide(running(&resource, &live(&resource), 3, 3));
    assert_eq!(version(&done), "8.4");
}

#[test]
fn a_settled_cluster_says_nothing_new_and_is_looked_at_again() {
    let resource = settled();
    let once = decide(running(&resource, &live(&resource), 3, 3));
    assert_eq!(once.events, Vec::new());
    let resource = reported(&resource, &once);
    let again = decide(running(&resource, &live(&resource), 3, 3));
    assert_eq!(reported(&resource, &again), resource);
    assert_eq!(again.wake, Some(1_767_225_601_000));
}

#[test]
fn a_settled_cluster_has_an_item_for_each_server_and_a_role_for_each_pod() {
    let resource = settled();
    let decision = decide(running(&resource, &live(&resource), 3, 3));
    let ids = ids(&decision.items);
    for i in 0..3 {
        assert!(ids.contains(&format!("server/{i}").as_str()) && ids.contains(&format!("pod/{i}").as_str()), "{ids:?}");
    }
    let role = |i: u32| {
        let item = decision.items.iter().find(|item| item.id == format!("pod/{i}")).unwrap();
        assert_eq!(item.update, windlass_sdk::UpdatePolicy::Overlay);
        let labels = item.manifest().unwrap()["metadata"]["labels"].clone();
        (labels["database.example.com/role"].clone(), labels["database.example.com/readable"].clone())
    };
    assert_eq!(role(0), (json!("primary"), json!("false")));
    assert_eq!(role(1), (json!("replica"), json!("true")));
}

#[test]
fn a_single_server_is_primary_and_readable() {
    let resource = formed(&with_spec(json!({ "version": "8.0" })));
    let decision = decide(running(&resource, &live(&resource), 1, 1));
    let item = decision.items.iter().find(|item| item.id == "pod/0").unwrap().manifest().unwrap();
    assert_eq!(item["metadata"]["labels"]["database.example.com/role"], "primary");
    assert_eq!(item["metadata"]["labels"]["database.example.com/readable"], "true");
}

#[test]
fn a_server_on_which_an_account_is_not_as_wished_is_logged_in_to_as_root() {
    let resource = settled();
    let login = |snapshot: SnapshotOf, id: &str| {
        let decision = decide(snapshot);
        let item = decision.items.iter().find(|item| item.id == id).unwrap();
        let windlass_sdk::bindings::windlass::plugin::types::Body::Mysql(server) = &item.body else { panic!("{id}") };
        server.user.secret.clone()
    };
    let look = || running(&resource, &live(&resource), 3, 3);
    assert_eq!(login(look(), "server/0"), "prod-db-admin");
    let mut answer = support::answer(&resource, 0, 3);
    answer.accounts.retain(|secret| secret != "prod-db-monitor");
    assert_eq!(login(look().answers("server/0", &answer), "server/0"), "prod-db-root");
    assert_eq!(login(look().silent("server/1", 1, "AccessDenied"), "server/1"), "prod-db-root");
}

#[test]
fn new_passwords_keep_the_old_ones_until_every_server_uses_the_new() {
    use windlass_sdk::bindings::windlass::plugin::types::{Body, Replication};
    let mut resource = settled();
    resource["spec"]["credentials"] = json!({ "generation": 1 });
    let server = |decision: &windlass_sdk::Decision, id: &str| {
        let item = decision.items.iter().find(|item| item.id == id).unwrap().clone();
        let Body::Mysql(server) = item.body else { panic!("{id}") };
        server
    };
    let password = |decision: &windlass_sdk::Decision| match server(decision, "server/1").replication {
        Replication::Source(source) => source.password.key,
        other => panic!("{other:?}"),
    };
    let made = |snapshot: SnapshotOf, generation: u32| {
        ["admin", "replication", "donor", "backup", "monitor"]
            .iter()
            .fold(snapshot, |snapshot, id| snapshot.secret(&format!("secret/{id}"), generation, &[]))
    };
    // The Secrets are not made anew yet.
    let first = decide(made(running(&resource, &live(&resource), 3, 3), 1));
    assert!(server(&first, "server/0").accounts.iter().all(|account| account.keep_previous));
    assert_eq!(password(&first), "password");
    resource = reported(&resource, &first);
    // They are; the primary has the old ones.
    let mut old = support::answer(&resource, 0, 3);
    old.accounts.clear();
    let look = || made(running(&resource, &live(&resource), 3, 3), 2);
    let second = decide(look().answers("server/0", &old));
    assert_eq!(password(&second), "password.previous");
    assert_eq!(server(&second, "server/0").user.secret, "prod-db-root");
    // It has the new ones, and so have all others.
    let third = decide(look());
    assert_eq!(password(&third), "password");
    let status: Value = serde_json::from_str(&third.status).unwrap();
    assert_eq!(status["credentialsGeneration"], 1);
    let fourth = decide(made(running(&reported(&resource, &third), &live(&resource), 3, 3), 2));
    assert!(server(&fourth, "server/0").accounts.iter().all(|account| !account.keep_previous));
}

#[test]
fn a_larger_volume_grows_each_claim_and_does_not_touch_what_cannot_change() {
    let mut resource = settled();
    let before = live(&resource);
    resource["spec"]["storage"] = json!({ "size": "20Gi" });
    let decision = decide(running(&resource, &before, 3, 3));
    assert!(!holds(&decision, "StorageCurrent"));
    assert!(condition(&decision, "StorageCurrent").message.contains("data-prod-db-2"));
    let after = decision.items.iter().find(|item| item.id == "statefulset").and_then(Item::manifest).unwrap();
    assert_eq!(after["spec"]["volumeClaimTemplates"], before["spec"]["volumeClaimTemplates"]);
    let claim = decision.items.iter().find(|item| item.id == "claim/1").unwrap();
    assert_eq!(claim.update, windlass_sdk::UpdatePolicy::Overlay);
    assert_eq!(claim.manifest().unwrap()["spec"]["resources"]["requests"]["storage"], "20Gi");
    let grown = json!({ "status": { "capacity": { "storage": "20Gi" } } });
    let look =
        (0..3).fold(running(&resource, &before, 3, 3), |look, i| look.found(&format!("claim/{i}"), &grown, true));
    assert!(holds(&decide(look), "StorageCurrent"));
}

#[test]
fn an_item_that_fails_is_named_with_its_error() {
    let resource = settled();
    let snapshot = running(&resource, &live(&resource), 3, 3).absent("pdb").failing("pdb", "quota exceeded");
    let decision = decide(snapshot);
    assert!(condition(&decision, "Degraded").message.contains("item pdb") && holds(&decision, "Degraded"));
}

#[test]
fn the_state_of_backups_is_that_of_the_backup() {
    let resource = settled();
    let with = |backup: &Value| decide(looked_at(&resource).found("backup", backup, false));
    let failed = json!({ "status": { "conditions": [{ "type": "Ready", "status": "False", "reason": "LastBackupFailed", "message": "m" }] } });
    assert_eq!(condition(&with(&failed), "BackupReady").reason, "LastBackupFailed");
    assert_eq!(condition(&with(&json!({})), "BackupReady").status, Truth::Unknown);
}

#[test]
fn a_deleted_resource_leaves_nothing_desired() {
    let decision = decide(looked_at(&settled()).deleting());
    assert_eq!(decision.items, Vec::new());
    assert_eq!(condition(&decision, "Ready").reason, "Deleting");
}

#[test]
fn a_deleted_resource_is_torn_down_even_when_its_spec_is_wrong() {
    let resource = with_spec(json!({ "version": "5.7" }));
    assert_eq!(decide(looked_at(&resource).deleting()).items, Vec::new());
}

#[test]
fn everything_that_is_desired_was_asked_for_and_granted() {
    let description = windlass_sdk::entry::describe::<mysql::MysqlPlugin>();
    let grants: Value = serde_yaml::from_str(include_str!("../grants.yaml")).unwrap();
    let mut resource = resource("mysql-full.yaml");
    resource["spec"]["podDisruptionBudget"] = json!({});
    for manifest in items(&resource).iter().filter_map(Item::manifest) {
        let (group, _) = manifest["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", ""));
        let kind = manifest["kind"].as_str().unwrap();
        assert!(description.writes.iter().any(|k| k.group == group && k.kind == kind), "{kind} is not asked for");
        let granted = grants["grants"]["writes"].as_array().unwrap();
        assert!(granted.iter().any(|g| g["group"] == group && g["kind"] == kind), "{kind} is not granted");
    }
}
