//! The marks that make a resource ours, and that say which secret values it was given last. In: uid and fingerprints. Out:
//! tags, and what they say. A tag's name has at most 512 characters and no `<>%&\?/`, its value at most 256.
//! (<https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations>)

use serde_json::Value;

/// Tag with the uid of the Kubernetes resource that a thing in Azure is for.
pub const OWNER: &str = "windlass-owner";
/// Start of the name of tags with fingerprints of values that ARM never returns.
const SENT: &str = "windlass-sent:";

/// Whose a thing in Azure is, by its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// This resource's.
    Ours,
    /// Another resource's.
    Others,
    /// It has no mark.
    None,
}

/// Reads the mark from a body with `tags`.
pub fn mark(body: &Value, uid: &str) -> Mark {
    match body.get("tags").and_then(|tags| tags.get(OWNER)).and_then(Value::as_str) {
        Some(owner) if owner == uid => Mark::Ours,
        Some(_) => Mark::Others,
        None => Mark::None,
    }
}

/// The tag for a place of the body.
pub fn sent_tag(pointer: &str) -> String {
    format!("{SENT}{}", pointer.trim_start_matches('/').replace('/', ":"))
}

/// Places of a body with the fingerprints of the values that were sent there last, as its tags say.
pub fn sent(body: &Value) -> Vec<(String, String)> {
    let tags = body.get("tags").and_then(Value::as_object).into_iter().flatten();
    tags.filter_map(|(name, value)| {
        let place = name.strip_prefix(SENT)?;
        Some((format!("/{}", place.replace(':', "/")), value.as_str()?.to_owned()))
    })
    .collect()
}

/// Whether a body can have tags: what has a region has tags, and what asks for tags will.
pub fn has_tags(wanted: &Value) -> bool {
    wanted.get("location").is_some() || wanted.get("tags").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mark_says_whose_a_thing_is_and_a_tag_what_it_was_sent() {
        let tag = sent_tag("/properties/administratorLoginPassword");
        assert!(!tag.contains('/'));
        let body = json!({"tags": {OWNER: "u", tag: "fp1:00"}});
        assert_eq!((mark(&body, "u"), mark(&body, "v"), mark(&json!({}), "u")), (Mark::Ours, Mark::Others, Mark::None));
        assert_eq!(sent(&body), [("/properties/administratorLoginPassword".to_owned(), "fp1:00".to_owned())]);
    }
}
