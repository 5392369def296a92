//! The processes of the demo: cluster (with its local node, which runs the servers) and host, and the kubectl calls
//! against them.

use super::client::Mysql;
use super::screen::{self, Screen};
use crate::workspace::{Workspace, cargo};
use crate::{build, tools};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Kinds that the tree shows.
const KINDS: &str =
    "mysql,backup,secret,configmap,service,statefulset,poddisruptionbudget,persistentvolumeclaim,cronjob,job,pod";

/// What must be there before anything starts.
pub struct Stage {
    root: PathBuf,
    kubectl: PathBuf,
    windlass: PathBuf,
    plugins: PathBuf,
    mysql: String,
    folder: PathBuf,
}

impl Stage {
    /// Installs what is missing, builds host and plugins, makes a folder for logs and the kubeconfig.
    pub fn set() -> Result<Stage> {
        let kubectl = tools::kubectl()?;
        println!("kubectl: {}", kubectl.display());
        let mysql = tools::mysql()?;
        println!("MySQL: {mysql}");
        Stage::build(kubectl, mysql)
    }

    /// The same for a demo that needs no servers.
    pub fn set_without_servers() -> Result<Stage> {
        let kubectl = tools::kubectl()?;
        println!("kubectl: {}", kubectl.display());
        Stage::build(kubectl, String::new())
    }

    /// Folder of the built plugins.
    pub fn plugins(&self) -> &Path {
        &self.plugins
    }

    /// Folder of this demo.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn build(kubectl: PathBuf, mysql: String) -> Result<Stage> {
        let workspace = Workspace::find()?;
        let plugins = build::announce(&workspace, None)?;
        println!("building the host");
        tools::run(cargo().current_dir(&workspace.root).args([
            "build",
            "--quiet",
            "--workspace",
            "--bin",
            "windlass",
        ]))?;
        let windlass = workspace.target.join("debug/windlass");
        // A folder of its own, so that two demos at once do not meet.
        let folder = workspace.target.join(format!("demo/{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
        Ok(Stage { root: workspace.root, kubectl, windlass, plugins, mysql, folder })
    }
}

/// kubectl on the demo's cluster. Clones may ask from other threads.
#[derive(Clone)]
pub struct Kubernetes {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    root: PathBuf,
}

impl Kubernetes {
    /// What kubectl prints; an error holds what it complained of.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.kubectl)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(arguments)
            .current_dir(&self.root)
            .output()
            .context("could not run kubectl")?;
        if !output.status.success() {
            bail!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The address of the server that a Service points at.
    pub fn behind(&self, service: &str) -> Result<Option<String>> {
        let selector = format!("kubernetes.io/service-name={service}");
        let text = self.kubectl(&["get", "endpointslices", "-l", &selector, "-o", "json"])?;
        let list: Value = serde_json::from_str(&text).context("kubectl printed no JSON")?;
        let slices = list["items"].as_array().into_iter().flatten();
        let mut endpoints = slices.flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
        let ready = endpoints.find(|endpoint| endpoint["conditions"]["ready"] != false);
        Ok(ready.and_then(|endpoint| endpoint["addresses"][0].as_str()).map(str::to_owned))
    }

    /// The password in a Secret.
    pub fn password(&self, secret: &str) -> Result<String> {
        self.kubectl(&["get", "secret", secret, "-o", "go-template={{.data.password | base64decode}}"])
    }
}

/// A running cluster with a running host. Dropping it ends both.
pub struct Cluster {
    root: PathBuf,
    kubectl: PathBuf,
    mysql: String,
    windlass: PathBuf,
    folder: PathBuf,
    children: RefCell<Vec<(&'static str, Child)>>,
}

impl Cluster {
    /// Starts the cluster, waits until it answers, starts the host, waits until the kinds of the plugins are served.
    pub fn start(stage: &Stage, screen: &mut Screen) -> Result<Cluster> {
        let cluster = Cluster {
            root: stage.root.clone(),
            kubectl: stage.kubectl.clone(),
            mysql: stage.mysql.clone(),
            windlass: stage.windlass.clone(),
            folder: stage.folder.clone(),
            children: RefCell::new(Vec::new()),
        };
        let _ = std::fs::remove_file(cluster.kubeconfig());
        let kubeconfig = cluster.kubeconfig().display().to_string();
        screen.step(
            "windlass cluster: a Kubernetes API server and its controllers, in memory, and a node that runs mysqld",
        );
        cluster.spawn(
            "cluster",
            &stage.windlass,
            // A kubelet waits longer before it starts a server that ended twice, and asks less often how one does.
            &[
                "cluster",
                "--listen",
                "127.0.0.1:0",
                "--kubeconfig",
                &kubeconfig,
                "--node",
                "--state-dir",
                &cluster.state().display().to_string(),
                "--restart-backoff=1",
                "--probe-period=1",
            ],
        )?;
        cluster.poll("the cluster to answer", || {
            cluster.kubeconfig().exists() && cluster.kubectl(&["get", "--raw", "/readyz"]).is_ok()
        })?;
        screen.step("windlass run: the host, with the plugins mysql and backup");
        let plugins = stage.plugins.display().to_string();
        cluster.spawn(
            "host",
            &stage.windlass,
            &["run", "--kubeconfig", &kubeconfig, "--plugins", &plugins, "--listen-metrics", "127.0.0.1:0"],
        )?;
        for crd in ["mysqls.database.example.com", "backups.backup.windlass.dev"] {
            cluster.poll(&format!("the kind {crd}"), || {
                cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=5s", &format!("crd/{crd}")]).is_ok()
            })?;
        }
        screen.text(&cluster.kubectl(&["api-resources", "--api-group=database.example.com"])?);
        Ok(cluster)
    }

