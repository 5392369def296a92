//! `windlass inspect`: what a plugin is, before anybody runs it.

use super::about::{self, About, Plugin, Served};
use super::output::{Output, say};
use super::progress;
use super::registry::{self, LARGEST, Subject};
use crate::decide::Limits;
use crate::plugins::source::oci::{Artifact, Signature};
use model::text::bounded;
use serde_json::{Value, json};

/// Show what a plugin is: contract, kinds, permissions, imports, signatures
///
/// Works on broken files as well, says why they are no plugins, and ends with exit code 1 then. What an artifact says of
/// itself and who signed it is shown and not checked: that is for `windlass verify`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  windlass inspect target/plugins/mysql.wasm\n  windlass inspect registry.example.com/team/mysql:1.4.0 --output json"
)]
pub(super) struct Arguments {
    /// A .wasm file, or REGISTRY/NAME:TAG
    #[arg(value_name = "FILE|REFERENCE")]
    subject: String,
    #[command(flatten)]
    registry: registry::Arguments,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { subject, registry, output } = arguments;
    let (bytes, artifact) = match Subject::of(&subject)? {
        Subject::File(file) => (registry::component(&file)?, None),
        Subject::Artifact(reference) => {
            let (registry, timeout) = registry.open(&reference).await?;
            let text = reference.to_string();
            let pulling = registry::within(timeout, registry.pull(&text, LARGEST));
            let fetched = progress::waiting(&format!("pulling {text}"), pulling).await?;
            (fetched.bytes, fetched.artifact)
        }
    };
    let about = progress::waiting("compiling the plugin", about::about(bytes)).await?;
    match output {
        Output::Text => say(format_args!("{}", text(&subject, &about, artifact.as_ref()).trim_end()))?,
        Output::Json => say(format_args!("{:#}", document(&subject, &about, artifact.as_ref())))?,
    }
    match about.problem {
        None => Ok(()),
        Some(problem) => anyhow::bail!("{subject} is no plugin for this host ({})", problem.reason),
    }
}

/// Signatures by their format.
fn formats(artifact: &Artifact) -> Result<Vec<&'static str>, String> {
    let format = |signature: &Signature| match signature {
        Signature::Simple { .. } => "cosign-simple",
        Signature::Bundle(_) => "sigstore-bundle",
    };
    match &artifact.signatures {
        Ok(signatures) => Ok(signatures.iter().map(format).collect()),
        Err(error) => Err(error.to_string()),
    }
}

