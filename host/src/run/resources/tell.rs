//! The status of a `Plugin`, written where it differs from what is there.

use super::keeper::{Keeper, Running};
use crate::client::DEADLINE;
use crate::clock::rfc3339;
use crate::plugins::permissions;
use crate::plugins::resource::condition::{self, Stage};
use crate::plugins::resource::status::{DecisionCost, Phase, PluginStatus, Resources, RolloutStatus, ServedKind};
use crate::plugins::resource::{GROUP, PLURAL, VERSION};
use crate::watch::page::chain;
use crate::watch::{Cache, Object};
use http::Request;
use model::names::FIELD_MANAGER;
use model::{Kind, status::READY, status::RECONCILED};
use serde_json::{Value, json};

/// The path of a `Plugin`.
pub(super) fn path(name: &str) -> String {
    format!("/apis/{GROUP}/{VERSION}/{PLURAL}/{name}")
}

impl Keeper<'_> {
    /// Writes the status, where it differs. True when it says what it should.
    pub async fn tell(&self, plugin: &Object) -> bool {
        let newest = self.shared.host.cache.get(&plugin.key);
        let document = newest.as_ref().map_or_else(|| plugin.value(), |newest| newest.value());
        let previous = document.get("status").cloned().unwrap_or(Value::Null);
        let status = self.status(&previous, plugin.generation);
        if status == previous {
            return true;
        }
        let patch = change(&previous, &status);
        let sent = self.patch(&format!("{}/status", path(&self.name)), &json!({ "status": patch })).await;
        if let Err(error) = &sent {
            tracing::warn!(plugin = self.name, "the status of the Plugin could not be written: {}", chain(error));
        }
        sent.is_ok()
    }

    /// A merge patch.
    pub(super) async fn patch(&self, path: &str, patch: &Value) -> kube::Result<Value> {
        let request = Request::patch(format!("{path}?fieldManager={FIELD_MANAGER}"))
            .header(http::header::CONTENT_TYPE, "application/merge-patch+json")
            .body(patch.to_string().into_bytes())
            .map_err(kube::Error::HttpError)?;
        let sent = tokio::time::timeout(DEADLINE, self.shared.host.client.request::<Value>(request)).await;
        sent.unwrap_or_else(|_| Err(kube::Error::Service("no answer in time".into())))
    }

    fn status(&self, previous: &Value, generation: i64) -> Value {
        let wanted = self.last.wanted.map(|digest| format!("sha256:{digest}"));
        let mut status = PluginStatus { wanted_digest: wanted, ..PluginStatus::default() };
        if let Some(running) = &self.running {
            let description = running.watched.plugin().description();
            let account = running.watched.account();
            status = PluginStatus {
                digest: Some(format!("sha256:{}", running.digest)),
                version: Some(description.version.clone()),
                kinds: self.kinds(running),
                permissions: Some(permissions::compare(description, &running.served.grants)),
                resources: Some(count(&self.shared.host.cache, &running.kinds())),
                last_decision: account.last_cost.map(|cost| DecisionCost {
                    fuel: cost.fuel,
                    microseconds: u64::try_from(cost.wall.as_micros()).unwrap_or(u64::MAX),
                    memory_bytes: cost.peak_memory as u64,
                    output_bytes: cost.output_bytes as u64,
                }),
                ..status
            };
        } else {
            // What it served stays named: it tells what is left when the Plugin goes.
            status.kinds = super::kinds_of_status(&json!({ "status": previous }));
            status.digest = previous.get("digest").and_then(Value::as_str).map(str::to_owned);
        }
        // Before it is known what is wanted, an earlier process's word stays: it tells which part was served.
        let told = || previous.get("rollout").cloned().and_then(|told| serde_json::from_value(told).ok());
        let unknown = self.loaded.is_none() || self.listing;
        status.rollout = match self.rollout_status().or_else(|| self.promoted.clone()) {
            None if unknown => told(),
            None => kept(previous, &status),
            some => some,
        };
        let conditions = condition::conditions(&self.last.passed, self.last.stopped.as_ref(), self.serving());
        let now = rfc3339(self.shared.clock.now());
        let mut value = serde_json::to_value(&status).unwrap_or_default();
        value["conditions"] = condition::rendered(&conditions, previous, generation, &now);
        if let (Some(running), Some(conditions)) = (&self.running, value["conditions"].as_array_mut()) {
            let (acting, denied) = (running.served.acting(), running.served.denied().now());
            conditions.push(condition::permitted(acting.account(), &denied, previous, generation, &now));
        }
        value["observedGeneration"] = generation.into();
        value
    }

    fn kinds(&self, running: &Running) -> Vec<ServedKind> {
        let served = running.definitions.iter().filter_map(|definition| {
            let kind = definition.watched()?;
            let (definition, api_version) = (definition.name().to_owned(), kind.api_version());
            Some(ServedKind { definition, kind: kind.kind.clone(), api_version })
        });
        let mut kinds: Vec<_> = served.collect();
        kinds.sort();
        kinds
    }

    /// What decides, in words: reason and message; or why nothing does.
    fn serving(&self) -> Result<(&str, String), String> {
        let stopped = self.last.stopped.as_ref();
        let Some(running) = &self.running else {
            return Err(match stopped {
                Some(stopped) => {
                    format!(
                        "nothing decides for its kinds: it stopped at {}: {}",
                        stopped.stage.word(),
                        stopped.message
                    )
                }
                None => "nothing decides for its kinds yet".into(),
            });
        };
        let description = running.watched.plugin().description();
        let what = format!("{} {}, sha256:{}", description.name, description.version, running.digest);
        let storm = running.watched.storm().map(|breakdown| format!("; it breaks down again and again: {breakdown}"));
        let storm = storm.unwrap_or_default();
        Ok(match stopped {
            None if storm.is_empty() => ("WantedVersion", format!("{what} decides")),
            None => ("BreaksDown", format!("{what} decides{storm}, and there is no version to fall back to")),
            Some(stopped) if stopped.reason == ROLLING_OUT => {
                (ROLLING_OUT, format!("{what} decides, and in part a newer one: {}{storm}", stopped.message))
            }
            Some(stopped) if stopped.stage == Stage::Serving => {
                ("FellBack", format!("{what} decides again: {}{storm}", stopped.message))
            }
            Some(stopped) => (
                "PreviousVersion",
                format!(
                    "{what} goes on deciding; what is wanted stopped at {}: {}{storm}",
                    stopped.stage.word(),
                    stopped.message
                ),
            ),
        })
    }
}

