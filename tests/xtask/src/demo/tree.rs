//! A list of objects as kubectl prints it -> lines of a tree: the resource, its conditions, what it owns, what that owns.
//! Pure: looks at values only.

use serde_json::Value;

/// Label of pods that says what their server does.
const ROLE: &str = "database.example.com/role";

/// The tree below the MySQL of that name.
pub fn render(world: &Value, name: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(root) = find(world, "MySQL", name) else { return lines };
    lines.push(format!("MySQL {name}{}", phase(root)));
    for condition in root["status"]["conditions"].as_array().into_iter().flatten() {
        lines.push(format!(
            "|  {} {}: {} ({})",
            if condition["status"] == "True" { "+" } else { "-" },
            text(&condition["type"]),
            text(&condition["message"]),
            text(&condition["reason"]),
        ));
    }
    children(world, text(&root["metadata"]["uid"]), 1, &mut lines);
    lines
}

/// A number in the status of the MySQL of that name.
pub fn status(world: &Value, name: &str, field: &str) -> Option<i64> {
    find(world, "MySQL", name)?["status"][field].as_i64()
}

/// Whether the MySQL of that name is Ready for the generation that the user wrote.
pub fn ready(world: &Value, name: &str) -> bool {
    let Some(object) = find(world, "MySQL", name) else { return false };
    object["status"]["observedGeneration"] == object["metadata"]["generation"] && holds(object, "Ready").is_some()
}

/// What the MySQL of that name says of transactions that its primary does not have, while there are any.
pub fn errant(world: &Value, name: &str) -> Option<String> {
    holds(find(world, "MySQL", name)?, "Errant").map(str::to_owned)
}

/// The message of a condition that is true.
fn holds<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let mut conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let condition = conditions.find(|condition| condition["type"] == kind && condition["status"] == "True")?;
    Some(text(&condition["message"]))
}

/// A text in the status of the MySQL of that name.
pub fn text_of(world: &Value, name: &str, field: &str) -> Option<String> {
    find(world, "MySQL", name)?["status"][field].as_str().map(str::to_owned)
}

/// What the server in a pod does, by the pod's label.
pub fn role(world: &Value, pod: &str) -> Option<String> {
    find(world, "Pod", pod)?["metadata"]["labels"][ROLE].as_str().map(str::to_owned)
}

/// The servers' pods of the MySQL of that name.
fn servers<'a>(world: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    items(world).filter(move |object| {
        let labels = &object["metadata"]["labels"];
        object["kind"] == "Pod"
            && labels["app.kubernetes.io/name"] == "mysql"
            && labels["app.kubernetes.io/instance"] == name
    })
}

/// Identities of the servers' pods.
pub fn pods(world: &Value, name: &str) -> Vec<String> {
    servers(world, name).map(|pod| text(&pod["metadata"]["uid"]).to_owned()).collect()
}

/// Names and addresses of the servers' pods.
pub fn addresses(world: &Value, name: &str) -> Vec<(String, String)> {
    let address =
        |pod: &Value| Some((text(&pod["metadata"]["name"]).to_owned(), pod["status"]["podIP"].as_str()?.to_owned()));
    servers(world, name).filter_map(address).collect()
}

/// Identity of an object.
pub fn uid(world: &Value, kind: &str, name: &str) -> Option<String> {
    find(world, kind, name)?["metadata"]["uid"].as_str().map(str::to_owned)
}

/// How many objects are left of the resource, itself included; volumes are meant to stay.
pub fn owned_left(world: &Value, name: &str) -> usize {
    items(world)
        .filter(|object| object["kind"] != "PersistentVolumeClaim")
        .filter(|object| text(&object["metadata"]["name"]).starts_with(name))
        .count()
}

fn children(world: &Value, owner: &str, depth: usize, lines: &mut Vec<String>) {
    let mut owned: Vec<&Value> = items(world)
        .filter(|object| {
            object["metadata"]["ownerReferences"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|reference| reference["uid"] == owner)
        })
        .collect();
    owned.sort_by_key(|object| (text(&object["kind"]).to_owned(), text(&object["metadata"]["name"]).to_owned()));
    for object in owned {
        let indent = "|  ".repeat(depth - 1);
        lines.push(format!(
            "{indent}|- {} {}{}",
            text(&object["kind"]),
            text(&object["metadata"]["name"]),
            phase(object)
        ));
        children(world, text(&object["metadata"]["uid"]), depth + 1, lines);
    }
}

/// The state of an object in a few words.
fn phase(object: &Value) -> String {
    let status = &object["status"];
    let state = match text(&object["kind"]) {
        "StatefulSet" => format!("{}/{} ready", number(&status["readyReplicas"]), number(&object["spec"]["replicas"])),
        "Pod" if pod_ready(object) => match object["metadata"]["labels"][ROLE].as_str() {
            Some(role) => format!("ready, {role}"),
            None => "ready".to_owned(),
        },
        "Pod" | "PersistentVolumeClaim" => text(&status["phase"]).to_owned(),
        "MySQL" => format!("{}/{} ready", number(&status["readyReplicas"]), number(&object["spec"]["replicas"])),
        "CronJob" => text(&object["spec"]["schedule"]).to_owned(),
        _ => String::new(),
    };
    let deleting = if object["metadata"]["deletionTimestamp"].is_string() { "being deleted" } else { "" };
    let words: Vec<&str> = [state.as_str(), deleting].into_iter().filter(|word| !word.is_empty()).collect();
    if words.is_empty() { String::new() } else { format!("  [{}]", words.join(", ")) }
}

fn pod_ready(pod: &Value) -> bool {
    pod["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn find<'a>(world: &'a Value, kind: &str, name: &str) -> Option<&'a Value> {
    items(world).find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
}

fn items(world: &Value) -> impl Iterator<Item = &Value> {
    world["items"].as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn world() -> Value {
        json!({"items": [
            {"kind": "MySQL", "metadata": {"name": "db", "uid": "1", "generation": 2}, "spec": {"replicas": 3},
             "status": {"readyReplicas": 1, "observedGeneration": 1,
                        "conditions": [{"type": "Ready", "status": "True", "reason": "Ok", "message": "fine"}]}},
            {"kind": "StatefulSet", "metadata": {"name": "db", "uid": "2", "ownerReferences": [{"uid": "1"}]},
             "spec": {"replicas": 3}, "status": {"readyReplicas": 1}},
            {"kind": "Pod", "metadata": {"name": "db-0", "uid": "3", "ownerReferences": [{"uid": "2"}]},
             "spec": {"containers": [{"image": "mysql:8.0"}]}, "status": {"phase": "Pending"}},
            {"kind": "PersistentVolumeClaim", "metadata": {"name": "data-db-0", "uid": "4"}},
        ]})
    }

    #[test]
    fn the_tree_shows_conditions_and_what_is_owned_at_every_depth() {
        assert_eq!(
            render(&world(), "db"),
            [
                "MySQL db  [1/3 ready]",
                "|  + Ready: fine (Ok)",
                "|- StatefulSet db  [1/3 ready]",
                "|  |- Pod db-0  [Pending]"
            ]
        );
    }

    #[test]
    fn a_condition_of_an_older_generation_does_not_count_as_ready() {
        let mut world = world();
        assert!(!ready(&world, "db"));
        world["items"][0]["status"]["observedGeneration"] = json!(2);
        assert!(ready(&world, "db"));
    }

    #[test]
    fn volumes_are_not_counted_as_left_over() {
        assert_eq!(owned_left(&world(), "db"), 3);
    }
}
