#![allow(clippy::unwrap_used)]
use super::*;
use model::description::Backends;
use model::grant::{KindGrant, ReadGrant};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A right as an API server would judge it: place, group, resource, verb, name.
type Asked<'a> = (Option<&'a str>, &'a str, &'a str, &'a str, &'a str);

/// Whether documents let an account do something, judged as RBAC does.
fn allows(documents: &[Value], account: &ServiceAccount, (namespace, group, resource, verb, name): Asked<'_>) -> bool {
    let bindings = documents.iter().filter(|document| document["kind"].as_str().unwrap().ends_with("Binding"));
    let mut bound = bindings.filter(|binding| {
        binding["subjects"][0]["name"] == account.name() && binding["subjects"][0]["namespace"] == account.namespace()
    });
    bound.any(|binding| {
        let place = binding["metadata"]["namespace"].as_str();
        let role = documents.iter().find(|document| {
            document["kind"] == binding["roleRef"]["kind"]
                && document["metadata"]["name"] == binding["roleRef"]["name"]
                && document["metadata"]["namespace"].as_str() == place
        });
        let holds = |list: &Value, value: &str| list.as_array().unwrap().iter().any(|one| one == value);
        (place.is_none() || place == namespace)
            && role.unwrap()["rules"].as_array().unwrap().iter().any(|rule| {
                holds(&rule["apiGroups"], group)
                    && holds(&rule["resources"], resource)
                    && holds(&rule["verbs"], verb)
                    && (rule["resourceNames"].is_null() || holds(&rule["resourceNames"], name))
            })
    })
}

fn account(name: &str) -> ServiceAccount {
    ServiceAccount::new("accounts", name).unwrap()
}

fn host() -> Host {
    Host {
        account: ServiceAccount::new("windlass-system", "windlass").unwrap(),
        namespaces: Vec::new(),
        plugin_resources: true,
        system_namespace: "windlass-system".into(),
    }
}

fn plugin(name: &str, grants: Grants) -> Plugin {
    Plugin {
        name: name.into(),
        serves: vec![Served { group: format!("{name}.dev"), plural: "things".into(), namespaced: true }],
        grants,
        source: None,
        deletes_definitions: false,
        deletes_resources: false,
    }
}

fn maps(verbs: &[WriteVerb]) -> Grants {
    let grant =
        KindGrant { group: String::new(), kind: "ConfigMap".into(), cluster_scope: false, verbs: verbs.to_vec() };
    Grants { writes: vec![grant], ..Grants::default() }
}

#[test]
fn a_host_may_do_what_its_plugins_are_granted_and_nothing_else() {
    let documents = documents(&host(), &[plugin("a", maps(&[]))], &Names::default());
    let host = host().account;
    let may = |asked| allows(&documents, &host, asked);
    for verb in ["get", "list", "watch", "create", "patch", "delete"] {
        assert!(may((Some("shop"), "", "configmaps", verb, "x")), "{verb}");
    }
    for (group, resource, verb) in [
        ("a.dev", "things", "patch"),
        ("a.dev", "things/status", "patch"),
        ("a.dev", "things/finalizers", "update"),
        ("", "events", "create"),
    ] {
        assert!(may((Some("shop"), group, resource, verb, "x")), "{verb} {resource}");
    }
    for (group, resource, verb) in [
        ("a.dev", "things", "create"),
        ("a.dev", "things", "delete"),
        ("a.dev", "things", "update"),
        ("", "secrets", "get"),
        ("", "secrets", "list"),
        ("", "pods", "list"),
        ("", "events", "list"),
        ("", "serviceaccounts", "impersonate"),
    ] {
        assert!(!may((Some("shop"), group, resource, verb, "x")), "{verb} {resource}");
    }
    let crd = |verb, name| may((None, "apiextensions.k8s.io", "customresourcedefinitions", verb, name));
    assert!(crd("patch", "things.a.dev") && crd("patch", "plugins.windlass.dev"));
    assert!(!crd("patch", "things.b.dev") && !crd("delete", "things.a.dev"));
    assert!(may((Some("windlass-system"), "", "secrets", "get", "windlass-host")));
    assert!(!may((Some("windlass-system"), "", "secrets", "get", "other")));
}

