//! `cargo xtask demo plugins`: a third kind is added to a running host by one `kubectl apply`, used, upgraded with the
//! difference shown beforehand, broken on purpose, rolled back, and removed.

use super::processes::{Cluster, Stage};
use super::screen::{self, Screen};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Plugins that the host has before.
const BEFORE: [&str; 2] = ["mysql", "backup"];
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the demo on a cluster of its own, without servers.
pub fn demo() -> Result<()> {
    let stage = Stage::set_without_servers()?;
    let mut screen = Screen::new();
    let folders = stage.folder().join("plugins");
    let (plugins, files) = (folders.join("before"), folders.join("files"));
    for folder in [&plugins, &files] {
        std::fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    }
    for name in BEFORE {
        for file in [format!("{name}.wasm"), format!("{name}.grants.yaml")] {
            std::fs::copy(stage.plugins().join(&file), plugins.join(&file))
                .with_context(|| format!("could not copy {file}"))?;
        }
    }
    versions(stage.plugins(), &files)?;
    let cluster = Cluster::start_without_servers(&stage, &mut screen, &plugins, &files)?;
    let result = scenario(&cluster, &mut screen, &files);
    if result.is_err() {
        eprintln!("{}", cluster.last_lines_of_logs());
    }
    screen.timeline();
    result
}

