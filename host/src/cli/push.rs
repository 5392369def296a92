//! `windlass push`: a plugin goes into a registry, as an artifact that every tool for Wasm artifacts reads.

use super::about::{self, About, Plugin};
use super::output::{Output, say};
use super::{progress, registry};
use crate::clock::{Clock as _, SystemClock, rfc3339};
use crate::plugins::source::oci::{artifact, push::Parcel, reference::Reference};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Push a plugin to a registry, and print its reference by digest
///
/// The plugin is compiled and asked what it is first: what does not load in this version of the host is not pushed. Its
/// version, its kinds and the contract that it speaks become annotations. The artifact has the layout of other tools for
/// Wasm artifacts, such as `wkg`. Signing is for `cosign sign`, with the reference that is printed.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  windlass push target/plugins/mysql.wasm registry.example.com/team/mysql:1.4.0 --source https://example.com/team/mysql"
)]
pub(super) struct Arguments {
    /// The plugin, a .wasm file
    file: PathBuf,
    /// Where to: REGISTRY/NAME:TAG
    reference: String,
    /// Address of its sources, as an annotation
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// One more annotation; may be given several times
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = key_value)]
    annotations: Vec<(String, String)>,
    /// Time of its creation, as 2026-01-31T12:00:00Z; without it, now. The same file with the same time has the same digest
    #[arg(long, value_name = "TIME", value_parser = time)]
    created: Option<String>,
    #[command(flatten)]
    registry: registry::Arguments,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { file, reference, source, annotations, created, registry, output } = arguments;
    let reference = Reference::parse(&reference)?;
    anyhow::ensure!(
        reference.digest.is_none(),
        "{reference} names a digest, and that is what comes out of a push; name a tag"
    );
    let component = registry::component(&file)?;
    let about = progress::waiting("compiling the plugin", about::about(component.clone())).await?;
    let About { plugin: Some(plugin), .. } = &about else {
        let message = about.problem.map(|problem| problem.message).unwrap_or_default();
        anyhow::bail!("{} is not pushed: {message}", file.display());
    };
    let created = created.unwrap_or_else(|| rfc3339(SystemClock.now()));
    let mut all = told(&about, plugin, &created);
    all.extend(source.map(|source| (artifact::SOURCE.to_owned(), source)));
    // What a person says goes before what is made up here.
    all.extend(annotations);
    let config = artifact::config(&component, &about.imports, &about.exports, &created).to_string();
    let parcel =
        Parcel { component: &component, file: format!("{}.wasm", plugin.name), config, annotations: all.clone() };
    let (registry, timeout) = registry.open(&reference).await?;
    let what = format!("pushing {} to {}", progress::size(component.len() as u64), reference.registry);
    let pushing = registry::within(timeout, registry.push(&reference, parcel));
    let manifest = progress::waiting(&what, pushing).await?;
    let pushed = reference.by_digest(&manifest);
    match output {
        Output::Text => {
            tracing::info!("pushed {} {}", plugin.name, plugin.version);
            say(format_args!("{pushed}"))
        }
        Output::Json => say(format_args!(
            "{:#}",
            json!({
                "reference": pushed.to_string(), "manifest": manifest, "digest": about.digest, "size": about.size,
                "name": plugin.name, "version": plugin.version, "annotations": all,
            })
        )),
    }
}

/// What the plugin says of itself, as annotations.
fn told(about: &About, plugin: &Plugin, created: &str) -> BTreeMap<String, String> {
    let kinds: Vec<String> = plugin.kinds.iter().flat_map(super::about::Served::words).collect();
    let all = [
        (artifact::TITLE, plugin.name.clone()),
        (artifact::VERSION, plugin.version.clone()),
        (artifact::CREATED, created.to_owned()),
        (artifact::KINDS, kinds.join(",")),
        (artifact::CONTRACT, about.contract.clone().unwrap_or_default()),
    ];
    all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is no annotation; write it as KEY=VALUE")),
    }
}

fn time(text: &str) -> Result<String, String> {
    let read = chrono::DateTime::parse_from_rfc3339(text);
    read.map(|_| text.to_owned()).map_err(|error| format!("{error}; write it as 2026-01-31T12:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_and_times_are_read_or_refused_with_what_would_be_right() {
        assert_eq!(key_value("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(key_value("=b").is_err() && key_value("a").unwrap_err().contains("KEY=VALUE"));
        assert_eq!(time("2026-01-31T12:00:00Z").as_deref(), Ok("2026-01-31T12:00:00Z"));
        assert!(time("today").unwrap_err().contains("write it as"));
    }
}
