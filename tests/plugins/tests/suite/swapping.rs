//! Versions that are swapped while there is work (H1).

use crate::{grants, scene};
use anyhow::Result;
use fixtures::wire::Fate;
use plugins_suite::{greeting, sha256};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const RESOURCES: usize = 1000;

/// How often versions are swapped: `WINDLASS_SWAPS`, or a thousand times.
fn swaps() -> usize {
    fixtures::environment::variable("WINDLASS_SWAPS").map_or(1000, |number| number.parse().unwrap())
}

/// What the host wrote last for each resource, and each pass that was not of one piece.
#[derive(Default)]
struct Seen {
    maps: BTreeMap<String, String>,
    mixed: Vec<String>,
    statuses: usize,
}

/// Bytes of memory that this process has resident.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_swaps_under_load_mix_no_versions_and_miss_no_resource() -> Result<()> {
    let scene = scene().await?;
    let versions: Vec<Vec<u8>> = ["Hello, ", "Salve, ", "Terve, "].map(|word| greeting(word, 1).unwrap()).into();
    let words = ["Hello, ", "Salve, ", "Terve, "];
    for (number, version) in versions.iter().enumerate() {
        scene.put(&format!("{number}.wasm"), version)?;
    }
    let spec = |number: usize| json!({"source": {"file": {"path": format!("{number}.wasm")}}, "grants": grants()});

    // The text is in the ConfigMap and in the status. A pass writes the first before the second: whenever a status is
    // written, both say the same, unless two versions had a part in one pass.
    let seen = Arc::new(Mutex::new(Seen::default()));
    let noted = seen.clone();
    scene.wire.rule(move |sent| {
        if !sent.is_write() {
            return Fate::Pass;
        }
        let mut seen = noted.lock().unwrap();
        let body = sent.json();
        if let Some(name) = sent.path.rsplit_once("/configmaps/").and_then(|(_, name)| name.strip_suffix("-greeting")) {
            if let Some(text) = body["data"]["text"].as_str() {
                seen.maps.insert(name.into(), text.into());
            }
        } else if let Some((_, rest)) = sent.path.rsplit_once("/greetings/")
            && let Some(name) = rest.strip_suffix("/status")
            && let Some(text) = body["status"]["text"].as_str()
        {
            seen.statuses += 1;
            if seen.maps.get(name).is_some_and(|written| written != text) {
                let line = format!("{name}: the status says {text}, the ConfigMap {}", seen.maps[name]);
                seen.mixed.push(line);
            }
        }
        Fate::Pass
    });

    scene.apply("greeting", spec(0)).await?;
    scene.until_serves("greeting", &versions[0]).await?;
    for number in 0..RESOURCES {
        scene.greet(&format!("g{number}")).await?;
    }
    // Told and not judged: this process holds the API server and its history as well.
    let (swaps, mut before) = (swaps(), 0);
    for swap in 1..=swaps {
        let number = swap % versions.len();
        scene.apply("greeting", spec(number)).await?;
        let digest = format!("sha256:{}", sha256(&versions[number]));
        scene.until(&format!("swap {swap}"), async || Ok(scene.status("greeting").await?["digest"] == digest)).await?;
        scene.wire.forget();
        if swap == swaps.div_ceil(3) {
            before = resident();
        }
    }
    let last = words[swaps % versions.len()];
    for number in 0..RESOURCES {
        scene.until_greeted(&format!("g{number}"), last).await?;
    }
    let after = resident();
    scene
        .until("all resources to be ready", async || {
            Ok(scene.status("greeting").await?["resources"]
                == json!({"total": RESOURCES, "ready": RESOURCES, "failing": 0}))
        })
        .await?;
    {
        let seen = seen.lock().unwrap();
        assert!(seen.mixed.is_empty(), "{:?}", seen.mixed);
        assert!(seen.statuses >= RESOURCES, "{}", seen.statuses);
    }
    println!("resident after a third of {swaps} swaps: {} MiB, after all: {} MiB", before >> 20, after >> 20);
    scene.end().await
}