/// The merge patch that makes one value of another: what is not said any more is taken out, at every depth.
fn change(previous: &Value, wanted: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (previous, wanted) else { return wanted.clone() };
    let said = after.iter().map(|(field, value)| {
        let value = before.get(field).map_or_else(|| value.clone(), |old| change(old, value));
        (field.clone(), value)
    });
    let gone = before.keys().filter(|field| !after.contains_key(*field)).map(|field| (field.clone(), Value::Null));
    Value::Object(said.chain(gone).collect())
}

/// How the running version took over, as an earlier process told it.
fn kept(previous: &Value, status: &PluginStatus) -> Option<RolloutStatus> {
    let told: RolloutStatus = serde_json::from_value(previous.get("rollout")?.clone()).ok()?;
    (told.phase == Phase::Promoted && Some(&told.digest) == status.digest.as_ref()).then_some(told)
}

/// Resources by what their conditions say.
fn count(cache: &Cache, kinds: &[Kind]) -> Resources {
    let mut resources = Resources::default();
    for object in kinds.iter().flat_map(|kind| cache.keys(kind)).filter_map(|key| cache.get(&key)) {
        resources.total += 1;
        let document = object.value();
        let is = |type_: &str, status: &str| {
            let conditions = document.pointer("/status/conditions").and_then(Value::as_array);
            let mut found = conditions.into_iter().flatten().filter(|condition| condition["type"] == type_);
            found.any(|condition| {
                condition["status"] == status && !UNDER_WAY.iter().any(|word| condition["reason"] == *word)
            })
        };
        resources.ready += u32::from(is(READY, "True"));
        resources.failing += u32::from(is(RECONCILED, "False") || is(RECONCILED, "Unknown"));
    }
    resources
}

/// A newer version decides for a part.
const ROLLING_OUT: &str = "RollingOut";

/// Reasons that are no failure.
const UNDER_WAY: [&str; 3] = ["Progressing", "Deleting", "Paused"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_any_more_is_taken_out_at_every_depth() {
        let before = json!({"a": 1, "rollout": {"percent": 10, "shadow": {"changes": {"create": 1, "change": 2}}}});
        let after = json!({"rollout": {"phase": "Promoted", "shadow": {"changes": {"change": 2}}}});
        let patch = json!({
            "a": null,
            "rollout": {"percent": null, "phase": "Promoted", "shadow": {"changes": {"change": 2, "create": null}}},
        });
        assert_eq!(change(&before, &after), patch);
        assert_eq!(change(&Value::Null, &after), after);
    }
}