/// The plugin `greeting` as it was built, the next version of it, and a file that is none.
fn versions(plugins: &Path, files: &Path) -> Result<()> {
    let first = std::fs::read(plugins.join("greeting.wasm")).context("greeting.wasm is not built")?;
    // A version that says another word, of the same length, and calls itself by the next number.
    let second = replaced(&replaced(&first, b"Hello, ", b"Salve, ")?, b"0.1.0", b"0.2.0")?;
    let broken = second.get(..second.len() / 2).unwrap_or_default();
    for (name, bytes) in [("0.1.0", &first[..]), ("0.2.0", &second[..]), ("0.3.0", broken)] {
        let path = files.join(format!("greeting-{name}.wasm"));
        std::fs::write(&path, bytes).with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(())
}

/// The only occurrence of a text replaced by one of the same length.
fn replaced(component: &[u8], old: &[u8], new: &[u8]) -> Result<Vec<u8>> {
    let found: Vec<usize> = (0..component.len()).filter(|at| component[*at..].starts_with(old)).collect();
    let [at] = found[..] else {
        bail!("greeting.wasm has {} {} times, and not once", String::from_utf8_lossy(old), found.len())
    };
    let mut component = component.to_vec();
    component[at..at + old.len()].copy_from_slice(new);
    Ok(component)
}

fn manifest(version: &str, strategy: &str) -> String {
    format!(
        "apiVersion: windlass.dev/v1alpha1\nkind: Plugin\nmetadata: {{ name: greeting }}\nspec:\n  \
         source: {{ file: {{ path: greeting-{version}.wasm }} }}\n  \
         grants: {{ writes: [{{ group: \"\", kind: ConfigMap }}] }}\n  rollout: {{ strategy: {strategy} }}\n"
    )
}

fn scenario(cluster: &Cluster, screen: &mut Screen, files: &Path) -> Result<()> {
    screen.step("one kubectl apply adds a kind to the running host");
    let first = manifest("0.1.0", "AllAtOnce");
    screen.text(&first);
    cluster.apply(&first)?;
    until(cluster, "the plugin to serve", |plugin| reason(plugin, "Serving") == "WantedVersion")?;
    screen.text(&cluster.kubectl(&["get", "plugins"])?);
    screen.text(&cluster.kubectl(&["api-resources", "--api-group=examples.windlass.dev"])?);

    screen.step("it is used: kubectl apply of three Greetings");
    for name in ["anna", "berta", "carla"] {
        cluster.apply(&format!(
            "apiVersion: examples.windlass.dev/v1\nkind: Greeting\nmetadata: {{ name: {name} }}\nspec: {{ name: {name} }}\n"
        ))?;
    }
    until_greeted(cluster, "Hello, ")?;
    screen.text(&cluster.kubectl(&["get", "greetings"])?);

    screen.step("what would version 0.2.0 change? windlass plan greeting-0.2.0.wasm");
    screen.text(&cluster.plan(&files.join("greeting-0.2.0.wasm"), files)?);

    screen.step("version 0.2.0 is applied: it runs in shadow over all resources first, and waits for a person's word");
    cluster.apply(&manifest("0.2.0", "Manual"))?;
    until(cluster, "the end of the shadow run", |plugin| reason(plugin, "Shadowed") == "AwaitingApproval")?;
    let plugin = plugin(cluster)?;
    screen.text("status.rollout of kubectl get plugin greeting -o yaml:");
    screen.text(&serde_yaml::to_string(&plugin["status"]["rollout"])?);
    screen.text(&cluster.kubectl(&["get", "plugins"])?);
    let approve = plugin["status"]["rollout"]["approve"].as_str().context("the status names no approval")?.to_owned();
    let approve = format!("windlass.dev/approve={approve}");
    screen.step(&format!("kubectl annotate plugin greeting {approve}"));
    cluster.kubectl(&["annotate", "plugin", "greeting", &approve])?;
    until_greeted(cluster, "Salve, ")?;
    screen.text(&cluster.kubectl(&["get", "greetings"])?);

    screen.step("version 0.3.0 is broken: half of a file. What serves goes on, and the conditions say why");
    cluster.apply(&manifest("0.3.0", "AllAtOnce"))?;
    until(cluster, "the conditions to say so", |plugin| reason(plugin, "Serving") == "PreviousVersion")?;
    screen.text(&cluster.kubectl(&[
        "get",
        "plugin",
        "greeting",
        "-o",
        "jsonpath={range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{\"\\n\"}{end}",
    ])?);
    cluster.apply(
        "apiVersion: examples.windlass.dev/v1\nkind: Greeting\nmetadata: { name: dora }\nspec: { name: dora }\n",
    )?;
    until_greeted(cluster, "Salve, ")?;
    screen.text(&cluster.kubectl(&["get", "greetings"])?);

    screen.step("rolled back to 0.1.0: the manifest from the beginning is applied again");
    cluster.apply(&first)?;
    until_greeted(cluster, "Hello, ")?;
    screen.text(&cluster.kubectl(&["get", "greetings"])?);

    screen.step("removed: kubectl delete plugin greeting. What users made stays");
    cluster.kubectl(&["delete", "plugin", "greeting"])?;
    screen.text(&cluster.kubectl(&["get", "greetings,configmaps", "-o", "name"])?);
    screen.text(&cluster.kubectl(&["get", "plugins"])?);
    screen.done("added, used, upgraded, broken, rolled back and removed, in one host that never restarted");
    Ok(())
}

fn plugin(cluster: &Cluster) -> Result<Value> {
    let text = cluster.kubectl(&["get", "plugin", "greeting", "-o", "json"])?;
    serde_json::from_str(&text).context("kubectl printed no JSON")
}

/// The reason of a condition that is of the newest spec.
fn reason<'a>(plugin: &'a Value, type_: &str) -> &'a str {
    if plugin["status"]["observedGeneration"] != plugin["metadata"]["generation"] {
        return "";
    }
    let conditions = plugin["status"]["conditions"].as_array().into_iter().flatten();
    let mut found = conditions.filter(|condition| condition["type"] == type_);
    found.find_map(|condition| condition["reason"].as_str()).unwrap_or_default()
}

fn until(cluster: &Cluster, what: &str, done: impl Fn(&Value) -> bool) -> Result<()> {
    poll(cluster, what, || Ok(done(&plugin(cluster)?)))
}

/// Waits until the text of every greeting begins so.
fn until_greeted(cluster: &Cluster, word: &str) -> Result<()> {
    poll(cluster, &format!("all texts to begin with {word}"), || {
        let list: Value = serde_json::from_str(&cluster.kubectl(&["get", "greetings", "-o", "json"])?)?;
        let mut items = list["items"].as_array().into_iter().flatten();
        Ok(items.all(|it| it["status"]["text"].as_str().is_some_and(|text| text.starts_with(word))))
    })
}

fn poll(cluster: &Cluster, what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let limit = screen::now() + PATIENCE;
    while !done()? {
        cluster.check_alive()?;
        if screen::now() > limit {
            bail!("waited {} s for {what}", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
