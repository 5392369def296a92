//! A cluster whose node runs real MySQL servers, for one test, and what the tests ask of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use apiserver::controllers::{self, Controllers};
use apiserver::node::processes::{Access, Backoff, Installation, Options, Process, Processes};
use apiserver::node::{self, Node};
use apiserver::{Options as ServerOptions, Server};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use k8s_openapi::serde::Serialize;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::{DeleteParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, core::NamespaceResourceScope};
use serde_json::{Value, json};

/// Longest wait: a server is initialised in some seconds, on a busy machine in many.
pub const PATIENCE: Duration = Duration::from_secs(120);
pub const PASSWORD: &str = "it's \\ a /tmp password";

pub struct Stage {
    pub server: Server,
    pub client: Client,
    pub controllers: Controllers,
    pub node: Option<Node>,
    pub state: tempfile::TempDir,
    pub access: Access,
}

/// The installation that the environment names. There is no test without one.
#[expect(clippy::disallowed_methods, reason = "tests read their environment")]
pub fn installation() -> Installation {
    let value = std::env::var(Installation::VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{} names no installation of MySQL: run `cargo xtask test`, or `cargo xtask mysql`",
            Installation::VARIABLE
        )
    });
    Installation::read_all(&OsString::from(value)).unwrap().remove(0)
}

impl Stage {
    pub async fn set() -> Self {
        let mut stage = Self::without_node().await;
        stage.start_node();
        stage
    }

    pub async fn without_node() -> Self {
        let server = Server::start(ServerOptions::default()).await.unwrap();
        let client = client(&server.kubeconfig()).await;
        let controllers = Controllers::start(client.clone(), controllers::Options::default());
        let state = tempfile::tempdir().unwrap();
        let access = Access::to(state.path());
        let stage = Self { server, client, controllers, node: None, state, access };
        let secret = json!({"metadata": {"name": "root"}, "stringData": {"password": PASSWORD}});
        stage.create::<Secret>(secret).await;
        let cnf = "[mysqld]\nloose_mysqlx = OFF\ngtid_mode = ON\nenforce_gtid_consistency = ON\nlog_bin = binlog\n\
                   datadir = /var/lib/mysql\nsocket = /var/run/mysqld/mysqld.sock\nsecure_file_priv = NULL\n\
                   admin_port = 33062\ninit_file = /etc/windlass/start.sql\n";
        let map = json!({"metadata": {"name": "config"}, "data": {"my.cnf": cnf, "start.sql": "SET GLOBAL max_connections = 77;\n"}});
        stage.create::<ConfigMap>(map).await;
        stage
    }

    pub fn start_node(&mut self) {
        self.node = Some(start_node(&self.client, options(self.state.path())));
    }

    pub async fn stop_node(&mut self) {
        if let Some(node) = self.node.take() {
            node.stop().await;
        }
        assert_eq!(self.access.all(), [], "nothing runs without a node");
    }

    pub async fn stop(mut self) {
        self.stop_node().await;
        self.controllers.stop().await;
        self.server.stop().await;
    }

