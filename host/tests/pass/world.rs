//! One embedded API server, one host without a queue (passes are driven by hand), one kind `Widget`, one plugin that is a
//! closure.

use apiserver::{Options, Server};
use futures::future::{BoxFuture, FutureExt};
use kube::client::Body;
use model::{
    Decision, Description, Fault, FieldError, Grants, Kind, ObjectKey, Snapshot,
    description::Backends,
    grant::{KindGrant, ReadGrant},
    snapshot::Json,
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use windlass::{
    clock::SetClock,
    context::{Context, Parts, Plugins, Served},
    decide::decider::{Breakdown, Decider},
    driver::{Next, Reconciler},
    entropy::Entropy,
    mysql::{Servers, Unavailable},
    serve::Metrics,
    watch::{Cache, FingerprintKey, Ledger, Trigger, Watches, watches},
};

pub type Decide = dyn Fn(&Snapshot) -> Result<Decision, Fault> + Send + Sync;

/// A plugin that is a closure.
pub struct Closure {
    description: Description,
    decide: Mutex<Arc<Decide>>,
    pub calls: AtomicUsize,
}

impl Decider for Closure {
    fn digest(&self) -> String {
        "closure".into()
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn validate<'a>(&'a self, _: Option<&'a Json>, new: &'a Json) -> BoxFuture<'a, Result<Vec<FieldError>, Breakdown>> {
        let wrong = new.contains("\"wrong\":true");
        let error = FieldError { path: "spec.wrong".into(), message: "must not be true".into() };
        async move { Ok(if wrong { vec![error] } else { Vec::new() }) }.boxed()
    }

    fn decide<'a>(&'a self, snapshot: &'a Snapshot) -> BoxFuture<'a, Result<Result<Decision, Fault>, Breakdown>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let decide = self.decide.lock().unwrap().clone();
        async move { Ok(decide(snapshot)) }.boxed()
    }
}

/// One request that changes something, as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub method: String,
    pub path: String,
    pub status: u16,
}

pub struct World {
    /// Stops when it is dropped.
    _server: Server,
    /// A user with all rights, through which nothing is counted.
    pub user: kube::Client,
    pub host: Host,
}

/// One process of the host.
pub struct Host {
    pub context: Context,
    pub plugin: Arc<Closure>,
    pub clock: Arc<SetClock>,
    pub sent: Arc<Mutex<Vec<Sent>>>,
    pub stop: CancellationToken,
}

pub fn widget() -> Kind {
    Kind::new("test.dev", "v1", "Widget")
}

pub fn key(name: &str) -> ObjectKey {
    ObjectKey { kind: widget(), namespace: Some("default".into()), name: name.into() }
}

impl World {
    /// A cluster with the kind `Widget`, and a host whose plugin decides by `decide`.
    pub async fn start(decide: impl Fn(&Snapshot) -> Result<Decision, Fault> + Send + Sync + 'static) -> World {
        World::with_servers(Arc::new(Unavailable), decide).await
    }

