//! Versions that are swapped while there is work (H1). The host is a process of its own: what it uses is its own.

use crate::{COMPILER, grants};
use anyhow::Result;
use futures::StreamExt;
use kube::api::{Api, DynamicObject, WatchEvent, WatchParams};
use plugins_suite::scene::Scene;
use plugins_suite::{greeting, sha256};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

const RESOURCES: usize = 1000;
/// Bytes by which the memory of the host may grow over the second half of the swaps, by the line through all samples.
const GROWTH: f64 = 6.0 * 1024.0 * 1024.0;

/// How often versions are swapped: `WINDLASS_SWAPS`, or a thousand times.
fn swaps() -> usize {
    fixtures::environment::variable("WINDLASS_SWAPS").map_or(1000, |number| number.parse().unwrap())
}

/// A text that was stored for a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    Map,
    Status,
}

/// What was stored, by resourceVersion: kind, resource and text.
type Seen = Arc<Mutex<BTreeMap<u64, (Stored, String, String)>>>;

/// Notes the texts of a kind as they are stored.
fn note(
    api: Api<DynamicObject>,
    stored: Stored,
    pointer: &'static str,
    suffix: &'static str,
    seen: Seen,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut from = "0".to_owned();
        loop {
            let Ok(stream) = api.watch(&WatchParams::default().timeout(240), &from).await else {
                // Too old: from now on.
                if let Ok(list) = api.list(&Default::default()).await {
                    from = list.metadata.resource_version.unwrap_or_default();
                }
                continue;
            };
            tokio::pin!(stream);
            while let Some(Ok(event)) = stream.next().await {
                let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = event else {
                    if let WatchEvent::Error(_) = event {
                        from = String::new();
                        break;
                    }
                    continue;
                };
                let Some(version) = object.metadata.resource_version.clone() else { continue };
                from.clone_from(&version);
                let name = object.metadata.name.unwrap_or_default();
                let text = object.data.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
                if let (Some(name), Some(text), Ok(version)) = (name.strip_suffix(suffix), text, version.parse()) {
                    seen.lock().unwrap().insert(version, (stored, name.to_owned(), text));
                }
            }
        }
    })
}

/// Passes that were not of one piece. A pass writes the ConfigMap before the status: whenever a status is stored, both say
/// the same, unless two versions had a part in one pass.
fn mixed(seen: &Seen) -> Vec<String> {
    let (mut maps, mut mixed) = (BTreeMap::new(), Vec::new());
    for (stored, name, text) in seen.lock().unwrap().values() {
        match stored {
            Stored::Map => drop(maps.insert(name.clone(), text.clone())),
            Stored::Status => match maps.get(name) {
                Some(written) if written != text => {
                    mixed.push(format!("{name}: the status says {text}, the ConfigMap {written}"));
                }
                _ => {}
            },
        }
    }
    mixed
}

/// Bytes of memory that a process has resident, and of them those that are of no file.
fn resident(process: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() * 1024.0
    };
    (field("VmRSS:"), field("RssAnon:"))
}

/// The rise of the line through values at equal distances, over all of them.
fn rise(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    if values.len() < 2 {
        return 0.0;
    }
    let (middle, mean) = ((count - 1.0) / 2.0, values.iter().sum::<f64>() / count);
    let sums = values.iter().enumerate().fold((0.0, 0.0), |(up, down), (at, value)| {
        let distance = at as f64 - middle;
        (up + distance * (value - mean), down + distance * distance)
    });
    sums.0 / sums.1 * (count - 1.0)
}

#[test]
fn a_line_through_samples_rises_as_they_do() {
    assert!((rise(&[1.0, 2.0, 3.0]) - 2.0).abs() < 1e-9);
    assert!(rise(&[5.0, 1.0, 1.0, 5.0]).abs() < 1e-9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_swaps_under_load_mix_no_versions_miss_no_resource_and_leave_memory_flat() -> Result<()> {
    let scene = Scene::prepare(COMPILER, |_| {}).await?;
    let mut host = scene.spawn_host(COMPILER).await?;
    let process = host.id().unwrap();
    let words = ["Hello, ", "Salve, ", "Terve, "];
    let versions: Vec<Vec<u8>> = words.map(|word| greeting(word, 1).unwrap()).into();
    for (number, version) in versions.iter().enumerate() {
        scene.put(&format!("{number}.wasm"), version)?;
    }
    // Without a shadow run for each: this is about the swap itself.
    let spec = |number: usize| {
        json!({
            "source": {"file": {"path": format!("{number}.wasm")}}, "grants": grants(),
            "rollout": {"strategy": "Immediate"},
        })
    };
    scene.apply("greeting", spec(0)).await?;
    scene.until_serves("greeting", &versions[0]).await?;
    let seen = Seen::default();
    let maps = note(scene.objects("", "v1", "ConfigMap"), Stored::Map, "/data/text", "-greeting", seen.clone());
    let greetings = scene.objects("examples.windlass.dev", "v1", "Greeting");
    let statuses = note(greetings, Stored::Status, "/status/text", "", seen.clone());
    for number in 0..RESOURCES {
        scene.greet(&format!("g{number}")).await?;
    }
    let (swaps, mut samples, mut anonymous) = (swaps(), Vec::new(), Vec::new());
    let every = swaps.div_ceil(100);
    for swap in 1..=swaps {
        let number = swap % versions.len();
        scene.apply("greeting", spec(number)).await?;
        let digest = format!("sha256:{}", sha256(&versions[number]));
        scene.until(&format!("swap {swap}"), async || Ok(scene.status("greeting").await?["digest"] == digest)).await?;
        if swap % every == 0 {
            let (all, own) = resident(process);
            samples.push(all);
            anonymous.push(own);
        }
    }
    let last = words[swaps % versions.len()];
    for number in 0..RESOURCES {
        scene.until_greeted(&format!("g{number}"), last).await?;
    }
    let ready = json!({"total": RESOURCES, "ready": RESOURCES, "failing": 0});
    scene
        .until("all resources to be ready", async || Ok(scene.status("greeting").await?["resources"] == ready))
        .await?;
    maps.abort();
    statuses.abort();
    let mixed = mixed(&seen);
    assert!(mixed.is_empty(), "{mixed:?}");
    let count = |wanted: Stored| seen.lock().unwrap().values().filter(|(stored, ..)| *stored == wanted).count();
    assert!(count(Stored::Status) >= RESOURCES && count(Stored::Map) >= RESOURCES);
    let half = samples.len() / 2;
    let (all, own) = (rise(&samples[half..]), rise(&anonymous[half..]));
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    println!(
        "{swaps} swaps, {} texts stored; the host alone: {:.1} MiB resident after the first, {:.1} after half, {:.1} in the end; \
         over the second half {:+.1} MiB, of memory of its own {:+.1} MiB",
        seen.lock().unwrap().len(),
        mib(samples[0]),
        mib(samples[half]),
        mib(*samples.last().unwrap()),
        mib(all),
        mib(own),
    );
    assert!(all < GROWTH && own < GROWTH, "the memory of the host grows: {samples:?}");
    host.kill().await?;
    scene.end().await
}