    pub fn api<K: Object>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), "default")
    }

    pub async fn create<K: Object>(&self, object: Value) -> K {
        self.api::<K>().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap()
    }

    pub async fn delete<K: Object>(&self, name: &str) {
        drop(self.api::<K>().delete(name, &DeleteParams::default()).await.unwrap());
    }

    /// Waits until an object looks as wanted.
    pub async fn until<K: Object>(&self, name: &str, wanted: impl Fn(&K) -> bool) -> K {
        let stream = watcher(self.api::<K>(), watcher::Config::default().fields(&format!("metadata.name={name}")));
        let mut objects = std::pin::pin!(stream.default_backoff().applied_objects());
        let found = async {
            loop {
                if let Some(Ok(object)) = futures::StreamExt::next(&mut objects).await
                    && wanted(&object)
                {
                    return object;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(object) => object,
            Err(_) => {
                panic!("{name} never looked as wanted: {:#?}\n{}", self.api::<K>().get_opt(name).await, self.logs())
            }
        }
    }

    pub async fn until_ready(&self, pod: &str) -> Pod {
        self.until(pod, |p: &Pod| is_ready(p)).await
    }

    /// Waits until the process of the container `mysql` is another one than `before`, and no step of preparing.
    pub async fn until_another(&self, before: &Process) -> Process {
        self.until_process(&before.pod, |now| !now.preparing && (now.pid, now.began) != (before.pid, before.began))
            .await
    }

    /// Waits until a process of the container `mysql` runs that looks as wanted.
    pub async fn until_process(&self, pod: &str, wanted: impl Fn(&Process) -> bool) -> Process {
        let find = async {
            loop {
                match self.process(pod).filter(|process| wanted(process)) {
                    Some(process) => return process,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, find).await.unwrap_or_else(|_| panic!("{}", self.logs()))
    }

    pub fn process(&self, pod: &str) -> Option<Process> {
        self.access.find("default", pod, "mysql")
    }

    /// What everything wrote so far.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        let folders = std::fs::read_dir(self.state.path().join("logs")).into_iter().flatten().flatten();
        for file in folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten()) {
            text.push_str(&format!("--- {}\n", file.path().display()));
            text.push_str(&std::fs::read_to_string(file.path()).unwrap_or_default());
        }
        text
    }

    /// Asks a server over TCP, as root.
    pub async fn sql(&self, process: &Process, statement: &str) -> Result<String, String> {
        let output = self.ask(process, statement).await;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    async fn ask(&self, process: &Process, statement: &str) -> Output {
        let client: PathBuf = installation().bin.join("mysql");
        let mut command = tokio::process::Command::new(client);
        command.args(["--no-defaults", "--protocol=tcp", "--user=root", "--batch", "--skip-column-names"]);
        command.arg(format!("--host={}", process.address)).args(["--execute", statement]).env("MYSQL_PWD", PASSWORD);
        command.output().await.unwrap()
    }
}

pub fn options(state: &Path) -> Options {
    Options {
        backoff: Backoff { first: Duration::from_millis(200), ..Backoff::default() },
        longest_probe_period: Some(Duration::from_millis(250)),
        ..Options::new(state, vec![installation()])
    }
}

pub fn start_node(client: &Client, options: Options) -> Node {
    let runtime = Processes::start(client.clone(), options).unwrap();
    Node::start(client.clone(), node::Options { runtime: Arc::new(runtime), ..node::Options::default() })
}

pub async fn client(kubeconfig: &str) -> Client {
    let config = kube::config::Kubeconfig::from_yaml(kubeconfig).unwrap();
    Client::try_from(kube::Config::from_custom_kubeconfig(config, &Default::default()).await.unwrap()).unwrap()
}

pub fn is_ready(pod: &Pod) -> bool {
    pod.status.iter().flat_map(|s| s.conditions.iter().flatten()).any(|c| c.type_ == "Ready" && c.status == "True")
}

/// The pod that the MySQL plugin makes, as far as it matters to a node, on the claim of this name.
pub fn mysql_pod(name: &str, claim: &str) -> Value {
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let probe = json!({"exec": {"command": ["mysqladmin", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1",
        "--port=3306", "--connect-timeout=4", "ping"]}, "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 2});
    let mut startup = probe.clone();
    startup["failureThreshold"] = json!(100);
    json!({
        "metadata": {"name": name, "labels": {"apps.kubernetes.io/pod-index": "3"}},
        "spec": {
            "terminationGracePeriodSeconds": 60,
            "containers": [{
                "name": "mysql", "image": "mysql:9.7",
                "args": ["mysqld", "--server-id=1000$(POD_INDEX)", "--report-host=$(POD_NAME).x", "--admin-address=$(POD_IP)"],
                "env": [field("POD_NAME", "metadata.name"), field("POD_IP", "status.podIP"),
                    field("POD_INDEX", "metadata.labels['apps.kubernetes.io/pod-index']"),
                    {"name": "MYSQL_ROOT_PASSWORD_FILE", "value": "/run/windlass/root/password"},
                    {"name": "MYSQL_ROOT_HOST", "value": "%"},
                    {"name": "MYSQL_INITDB_SKIP_TZINFO", "value": "1"}],
                "startupProbe": startup, "livenessProbe": probe, "readinessProbe": probe,
                "volumeMounts": [
                    {"name": "data", "mountPath": "/var/lib/mysql", "subPath": "mysql"},
                    {"name": "config", "mountPath": "/etc/mysql/conf.d"}, {"name": "start", "mountPath": "/etc/windlass"},
                    {"name": "root", "mountPath": "/run/windlass/root"}, {"name": "run", "mountPath": "/var/run/mysqld"},
                    {"name": "tmp", "mountPath": "/tmp"}],
            }],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": claim}},
                {"name": "config", "configMap": {"name": "config", "items": [{"key": "my.cnf", "path": "windlass.cnf"}]}},
                {"name": "start", "configMap": {"name": "config", "items": [{"key": "start.sql", "path": "start.sql"}]}},
                {"name": "root", "secret": {"secretName": "root", "defaultMode": 288}},
                {"name": "run", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        },
    })
}

pub fn claim(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
}

/// Sends a signal by its name, like `KILL`.
pub fn signal(process: &Process, signal: &str) {
    let status = std::process::Command::new("kill").args([&format!("-{signal}"), &process.pid.to_string()]).status();
    assert!(status.unwrap().success());
}

/// A namespaced kind.
pub trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + std::fmt::Debug
    + Serialize
    + DeserializeOwned
    + Send
    + 'static
{
}
impl<K> Object for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned
        + Send
        + 'static
{
}