    /// The same with MySQL servers.
    pub async fn with_servers(
        servers: Arc<dyn Servers>,
        decide: impl Fn(&Snapshot) -> Result<Decision, Fault> + Send + Sync + 'static,
    ) -> World {
        let server = Server::start(Options::default()).await.unwrap();
        let user = kube::Client::try_from(kube::Config::new(server.url().parse().unwrap())).unwrap();
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": "widgets.test.dev" },
            "spec": {
                "group": "test.dev", "scope": "Namespaced",
                "names": { "plural": "widgets", "singular": "widget", "kind": "Widget" },
                "versions": [{
                    "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
                    "schema": { "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                            "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                        },
                    } },
                }],
            },
        });
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let (status, stored) = request(&user, "POST", definitions, Some(definition)).await;
        assert_eq!(status, 201, "{stored}");
        for attempt in 0.. {
            let (status, _) = request(&user, "GET", "/apis/test.dev/v1/widgets", None).await;
            if status == 200 {
                break;
            }
            assert!(attempt < 500, "the kind is not served: {status}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let host = Host::start(&user, servers, Arc::new(decide)).await;
        World { _server: server, user, host }
    }

    /// Another process with the same plugin takes over.
    pub async fn restart(&mut self) {
        self.host.stop.cancel();
        let decide = self.host.plugin.decide.lock().unwrap().clone();
        let servers = self.host.context.mysql.clone();
        self.host = Host::start(&self.user, servers, decide).await;
    }

    /// Changes what the plugin is granted.
    pub fn grants(&self, change: impl FnOnce(&mut Grants)) {
        let plugins = &self.host.context.plugins;
        let mut grants = plugins.serving(&widget()).unwrap().grants.clone();
        change(&mut grants);
        plugins.serve(widget(), Arc::new(Served::new(self.host.plugin.clone(), grants, "{}".into())));
    }

    /// Replaces the plugin's mind.
    pub fn decides(&self, decide: impl Fn(&Snapshot) -> Result<Decision, Fault> + Send + Sync + 'static) {
        *self.host.plugin.decide.lock().unwrap() = Arc::new(decide);
    }

    pub async fn create_widget(&self, name: &str, spec: Value) -> Value {
        let body = json!({"apiVersion": "test.dev/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec});
        let (status, stored) =
            request(&self.user, "POST", "/apis/test.dev/v1/namespaces/default/widgets", Some(body)).await;
        assert_eq!(status, 201, "{stored}");
        self.seen(name, &stored).await;
        stored
    }

    /// A merge patch by a user.
    pub async fn patch(&self, path: &str, patch: Value) -> Value {
        let (status, stored) = request(&self.user, "PATCH", path, Some(patch)).await;
        assert_eq!(status, 200, "{stored}");
        if path.contains("/widgets/") {
            let name = path.rsplit('/').next().unwrap();
            self.seen(name, &stored).await;
        }
        stored
    }

    /// Replaces the schema of the kind's `spec` or `status`.
    pub async fn change_schema(&self, part: &str, schema: Value) {
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.test.dev";
        let mut definition = self.get(path).await.unwrap();
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part] = schema;
        let (status, stored) = request(&self.user, "PUT", path, Some(definition)).await;
        assert_eq!(status, 200, "{stored}");
    }

    pub async fn get(&self, path: &str) -> Option<Value> {
        let (status, stored) = request(&self.user, "GET", path, None).await;
        (status == 200).then_some(stored)
    }

    pub async fn delete(&self, path: &str) {
        let (status, answer) = request(&self.user, "DELETE", path, None).await;
        assert!(status < 300, "{answer}");
    }

    pub async fn widget(&self, name: &str) -> Option<Value> {
        self.get(&format!("/apis/test.dev/v1/namespaces/default/widgets/{name}")).await
    }

    /// The condition of the host.
    pub async fn reconciled(&self, name: &str) -> (String, String, String) {
        let widget = self.widget(name).await.unwrap();
        let conditions = widget.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        let found = conditions.iter().find(|condition| condition["type"] == "Reconciled").cloned().unwrap_or_default();
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    /// Events of the host: type, reason and message.
    pub async fn events(&self) -> Vec<(String, String, String)> {
        let list = self.get("/api/v1/namespaces/default/events").await.unwrap();
        let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|event| (text(event, "type"), text(event, "reason"), text(event, "message"))).collect()
    }

    /// Waits until the host's cache has a widget of this version.
    async fn seen(&self, name: &str, stored: &Value) {
        let wanted: u64 = stored["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        self.until(|| {
            let seen = self.host.context.cache.get(&key(name)).and_then(|object| object.version());
            seen.is_some_and(|seen| seen >= wanted)
        })
        .await;
    }

    /// Waits until the host's cache says so.
    pub async fn until(&self, holds: impl Fn() -> bool) {
        for _ in 0..2000 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it did not come true within 10 s");
    }

    /// Runs passes until one after another has nothing to do. Returns what the last one said.
    pub async fn settle(&self, name: &str) -> Next {
        let key = key(name);
        let mut idle = 0;
        for _ in 0..4000 {
            let before = self.taken();
            let next = self.host.context.reconcile(&key).await;
            match &next {
                Next::WaitForCache => tokio::time::sleep(Duration::from_millis(5)).await,
                _ if self.taken() > before => idle = 0,
                _ => {
                    idle += 1;
                    // Events of what others do on their own need a moment.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    if idle == 6 {
                        return next;
                    }
                }
            }
        }
        panic!("it never settles: {:?}", self.host.sent.lock().unwrap().iter().rev().take(10).collect::<Vec<_>>());
    }

    /// How many changes the API server took.
    fn taken(&self) -> usize {
        self.host.sent.lock().unwrap().iter().filter(|sent| sent.status < 300).count()
    }

    /// Forgets what was sent.
    pub fn reset(&self) {
        self.host.sent.lock().unwrap().clear();
    }

    /// Writes that the API server took since the last reset, events left out.
    pub fn writes(&self) -> Vec<String> {
        let sent = self.host.sent.lock().unwrap();
        let counted = sent.iter().filter(|sent| sent.status < 300 && !sent.path.contains("/events"));
        counted.map(|sent| format!("{} {}", sent.method, sent.path.split('?').next().unwrap_or_default())).collect()
    }
}

