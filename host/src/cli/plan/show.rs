//! Judgements in, lines for people or a document for programs out.

use super::question::Asked;
use crate::cli::progress::Shown;
use crate::run::preview::Counted;
use model::ObjectKey;
use model::shadow::{Change, Judgement, Severity, Summary};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// For people
    Text,
    /// One JSON document
    Json,
}

/// Prints what was found. True where something would change.
pub(super) fn show(
    asked: &Asked,
    judged: &[(ObjectKey, Judgement)],
    output: Output,
    colours: bool,
) -> anyhow::Result<bool> {
    let mut summary = Summary::default();
    for (key, judgement) in judged {
        summary.add(&key.to_string(), judgement);
    }
    let text = match output {
        Output::Text => lines(asked, judged, &summary, colours),
        Output::Json => format!("{:#}\n", document(asked, judged, &summary)),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(summary.different > 0)
}

/// `+` what is created, `~` what is changed, `-` what goes, `!` what fails or takes state away.
fn lines(asked: &Asked, judged: &[(ObjectKey, Judgement)], summary: &Summary, colours: bool) -> String {
    let paint = |colour: &str, text: String| match colours {
        true => format!("\x1b[{colour}m{text}\x1b[0m"),
        false => text,
    };
    let mut text = format!("new: {}\nold: {}\n", asked.new, asked.old.as_deref().unwrap_or("nobody; what exists"));
    for remark in &asked.remarks {
        text.push_str(&format!("note: {remark}\n"));
    }
    for (key, judgement) in judged {
        match judgement {
            Judgement::Equal => {}
            Judgement::NotJudged(why) => {
                text.push_str(&format!("\n{key}\n  {}\n", paint("33", format!("? not judged: {}", why.word()))));
            }
            Judgement::Different(difference) => {
                text.push_str(&format!("\n{}\n", paint("1", key.to_string())));
                for change in difference.changes() {
                    let (colour, sign) = sign(change);
                    text.push_str(&format!("  {}\n", paint(colour, format!("{sign} {}", headline(change)))));
                    for field in &change.fields {
                        let value = match (&field.old, &field.new) {
                            (None, None) => String::new(),
                            (old, new) => {
                                let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
                                format!(": {} -> {}", word(old), word(new))
                            }
                        };
                        text.push_str(&format!("      {}{value}\n", field.path));
                    }
                }
            }
        }
    }
    text.push_str(&format!("\n{}\n", summary.words()));
    text
}

fn sign(change: &Change) -> (&'static str, char) {
    use model::shadow::Happens;
    match (change.severity, change.happens) {
        (Severity::Destroys | Severity::Fails, _) => ("31;1", '!'),
        (_, Happens::Created) => ("32", '+'),
        (_, Happens::Deleted | Happens::Recreated) => ("31", '-'),
        _ => ("33", '~'),
    }
}

fn headline(change: &Change) -> String {
    let Change { happens, item, target, note, .. } = change;
    let mut text = happens.word().to_owned();
    if !item.is_empty() {
        text.push_str(&format!(" {item}"));
    }
    if !target.is_empty() {
        text.push_str(&format!(" ({target})"));
    }
    if !note.is_empty() {
        text.push_str(&format!(": {note}"));
    }
    text
}

fn document(asked: &Asked, judged: &[(ObjectKey, Judgement)], summary: &Summary) -> Value {
    let resource = |(key, judgement): &(ObjectKey, Judgement)| {
        let (verdict, changes, reason) = match judgement {
            Judgement::Equal => ("equal", Value::Null, Value::Null),
            Judgement::Different(difference) => ("different", json!(difference.changes()), Value::Null),
            Judgement::NotJudged(why) => ("notJudged", Value::Null, json!(why.word())),
        };
        let ObjectKey { kind, namespace, name } = key;
        let mut document = json!({
            "apiVersion": kind.api_version(), "kind": kind.kind, "namespace": namespace, "name": name, "verdict": verdict,
            "changes": changes, "reason": reason,
        });
        if let Some(map) = document.as_object_mut() {
            map.retain(|_, value| !value.is_null());
        }
        document
    };
    let not_judged: BTreeMap<&str, u32> = summary.not_judged.iter().map(|(why, count)| (why.word(), *count)).collect();
    json!({
        "new": asked.new,
        "old": asked.old,
        "remarks": asked.remarks,
        "differs": summary.different > 0,
        "judged": summary.judged,
        "equal": summary.equal,
        "different": summary.different,
        "failing": summary.failing,
        "destroys": summary.destroys,
        "notJudged": not_judged,
        "resources": judged.iter().map(resource).collect::<Vec<_>>(),
    })
}

/// Tells how far it is, once that takes more than a second: on a terminal in a line that renews itself, else in the log.
pub(super) fn progress(counted: Arc<Counted>) -> Shown {
    let terminal = std::io::stderr().is_terminal();
    let pause = if terminal { Duration::from_millis(500) } else { Duration::from_secs(10) };
    let task = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        loop {
            let (done, total) = (counted.done.load(Ordering::Relaxed), counted.total.load(Ordering::Relaxed));
            if terminal {
                let _ = write!(std::io::stderr(), "\r\x1b[K{done} of {total} resources");
            } else {
                tracing::info!("{done} of {total} resources");
            }
            tokio::time::sleep(pause).await;
        }
    });
    Shown(task, terminal)
}