    /// The same without a node: with plugins of a folder, and a folder that `Plugin` resources may name files of.
    pub fn start_without_servers(stage: &Stage, screen: &mut Screen, plugins: &Path, files: &Path) -> Result<Cluster> {
        let cluster = Cluster {
            root: stage.root.clone(),
            kubectl: stage.kubectl.clone(),
            mysql: String::new(),
            windlass: stage.windlass.clone(),
            folder: stage.folder.clone(),
            children: RefCell::new(Vec::new()),
        };
        let _ = std::fs::remove_file(cluster.kubeconfig());
        let at = |path: &Path| path.display().to_string();
        let kubeconfig = at(&cluster.kubeconfig());
        screen.step("windlass cluster: a Kubernetes API server and its controllers, in memory");
        let arguments = ["cluster", "--listen", "127.0.0.1:0", "--kubeconfig", &kubeconfig];
        cluster.spawn("cluster", &stage.windlass, &arguments)?;
        cluster.poll("the cluster to answer", || {
            cluster.kubeconfig().exists() && cluster.kubectl(&["get", "--raw", "/readyz"]).is_ok()
        })?;
        screen.step("windlass run: the host, with two kinds");
        let (plugins, files, cache) = (at(plugins), at(files), at(&cluster.folder.join("cache")));
        let mut arguments = vec!["run", "--kubeconfig", &kubeconfig, "--plugins", &plugins, "--plugin-files", &files];
        arguments.extend(["--cache-dir", &cache, "--plugin-refresh", "10s"]);
        cluster.spawn("host", &stage.windlass, &arguments)?;
        for crd in ["mysqls.database.example.com", "plugins.windlass.dev"] {
            cluster.poll(&format!("the kind {crd}"), || {
                cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=5s", &format!("crd/{crd}")]).is_ok()
            })?;
        }
        screen.text(&cluster.kubectl(&["get", "customresourcedefinitions", "-o", "name"])?);
        Ok(cluster)
    }

