//! `cargo xtask test`: builds everything once, then runs the test programs suite by suite.
//!
//! One build of the whole workspace, whatever suite is asked for: features are unified over all members, so nothing is
//! compiled twice because another subset was named.

use crate::workspace::{Workspace, cargo};
use crate::{beside, build, enclosure, tools};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What `cargo xtask test` takes.
#[derive(Args)]
pub struct Options {
    /// Only this suite; may be given more than once. Without it: all.
    #[arg(long)]
    suite: Vec<Suite>,
    /// Only tests whose name contains this.
    #[arg(long)]
    filter: Option<String>,
    /// Show what tests print even if they pass.
    #[arg(long)]
    nocapture: bool,
    /// Rounds of the suite `mysql`.
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Seed of the rounds of the suite `mysql`; without it another one each time, which is printed.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Only the life of a server in a real subscription, as AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET,
    /// WINDLASS_AZURE_GROUP (the id of a resource group) and, if wished, WINDLASS_AZURE_VAULT (a name) say. It costs money.
    #[arg(long)]
    live: bool,
    /// The suite `azure` at the size that its promises have: 1,000 servers under the limits that Azure publishes. Takes long.
    #[arg(long)]
    full: bool,
    /// What the suite `mysql` prints at its end.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Suites by what they prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Suite {
    /// Pure parts and single modules of every crate.
    Unit,
    /// The embedded cluster against recordings of a real API server and against kubectl.
    Apiserver,
    /// The host with real plugins, through kubectl. Set WINDLASS_TEST_KUBECONFIG to run it on another cluster.
    E2e,
    /// Crashes at every write, stale and lost views, malformed resources.
    Faults,
    /// Plugins that attack the host.
    Hostile,
    /// Real MySQL servers: the host's backend, and clusters that lose no acknowledged row whatever fails.
    Mysql,
    /// `Plugin` resources: sources, load path, hot swap, and everything that is to be refused on the way.
    Plugins,
    /// Azure: the plugin, the stand-in that it is tested against, and the host with both.
    Azure,
    /// The policy of the MySQL plugin on thousands of simulated clusters. WINDLASS_SIMULATOR_SEED=S replays one.
    Simulator,
}

impl Suite {
    /// Suites have packages of their own; everything else is `unit`.
    fn of_package(package: &str) -> Suite {
        match package {
            "apiserver" => Suite::Apiserver,
            "e2e" => Suite::E2e,
            "faults" => Suite::Faults,
            "hostile" => Suite::Hostile,
            "mysql-suite" => Suite::Mysql,
            "azure" | "azuresql" => Suite::Azure,
            "plugins-suite" => Suite::Plugins,
            "simulator" => Suite::Simulator,
            _ => Suite::Unit,
        }
    }
}

impl Options {
    /// Whether a suite is asked for that runs real servers.
    fn needs_mysql(&self) -> bool {
        let without = [Suite::Unit, Suite::Faults, Suite::Hostile, Suite::Azure, Suite::Plugins];
        self.suite.is_empty() || !self.suite.iter().all(|suite| without.contains(suite))
    }

    /// Whether a suite is asked for that runs a real registry.
    fn needs_registry(&self) -> bool {
        self.suite.is_empty() || self.suite.contains(&Suite::Plugins)
    }
}

struct Program {
    path: PathBuf,
    package: String,
    target: String,
    folder: PathBuf,
}