impl Host {
    async fn start(client: &kube::Client, mysql: Arc<dyn Servers>, decide: Arc<Decide>) -> Host {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let client = counting(client.clone(), sent.clone());
        let (cache, entropy) = (Arc::new(Cache::new()), Arc::new(Entropy::seeded(7)));
        let (metrics, trigger) = (Arc::new(Metrics::new()), Arc::new(Trigger::new()));
        let key = FingerprintKey::new([3; 32]);
        let options = watches::Options { namespaces: Vec::new(), resync: Duration::from_secs(3600), key: key.clone() };
        let watched =
            Watches::new(client.clone(), cache.clone(), options, entropy.clone(), metrics.clone(), Arc::new(|_| {}));
        let kinds = [("", "ConfigMap"), ("", "Secret"), ("apps", "StatefulSet")];
        let kinds = kinds.map(|(group, kind)| Kind::new(group, "v1", kind));
        let plugin = Arc::new(Closure {
            description: Description {
                name: "closure".into(),
                version: "1.0.0".into(),
                serves: Vec::new(),
                writes: kinds.to_vec(),
                reads: Vec::new(),
                backends: Backends { mysql: true, ..Backends::default() },
            },
            decide: Mutex::new(decide),
            calls: AtomicUsize::new(0),
        });
        let grant = |kind: &Kind| KindGrant {
            group: kind.group.clone(),
            kind: kind.kind.clone(),
            cluster_scope: false,
            verbs: Vec::new(),
        };
        let read = |kind: &Kind| ReadGrant {
            group: kind.group.clone(),
            kind: kind.kind.clone(),
            namespaces: vec![],
            names: vec![],
        };
        let grants = Grants {
            writes: kinds.iter().map(grant).collect(),
            reads: kinds.iter().map(read).collect(),
            backends: Backends { mysql: true, ..Backends::default() },
            ..Grants::default()
        };
        let plugins = Arc::new(Plugins::default());
        plugins.serve(widget(), Arc::new(Served::new(plugin.clone(), grants, "{}".into())));
        let (clock, stop) = (Arc::new(SetClock::new(1_700_000_000_000)), CancellationToken::new());
        let context = Context::new(Parts {
            client,
            cache: cache.clone(),
            ledger: Arc::new(Ledger::new()),
            watches: Arc::new(watched),
            trigger,
            plugins,
            mysql,
            azure: Arc::new(windlass::azure::Azure::public()),
            clock: clock.clone(),
            entropy,
            fingerprints: key,
            metrics,
            stop: stop.clone(),
        });
        for kind in kinds.iter().chain([&widget()]) {
            context.watches.ensure(kind);
        }
        for kind in kinds.iter().chain([&widget()]) {
            for attempt in 0.. {
                if cache.synced(kind) {
                    break;
                }
                assert!(attempt < 2000, "{kind} does not sync: {:?}", cache.sync(kind));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Host { context, plugin, clock, sent, stop }
    }
}

/// The same client, noting each request that changes something.
fn counting(client: kube::Client, sent: Arc<Mutex<Vec<Sent>>>) -> kube::Client {
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (client, sent) = (client.clone(), sent.clone());
        async move {
            let (method, path) = (request.method().clone(), request.uri().to_string());
            let response = client.send(request).await?;
            if method != http::Method::GET {
                let status = response.status().as_u16();
                sent.lock().unwrap().push(Sent { method: method.to_string(), path, status });
            }
            Ok::<_, tower::BoxError>(response)
        }
    });
    kube::client::ClientBuilder::new(service, "default").build()
}

/// One raw request.
pub async fn request(client: &kube::Client, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let content_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let path = if method == "GET" || method == "DELETE" {
        path.to_owned()
    } else {
        format!("{path}?fieldManager=kubectl-edit")
    };
    let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let request =
        http::Request::builder().method(method).uri(path).header("content-type", content_type).body(Body::from(body));
    let response = client.send(request.unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}