fn document(subject: &str, about: &About, artifact: Option<&Artifact>) -> Value {
    let mut document = json!(about);
    document["subject"] = subject.into();
    if let Some(artifact) = artifact {
        let (formats, problem) = match formats(artifact) {
            Ok(formats) => (formats, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        document["artifact"] = json!({
            "reference": artifact.reference.by_digest(&artifact.manifest).to_string(),
            "manifest": artifact.manifest, "annotations": artifact.annotations,
            "signatures": formats, "signaturesProblem": problem,
        });
    }
    document
}

/// Lines of `NAME  VALUE`; further values of a name stand below the first.
struct Lines(String);

impl Lines {
    fn put(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        let mut name = name;
        for value in values {
            self.0.push_str(&format!("{name:<13}{}\n", bounded(&value, 512)));
            name = "";
        }
    }
}

fn text(subject: &str, about: &About, artifact: Option<&Artifact>) -> String {
    let About { size, digest, contract, plugin, imports, exports, problem } = about;
    let mut lines = Lines(String::new());
    lines.put("Subject", [subject.to_owned()]);
    if let Some(Plugin { name, version, kinds, permissions }) = plugin {
        lines.put("Plugin", [format!("{name} {version}")]);
        lines.put("Kinds", kinds.iter().map(kind));
        lines.put("Asks for", permissions.iter().cloned());
    }
    lines.put("Contract", [contract.clone().unwrap_or_else(|| "none".into())]);
    lines.put("Imports", imports.iter().cloned());
    lines.put("Exports", exports.iter().cloned());
    lines.put("Size", [format!("{} ({size} bytes)", progress::size(*size as u64))]);
    if *size > Limits::default().component_size {
        lines.put("", [format!("its Plugin needs spec.limits.componentSize of {}Mi", size.div_ceil(1 << 20))]);
    }
    lines.put("Digest", [digest.clone()]);
    if let Some(artifact) = artifact {
        lines.put("Manifest", [artifact.manifest.clone()]);
        lines.put("Annotations", artifact.annotations.iter().map(|(key, value)| format!("{key}: {value}")));
        let signatures = match formats(artifact) {
            Ok(formats) if formats.is_empty() => vec!["none".to_owned()],
            Ok(formats) => formats.into_iter().map(|format| format!("{format}, not checked")).collect(),
            Err(error) => vec![format!("cannot be read: {error}")],
        };
        lines.put("Signatures", signatures);
    }
    if let Some(problem) = problem {
        lines.put("Problem", [problem.reason.clone(), problem.message.clone()]);
    }
    lines.0
}

/// `Thing.a.example  v1 (stored), v1alpha1 (not served), Namespaced`
fn kind(served: &Served) -> String {
    let Served { group, kind, scope, versions } = served;
    let versions: Vec<String> = versions
        .iter()
        .map(|version| {
            let marks = [(version.storage, "stored"), (!version.served, "not served")];
            let marks: Vec<_> = marks.into_iter().filter_map(|(is, mark)| is.then_some(mark)).collect();
            match marks.is_empty() {
                true => version.name.clone(),
                false => format!("{} ({})", version.name, marks.join(", ")),
            }
        })
        .collect();
    format!("{kind}.{group}  {}, {scope}", versions.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::about::{Problem, Version};
    use super::*;
    use crate::plugins::source::oci::reference::Reference;

    fn about() -> About {
        let version = |name: &str, served, storage| Version { name: name.into(), served, storage };
        let kind = Served {
            group: "a.example".into(),
            kind: "Thing".into(),
            scope: "Namespaced".into(),
            versions: vec![version("v1", true, true), version("v1alpha1", false, false)],
        };
        let plugin = Plugin {
            name: "thing".into(),
            version: "1.0.0".into(),
            kinds: vec![kind],
            permissions: vec!["use mysql".into(), "write /Secret".into()],
        };
        About {
            size: 9 << 20,
            digest: "sha256:aa".into(),
            contract: Some("windlass:plugin@1.0.0".into()),
            plugin: Some(plugin),
            imports: vec!["windlass:plugin/log@1.0.0".into()],
            exports: vec![],
            problem: None,
        }
    }

    #[test]
    fn a_plugin_is_shown_with_everything_that_its_operator_has_to_know() {
        let shown = text("a.wasm", &about(), None);
        for line in [
            "Plugin       thing 1.0.0",
            "Kinds        Thing.a.example  v1 (stored), v1alpha1 (not served), Namespaced",
            "Asks for     use mysql",
            "             write /Secret",
            "Size         9.0 MiB (9437184 bytes)",
            "             its Plugin needs spec.limits.componentSize of 9Mi",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
        }
    }

    #[test]
    fn what_strangers_wrote_does_nothing_to_a_terminal() {
        let artifact = Artifact {
            reference: Reference::parse("r.example/a:1").unwrap(),
            manifest: "sha256:bb".into(),
            annotations: [("a".to_owned(), "\x1b[2Jb\nManifest  sha256:cc".to_owned())].into(),
            signatures: Ok(vec![Signature::Bundle(Vec::new())]),
        };
        let about =
            About { plugin: None, problem: Some(Problem { reason: "No".into(), message: "x\ry".into() }), ..about() };
        let shown = text("r.example/a:1", &about, Some(&artifact));
        assert!(shown.contains("a: \\u{1b}[2Jb\\nManifest"), "{shown}");
        assert!(shown.contains("sigstore-bundle, not checked"), "{shown}");
        assert!(shown.chars().all(|character| character == '\n' || !character.is_control()), "{shown:?}");
        let document = document("r.example/a:1", &about, Some(&artifact));
        assert_eq!(document["artifact"]["reference"], "r.example/a:1@sha256:bb");
        assert_eq!(document["problem"]["reason"], "No");
    }
}