/// Builds and runs.
pub fn test(options: &Options) -> Result<()> {
    let kubectl = tools::kubectl()?;
    println!("kubectl: {}", kubectl.display());
    let mysql = if options.needs_mysql() { Some(tools::mysql()?) } else { None };
    if let Some(mysql) = &mysql {
        println!("mysql: {mysql}");
    }
    let registry = if options.needs_registry() { Some(tools::registry()?) } else { None };
    if let Some(registry) = &registry {
        println!("registry: {}, {}", registry.server.display(), registry.signer.display());
    }
    let workspace = Workspace::find()?;
    let plugins = build::announce(&workspace, None)?;
    let mut programs = programs(&workspace)?;
    programs.retain(|suite, _| options.suite.is_empty() || options.suite.contains(suite));
    let tools = Tools { kubectl, plugins, mysql, registry };
    let done = run_all(programs, options, &tools);
    println!();
    let mut timings: BTreeMap<Suite, Duration> = BTreeMap::new();
    for program in &done {
        *timings.entry(program.suite).or_default() += program.took;
    }
    for (suite, time) in timings {
        println!("suite {suite:?}: {:.1} s", time.as_secs_f64());
    }
    let failed: Vec<&str> = done.iter().filter(|done| !done.passed).map(|done| done.name.as_str()).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// What programs are told of in their environment.
struct Tools {
    kubectl: PathBuf,
    plugins: PathBuf,
    mysql: Option<String>,
    registry: Option<tools::Registry>,
}

/// A program that ended.
struct Done {
    suite: Suite,
    name: String,
    took: Duration,
    passed: bool,
}

/// Runs suites, one program after the other: real servers take a machine, and are asked to be quick. What only computes
/// runs beside them, when they leave a processor idle, and is told of at the end.
fn run_all(programs: BTreeMap<Suite, Vec<Program>>, options: &Options, tools: &Tools) -> Vec<Done> {
    let beside = |suite: &Suite| options.suite.is_empty() && *suite == Suite::Simulator;
    let (beside, in_turn): (BTreeMap<_, _>, BTreeMap<_, _>) =
        programs.into_iter().partition(|(suite, _)| beside(suite));
    for suite in beside.keys() {
        println!("\n== suite {suite:?} runs beside the others; what it says follows them");
    }
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| run_suites(beside, options, tools, &beside::run));
        let mut all = run_suites(in_turn, options, tools, &|command, name| {
            println!("\n-- {name}");
            command.status().map(|status| status.success())
        });
        if !beside.is_finished() {
            println!("\nwaiting for what runs beside");
        }
        match beside.join() {
            Ok(done) => all.extend(done),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        all
    })
}

/// Runs a program to its end, and says whether it passed.
type Runner<'a> = &'a dyn Fn(&mut Command, &str) -> std::io::Result<bool>;

fn run_suites(
    programs: BTreeMap<Suite, Vec<Program>>,
    options: &Options,
    tools: &Tools,
    runner: Runner<'_>,
) -> Vec<Done> {
    let mut all = Vec::new();
    for (suite, programs) in programs {
        println!("\n== suite {suite:?}: {} test programs", programs.len());
        for program in programs {
            let name = format!("{} ({})", program.package, program.target);
            let started = now();
            let passed = runner(&mut command(suite, &program, options, tools), &name).unwrap_or_else(|error| {
                println!("could not run {}: {error}", program.path.display());
                false
            });
            all.push(Done { suite, name, took: now().duration_since(started), passed });
        }
    }
    all
}

/// Rounds of the durability suite among all suites: every fault alone. Alone it runs its own number, pairs among them.
const ROUNDS_AMONG_ALL: u64 = 15;
/// Seed of the durability suite among all suites: a run of everything should say the same twice.
const SEED_AMONG_ALL: u64 = 1;

/// Seeds of the simulator among all suites; alone it runs ten thousand.
const SEEDS_AMONG_ALL: &str = "10000";

/// Of the points at which the host is killed, among all suites every so many-th is tried; alone the suite tries each. Odd,
/// so that points before and after a write take turns.
const CRASHES_AMONG_ALL: &str = "7";

/// Tests of the suite `azure` that run at a time.
const AZURE_AT_A_TIME: &str = "8";

/// Swaps of a plugin's versions among all suites; alone it is a thousand.
const SWAPS_AMONG_ALL: &str = "50";

