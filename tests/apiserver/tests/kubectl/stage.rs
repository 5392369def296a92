//! A cluster and a kubectl that talks to it.

use apiserver::controllers::{self, Controllers};
use apiserver::node::{self, Node};
use apiserver::{Options, Server};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Longest run of one kubectl.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct Stage {
    server: Server,
    controllers: Controllers,
    node: Node,
    home: TempDir,
}

/// What a kubectl that ended said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub error: String,
}

impl Said {
    /// The output of a kubectl that must have succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "kubectl failed: {}{}", self.out, self.error);
        self.out
    }

    /// What a kubectl that must have failed complained about.
    #[track_caller]
    pub fn refused(self) -> String {
        assert_ne!(self.code, 0, "kubectl succeeded: {}", self.out);
        self.error
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place of this suite that reads the environment")]
fn program() -> String {
    std::env::var("KUBECTL").unwrap_or_else(|_| "kubectl".to_owned())
}

impl Stage {
    /// A cluster with the namespace `t`, in which kubectl works.
    pub async fn start() -> Self {
        let server = Server::start(Options::default()).await.unwrap();
        let config = kube::config::Kubeconfig::from_yaml(&server.kubeconfig()).unwrap();
        let config = kube::Config::from_custom_kubeconfig(config, &Default::default()).await.unwrap();
        let client = kube::Client::try_from(config).unwrap();
        let controllers = Controllers::start(client.clone(), controllers::Options::default());
        controllers.ready().await;
        let node = Node::start(client, node::Options::default());
        let home = tempfile::tempdir().unwrap();
        let kubeconfig = server.kubeconfig().replace("namespace: default", "namespace: t");
        std::fs::write(home.path().join("config"), kubeconfig).unwrap();
        let stage = Self { server, controllers, node, home };
        assert_eq!(stage.run("create namespace t").await.ok(), "namespace/t created\n");
        stage
    }

    pub async fn stop(self) {
        self.node.stop().await;
        self.controllers.stop().await;
        self.server.stop().await;
    }

    /// A path for a file of the test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Write a file of the test; answers its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name).to_string_lossy().into_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).env_clear();
        // Caches of discovery must not outlive the server: ports are used again.
        command.env("HOME", self.home.path()).env("KUBECONFIG", self.path("config"));
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Run kubectl with arguments that are separated by spaces.
    pub async fn run(&self, arguments: &str) -> Said {
        self.exec(&arguments.split_whitespace().collect::<Vec<_>>(), "", &[]).await
    }

    /// The same with a document on the standard input.
    pub async fn feed(&self, arguments: &str, input: &str) -> Said {
        // kubectl takes what begins with a brace for JSON.
        self.exec(&arguments.split_whitespace().collect::<Vec<_>>(), &format!("---\n{input}"), &[]).await
    }

    /// Run kubectl with these arguments, this input and these variables.
    pub async fn exec(&self, arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> Said {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        if !input.is_empty() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await.unwrap();
        }
        let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let ended = ended.unwrap_or_else(|_| panic!("kubectl {arguments:?} did not end")).unwrap();
        Said {
            code: ended.status.code().unwrap_or(-1),
            out: String::from_utf8(ended.stdout).unwrap(),
            error: String::from_utf8(ended.stderr).unwrap(),
        }
    }

    /// A kubectl that goes on running.
    pub fn follow(&self, arguments: &str) -> Following {
        let mut child = self.command(&arguments.split_whitespace().collect::<Vec<_>>()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Following { _child: child, lines }
    }
}

/// A running kubectl; it ends when this is dropped.
pub struct Following {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Following {
    /// The words of the next line.
    pub async fn next(&mut self) -> Vec<String> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("kubectl printed nothing more").unwrap().expect("kubectl ended");
        line.split_whitespace().map(str::to_owned).collect()
    }
}

/// The words of each line, and the column of ages left to the eye.
pub fn words(out: &str) -> Vec<Vec<&str>> {
    out.lines().map(|line| line.split_whitespace().collect()).collect()
}

pub const CONFIG_MAP: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: '1', b: '2'}}";

pub const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: 'nginx:1'}]}
";

pub const STATEFUL_SET: &str = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: 'nginx:1'}]}
";