#[test]
fn with_an_account_of_its_own_a_plugin_takes_all_writes_off_the_host() {
    let mut grants = maps(&[]);
    grants.service_account = Some(account("a"));
    grants.namespaces = vec!["shop".into()];
    let documents = documents(&host(), &[plugin("a", grants)], &Names::default());
    let (host, own) = (host().account, account("a"));
    for (group, resource, verb) in [
        ("", "configmaps", "patch"),
        ("", "configmaps", "delete"),
        ("a.dev", "things/status", "patch"),
        ("", "events", "create"),
    ] {
        assert!(!allows(&documents, &host, (Some("shop"), group, resource, verb, "x")), "{verb} {resource}");
        assert!(allows(&documents, &own, (Some("shop"), group, resource, verb, "x")), "{verb} {resource}");
        assert!(!allows(&documents, &own, (Some("bank"), group, resource, verb, "x")), "{verb} {resource}");
    }
    let impersonate =
        |namespace, name| allows(&documents, &host, (Some(namespace), "", "serviceaccounts", "impersonate", name));
    assert!(impersonate("accounts", "a"));
    assert!(!impersonate("accounts", "b") && !impersonate("shop", "a"));
    assert!(allows(&documents, &host, (Some("shop"), "", "configmaps", "watch", "x")));
    assert!(!allows(&documents, &own, (Some("shop"), "", "configmaps", "watch", "x")));
}

#[test]
fn verbs_names_and_namespaces_of_grants_are_those_of_the_rules() {
    let mut grants = maps(&[WriteVerb::Patch]);
    let names = vec!["root".into(), "ca".into()];
    grants.reads.push(ReadGrant { group: String::new(), kind: "Secret".into(), namespaces: vec![], names });
    grants.backends.mysql = true;
    grants.namespaces = vec!["shop".into()];
    let documents = documents(&host(), &[plugin("a", grants)], &Names::default());
    let may = |namespace, resource, verb, name| {
        allows(&documents, &host().account, (Some(namespace), "", resource, verb, name))
    };
    assert!(may("shop", "configmaps", "patch", "x"));
    assert!(!may("shop", "configmaps", "create", "x") && !may("shop", "configmaps", "delete", "x"));
    assert!(!may("bank", "configmaps", "patch", "x"));
    assert!(may("shop", "secrets", "get", "root") && may("shop", "secrets", "get", "ca"));
    assert!(!may("shop", "secrets", "get", "other") && !may("bank", "secrets", "get", "root"));
}

#[test]
fn a_host_of_some_namespaces_has_nothing_in_others() {
    let host = Host { namespaces: vec!["shop".into()], ..host() };
    let documents = documents(&host, &[plugin("a", maps(&[]))], &Names::default());
    let may = |namespace, verb| allows(&documents, &host.account, (Some(namespace), "", "configmaps", verb, "x"));
    assert!(may("shop", "list") && may("shop", "delete"));
    assert!(!may("bank", "list") && !may("bank", "get"));
}

#[test]
fn where_components_come_from_is_read_by_name() {
    let source = json!({"oci": {"reference": "r/a:1", "pullSecret": {"namespace": "ci", "name": "login"}}});
    let plugin = Plugin { source: Some(serde_json::from_value(source).unwrap()), ..plugin("a", Grants::default()) };
    let documents = documents(&host(), &[plugin], &Names::default());
    let may = |name| allows(&documents, &host().account, (Some("ci"), "", "secrets", "get", name));
    assert!(may("login") && !may("other"));
}

fn any_grants() -> impl Strategy<Value = Grants> {
    let kind = prop::sample::select(vec![
        ("", "ConfigMap"),
        ("", "Secret"),
        ("apps", "StatefulSet"),
        ("", "Namespace"),
        ("x.dev", "Thing"),
    ]);
    let verbs = prop::sample::subsequence(WriteVerb::ALL.to_vec(), 0..=3);
    let write = (kind.clone(), any::<bool>(), verbs).prop_map(|((group, kind), cluster_scope, verbs)| KindGrant {
        group: group.into(),
        kind: kind.into(),
        cluster_scope,
        verbs,
    });
    let spaces = prop::sample::subsequence(vec!["shop".to_owned(), "bank".into(), "*".into()], 0..=3);
    let names = prop::sample::subsequence(vec!["a".to_owned(), "b".into()], 0..=2);
    let read = (kind, spaces.clone(), names).prop_map(|((group, kind), namespaces, names)| ReadGrant {
        group: group.into(),
        kind: kind.into(),
        namespaces,
        names,
    });
    let backends = any::<[bool; 3]>().prop_map(|[mysql, azure, vault]| Backends { mysql, azure, vault });
    let own = prop::option::of(prop::sample::select(vec![account("one"), account("two")]));
    (prop::collection::vec(write, 0..4), prop::collection::vec(read, 0..3), spaces, backends, own).prop_map(
        |(writes, reads, namespaces, backends, service_account)| Grants {
            writes,
            reads,
            namespaces,
            backends,
            service_account,
            ..Grants::default()
        },
    )
}