    /// What `windlass plan` prints about a component.
    pub fn plan(&self, component: &Path, files: &Path) -> Result<String> {
        let windlass = &self.windlass;
        let output = Command::new(windlass)
            .args(["--log", "warn", "plan"])
            .arg(component)
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .arg("--plugin-files")
            .arg(files)
            .output()
            .with_context(|| format!("could not run {}", windlass.display()))?;
        // 2: there are differences.
        if !matches!(output.status.code(), Some(0 | 2)) {
            bail!("windlass plan: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The kubeconfig of the cluster.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// A file of the project.
    pub fn read(&self, path: &str) -> Result<String> {
        std::fs::read_to_string(self.root.join(path)).with_context(|| format!("could not read {path}"))
    }

    /// kubectl on this cluster.
    pub fn kubernetes(&self) -> Kubernetes {
        Kubernetes { kubectl: self.kubectl.clone(), kubeconfig: self.kubeconfig(), root: self.root.clone() }
    }

    /// What kubectl prints; an error holds what it complained of.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.kubernetes().kubectl(arguments)
    }

    /// MySQL's own client, of the first installation.
    pub fn mysql(&self) -> Result<Mysql> {
        let held = self.installation()?;
        let bin = held["bin"].as_str().context("the description of MySQL names no programs")?;
        Ok(Mysql::new(Path::new(bin).join("mysql"), self.folder.clone()))
    }

    /// The release series of the servers: `9.7`.
    pub fn series(&self) -> Result<String> {
        let held = self.installation()?;
        let version = held["version"].as_str().context("the description of MySQL names no version")?;
        Ok(version.split('.').take(2).collect::<Vec<_>>().join("."))
    }

    fn installation(&self) -> Result<Value> {
        let first = std::env::split_paths(&self.mysql).next().context("no installation of MySQL is named")?;
        let file = if first.is_dir() { first.join("mysql.json") } else { first };
        let text = std::fs::read(&file).with_context(|| format!("could not read {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", file.display()))
    }

    /// `kubectl apply` of a manifest.
    pub fn apply(&self, manifest: &str) -> Result<String> {
        let file = self.folder.join("manifest.yaml");
        std::fs::write(&file, manifest).with_context(|| format!("could not write {}", file.display()))?;
        self.kubectl(&["apply", "-f", &file.display().to_string()])
    }

    /// The process of the server in a pod, where one runs: what the node notes of it.
    pub fn server_process(&self, pod: &str) -> Option<u64> {
        let file = self.state().join(format!("running/default_{pod}_mysql.json"));
        let process: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        process["pid"].as_u64()
    }

    /// Ends a process as a crash does: SIGKILL.
    pub fn kill(&self, process: u64) -> Result<()> {
        tools::run(Command::new("kill").args(["-KILL", &process.to_string()]))
    }

    /// Where the node keeps its pods' data.
    fn state(&self) -> PathBuf {
        self.folder.join("node")
    }

    /// Everything in the namespace that the tree may show, as one list.
    pub fn world(&self) -> Result<Value> {
        serde_json::from_str(&self.kubectl(&["get", KINDS, "-o", "json"])?).context("kubectl printed no JSON")
    }

    /// An error when a process ended that should run.
    pub fn check_alive(&self) -> Result<()> {
        for (name, child) in self.children.borrow_mut().iter_mut() {
            if let Some(status) = child.try_wait().context("could not ask for a process")? {
                bail!("the {name} ended with {status}");
            }
        }
        Ok(())
    }

    /// Waits until one of the processes ends, as it does on Ctrl-C.
    pub fn wait_for_end(&self) -> Result<()> {
        while self.check_alive().is_ok() {
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// The ends of the logs, for when something went wrong.
    pub fn last_lines_of_logs(&self) -> String {
        let mut text = String::new();
        for name in ["cluster", "host"] {
            let path = self.log(name);
            let log = std::fs::read_to_string(&path).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            text.push_str(&format!("\nlast lines of {}:\n", path.display()));
            for line in tail.iter().rev() {
                text.push_str(&format!("  {line}\n"));
            }
        }
        text
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    fn spawn(&self, name: &'static str, program: &Path, arguments: &[&str]) -> Result<()> {
        let log = File::create(self.log(name)).with_context(|| format!("could not create the log of the {name}"))?;
        let errors = log.try_clone().context("could not share a log file")?;
        let mut command = Command::new(program);
        if !self.mysql.is_empty() {
            command.env(tools::MYSQL, &self.mysql);
        }
        let child = command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        self.children.borrow_mut().push((name, child));
        Ok(())
    }

    fn poll(&self, what: &str, mut done: impl FnMut() -> bool) -> Result<()> {
        let limit = screen::now() + super::PATIENCE;
        while !done() {
            if let Err(error) = self.check_alive() {
                bail!("{error}\n{}", self.last_lines_of_logs());
            }
            if screen::now() > limit {
                bail!("waited {} s for {what}\n{}", super::PATIENCE.as_secs(), self.last_lines_of_logs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Cluster {
    /// The host first, so that it does not complain of a lost cluster.
    fn drop(&mut self) {
        while let Some((_, mut child)) = self.children.borrow_mut().pop() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
