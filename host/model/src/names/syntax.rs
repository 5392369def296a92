//! What names Kubernetes takes, checked before it is asked. In: a name. Out: nothing, or what is wrong with it.

use crate::kind::Kind;

/// Most bytes of an item's id.
pub const ITEM_ID_BYTES: usize = 100;

/// An item's id: lower-case letters, digits, `-`, `.`, `/` and `:`.
pub fn item_id(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err("an item has an empty id".into());
    }
    if id.len() > ITEM_ID_BYTES {
        return Err(format!("the id has {} bytes, at most {ITEM_ID_BYTES} are allowed", id.len()));
    }
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'/' | b':');
    if id.bytes().all(allowed) {
        Ok(())
    } else {
        Err("an id is made of lower-case letters, digits, `-`, `.`, `/` and `:`".into())
    }
}

/// RFC 1123 label: 1 to 63 of lower-case letters, digits and `-`, not at the ends.
pub fn dns_label(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 63 {
        return Err(format!("has {} characters, a DNS label has 1 to 63", name.len()));
    }
    label_characters(name)
}

/// RFC 1123 subdomain: up to 253, labels joined by dots. As in Kubernetes, a part may be longer than 63.
pub fn dns_subdomain(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 253 {
        return Err(format!("has {} characters, a DNS subdomain has 1 to 253", name.len()));
    }
    name.split('.').try_for_each(label_characters)
}

fn label_characters(name: &str) -> Result<(), String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let outer = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    if bytes.iter().copied().all(inner) && outer(bytes.first()) && outer(bytes.last()) {
        Ok(())
    } else {
        Err("is made of lower-case letters, digits and `-`, and begins and ends with a letter or digit".into())
    }
}

/// The name of an object of a kind.
pub fn object_name(kind: &Kind, name: &str) -> Result<(), String> {
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Namespace") => dns_label(name),
        // RFC 1035: the first character is a letter.
        ("", "Service") => match name.as_bytes().first() {
            Some(first) if first.is_ascii_digit() => Err("begins with a letter, as the name of a Service".into()),
            _ => dns_label(name),
        },
        // The names of pods and the labels that a controller derives have to stay below 63 characters.
        ("apps", "StatefulSet") | ("batch", "CronJob") => at_most(name, 52).and_then(|()| dns_subdomain(name)),
        ("batch", "Job") | ("apps", "Deployment" | "DaemonSet") => at_most(name, 63).and_then(|()| dns_subdomain(name)),
        // Roles may have names like `system:node`; what matters is that the name is one segment of a path.
        ("rbac.authorization.k8s.io", _) => path_segment(name),
        _ => dns_subdomain(name),
    }
}

fn at_most(name: &str, characters: usize) -> Result<(), String> {
    if name.len() <= characters {
        Ok(())
    } else {
        Err(format!(
            "has {} characters, at most {characters} leave room for the names that are derived from it",
            name.len()
        ))
    }
}

fn path_segment(name: &str) -> Result<(), String> {
    let visible = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'%');
    if name.is_empty() || name.len() > 253 || matches!(name, "." | "..") || !name.bytes().all(visible) {
        return Err("is 1 to 253 visible characters without `/` and `%`".into());
    }
    Ok(())
}

/// The key of a label or an annotation: a name, or a DNS subdomain, `/` and a name.
pub fn qualified_name(key: &str) -> Result<(), String> {
    let name = match key.split_once('/') {
        Some((prefix, name)) => {
            dns_subdomain(prefix).map_err(|why| format!("its prefix {why}"))?;
            name
        }
        None => key,
    };
    if name.is_empty() { Err("has no name".into()) } else { label_value(name) }
}

/// The value of a label: empty, or up to 63 of letters, digits, `-`, `_` and `.`, the ends letters or digits.
pub fn label_value(value: &str) -> Result<(), String> {
    let bytes = value.as_bytes();
    let outer = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if bytes.len() <= 63 && bytes.iter().all(inner) && outer(bytes.first()) && outer(bytes.last()) {
        Ok(())
    } else {
        Err("is at most 63 letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit".into())
    }
}

/// The key of a Secret's data.
pub fn data_key(key: &str) -> Result<(), String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if key.is_empty() || key.len() > 253 || matches!(key, "." | "..") || !key.bytes().all(inner) {
        return Err("is 1 to 253 letters, digits, `-`, `_` and `.`".into());
    }
    Ok(())
}

/// The `kind` of an object: CamelCase ASCII.
pub fn kind_name(kind: &str) -> Result<(), String> {
    let bytes = kind.as_bytes();
    if bytes.first().is_some_and(u8::is_ascii_uppercase)
        && bytes.len() <= 63
        && bytes.iter().all(u8::is_ascii_alphanumeric)
    {
        Ok(())
    } else {
        Err("a kind is CamelCase, at most 63 letters and digits".into())
    }
}

/// The version of an API: `v1`, `v1alpha1`.
pub fn api_version(kind: &Kind) -> Result<(), String> {
    if !kind.group.is_empty() {
        dns_subdomain(&kind.group).map_err(|why| format!("the group of its apiVersion {why}"))?;
    }
    dns_label(&kind.version).map_err(|why| format!("the version of its apiVersion {why}"))
}