fn any_plugins() -> impl Strategy<Value = Vec<Plugin>> {
    let flags = any::<[bool; 2]>();
    prop::collection::vec((any_grants(), flags), 0..4).prop_map(|all| {
        let one = |(at, (grants, [deletes_definitions, deletes_resources])): (usize, (Grants, [bool; 2]))| Plugin {
            deletes_definitions,
            deletes_resources,
            ..plugin(&format!("p{at}"), grants)
        };
        all.into_iter().enumerate().map(one).collect()
    })
}

/// Every single right of an account in documents.
fn singles(documents: &[Value]) -> Vec<(String, String, String, String, String)> {
    let mut all = Vec::new();
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    for role in documents.iter().filter(|document| !document["rules"].is_null()) {
        let place = format!("{}@{}", role["metadata"]["name"], role["metadata"]["namespace"]);
        for rule in role["rules"].as_array().unwrap() {
            let names =
                if rule["resourceNames"].is_null() { vec![String::new()] } else { texts(&rule["resourceNames"]) };
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    for verb in texts(&rule["verbs"]) {
                        for name in &names {
                            let (place, group) = (place.clone(), group.clone());
                            all.push((place, group, resource.clone(), verb.clone(), name.clone()));
                        }
                    }
                }
            }
        }
    }
    all
}

proptest! {
    #[test]
    fn nothing_is_a_star_empty_or_there_twice(plugins in any_plugins()) {
        let documents = documents(&host(), &plugins, &Names::default());
        prop_assert!(!list(&documents).to_string().contains('*'));
        for rule in documents.iter().flat_map(|document| document["rules"].as_array().into_iter().flatten()) {
            for field in ["apiGroups", "resources", "verbs"] {
                prop_assert!(!rule[field].as_array().unwrap().is_empty(), "{rule}");
            }
            prop_assert!(rule["resourceNames"].as_array().is_none_or(|names| !names.is_empty()));
        }
        let all = singles(&documents);
        let distinct: BTreeSet<_> = all.iter().collect();
        prop_assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn the_order_of_plugins_changes_nothing(plugins in any_plugins()) {
        let reversed: Vec<_> = plugins.iter().rev().cloned().collect();
        prop_assert_eq!(documents(&host(), &plugins, &Names::default()), documents(&host(), &reversed, &Names::default()));
    }

    #[test]
    fn another_plugin_takes_no_right_away(plugins in any_plugins(), more in any_grants()) {
        let mut grown = plugins.clone();
        grown.push(plugin("more", more));
        let (before, after) = (documents(&host(), &plugins, &Names::default()), documents(&host(), &grown, &Names::default()));
        let accounts = [host().account, account("one"), account("two")];
        for (place, group, resource, verb, name) in singles(&before) {
            let namespace = place.split('@').nth(1).unwrap().trim_matches('"').to_owned();
            let namespace = if namespace == "null" { "anywhere" } else { &namespace };
            let asked = (Some(namespace), group.as_str(), resource.as_str(), verb.as_str(), name.as_str());
            for account in &accounts {
                let had = allows(&before, account, asked);
                prop_assert!(!had || allows(&after, account, asked), "{asked:?}");
            }
        }
    }

    /// A right to change objects is there because some grant of the account that acts has that verb, and for nothing else.
    #[test]
    fn every_write_has_a_grant(plugins in any_plugins(), verb in prop::sample::select(WriteVerb::ALL.to_vec())) {
        let documents = documents(&host(), &plugins, &Names::default());
        for who in [host().account, account("one"), account("two")] {
            for (group, kind, resource) in [("", "ConfigMap", "configmaps"), ("", "Secret", "secrets"), ("apps", "StatefulSet", "statefulsets")] {
                for namespace in ["shop", "bank", "other"] {
                    let granted = plugins.iter().any(|plugin| {
                        let Grants { namespaces, service_account, .. } = &plugin.grants;
                        let here = namespaces.is_empty() || namespaces.iter().any(|one| one == namespace || one == "*");
                        let acts = service_account.as_ref().unwrap_or(&host().account) == &who;
                        // Server-side apply needs both to create.
                        let verbs = if verb == WriteVerb::Patch { vec![WriteVerb::Patch, WriteVerb::Create] } else { vec![verb] };
                        here && acts && verbs.iter().any(|verb| plugin.grants.may(*verb, group, kind))
                    });
                    let allowed = allows(&documents, &who, (Some(namespace), group, resource, verb.word(), "some"));
                    prop_assert_eq!(allowed, granted, "{} {} in {} as {}", verb.word(), resource, namespace, who);
                }
            }
        }
    }
}