/// A program with what it needs: tools and plugins.
fn command(suite: Suite, program: &Program, options: &Options, tools: &Tools) -> Command {
    let mut command = match suite {
        Suite::Mysql => enclosure::command(&program.path),
        _ => Command::new(&program.path),
    };
    command.current_dir(&program.folder);
    command.env("KUBECTL", &tools.kubectl).env("WINDLASS_PLUGINS", &tools.plugins);
    command.envs(tools.mysql.as_ref().map(|mysql| (tools::MYSQL, mysql)));
    if let Some(tools::Registry { server, signer }) = &tools.registry {
        command.env(tools::REGISTRY, server).env(tools::COSIGN, signer);
    }
    command.args(&options.filter);
    if options.live && suite == Suite::Azure {
        command.args(["--ignored", "live", "--nocapture"]);
    }
    if suite == Suite::Azure {
        // Most of what its tests do is to wait for Azure.
        command.env("RUST_TEST_THREADS", AZURE_AT_A_TIME);
    }
    if options.full && suite == Suite::Azure {
        command.env("WINDLASS_FULL", "1");
    }
    if options.nocapture {
        command.arg("--nocapture");
    }
    let all = options.suite.is_empty();
    let seed = options.seed.or(all.then_some(SEED_AMONG_ALL));
    let rounds = options.rounds.map(u64::from).or(all.then_some(ROUNDS_AMONG_ALL));
    let numbers = [("WINDLASS_ROUNDS", rounds), ("WINDLASS_SEED", seed)];
    for (variable, number) in numbers {
        command.envs(number.map(|number| (variable, number.to_string())));
    }
    if all {
        command
            .env("WINDLASS_SIMULATOR_SEEDS", SEEDS_AMONG_ALL)
            .env("WINDLASS_SWAPS", SWAPS_AMONG_ALL)
            .env("WINDLASS_CRASH_EVERY", CRASHES_AMONG_ALL);
    }
    if options.output == Output::Json {
        command.env("WINDLASS_OUTPUT", "json");
    }
    command
}

/// Builds all test programs and says which suite each belongs to.
fn programs(workspace: &Workspace) -> Result<BTreeMap<Suite, Vec<Program>>> {
    println!("building the workspace and its tests");
    let output = cargo()
        .args(["test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"])
        .current_dir(&workspace.root)
        .stderr(Stdio::inherit())
        .output()
        .context("could not run cargo")?;
    if !output.status.success() {
        bail!("the workspace does not build");
    }
    let mut programs: BTreeMap<Suite, Vec<Program>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        if let Some(program) = program(&message) {
            // Unit tests inside a suite's own package count as part of that suite.
            programs.entry(Suite::of_package(&program.package)).or_default().push(program);
        }
    }
    Ok(programs)
}

fn program(message: &Value) -> Option<Program> {
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let manifest = PathBuf::from(message["manifest_path"].as_str()?);
    let folder = manifest.parent()?.to_path_buf();
    Some(Program {
        path: PathBuf::from(message["executable"].as_str()?),
        package: package_name(message["package_id"].as_str()?),
        target: message["target"]["name"].as_str()?.to_owned(),
        folder,
    })
}

/// `path+file:///…/tests/e2e#0.1.0` and `path+file:///…/host#windlass@0.1.0` name packages `e2e` and `windlass`.
fn package_name(id: &str) -> String {
    let (path, fragment) = id.rsplit_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name.to_owned(),
        None => path.rsplit('/').next().unwrap_or(path).to_owned(),
    }
}

#[expect(clippy::disallowed_methods, reason = "measures how long suites take, for the person who waits")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_named_by_its_folder_or_by_its_fragment() {
        assert_eq!(package_name("path+file:///w/tests/e2e#0.1.0"), "e2e");
        assert_eq!(package_name("path+file:///w/host#windlass@0.1.0"), "windlass");
    }
}
