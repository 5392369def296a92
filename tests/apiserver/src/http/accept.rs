//! Content negotiation: the `Accept` header in, the form of the answer out.

/// The form in which objects are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    /// The objects themselves.
    #[default]
    Object,
    /// `meta.k8s.io/v1` Table.
    Table,
    /// `meta.k8s.io/v1` PartialObjectMetadata.
    Metadata,
}

/// What the client can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Accepted {
    pub(crate) form: Form,
    pub(crate) yaml: bool,
    /// `apidiscovery.k8s.io/v2` aggregated discovery.
    pub(crate) aggregated: bool,
}

/// The first acceptable clause of an `Accept` header, or nothing when none is.
pub(crate) fn negotiate(header: Option<&str>) -> Option<Accepted> {
    let header = header.map(str::trim).filter(|h| !h.is_empty());
    let Some(header) = header else {
        return Some(Accepted::default());
    };
    header.split(',').find_map(clause)
}

fn clause(text: &str) -> Option<Accepted> {
    let mut parts = text.split(';').map(str::trim);
    let yaml = match parts.next()?.to_ascii_lowercase().as_str() {
        "application/json" | "*/*" | "application/*" => false,
        "application/yaml" => true,
        _ => return None,
    };
    let parameter = |name: &str| {
        text.split(';')
            .skip(1)
            .filter_map(|p| p.trim().split_once('='))
            .find(|(n, _)| n.trim() == name)
            .map(|(_, v)| v.trim())
    };
    let group = parameter("g").unwrap_or("");
    let version = parameter("v").unwrap_or("");
    match parameter("as") {
        None | Some("") => Some(Accepted { yaml, ..Accepted::default() }),
        Some("APIGroupDiscoveryList") if group == "apidiscovery.k8s.io" && version == "v2" => {
            Some(Accepted { yaml, aggregated: true, ..Accepted::default() })
        }
        Some(kind) if group == "meta.k8s.io" && version == "v1" => match kind {
            "Table" => Some(Accepted { yaml, form: Form::Table, aggregated: false }),
            "PartialObjectMetadata" | "PartialObjectMetadataList" => {
                Some(Accepted { yaml, form: Form::Metadata, aggregated: false })
            }
            _ => None,
        },
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_clause_that_can_be_served_wins() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(negotiate(Some(kubectl)).map(|a| a.form), Some(Form::Table));
        assert_eq!(
            negotiate(Some("application/vnd.kubernetes.protobuf, application/json")).map(|a| a.form),
            Some(Form::Object)
        );
        assert_eq!(negotiate(Some("application/vnd.kubernetes.protobuf")), None);
        assert_eq!(negotiate(None), Some(Accepted::default()));
    }

    #[test]
    fn aggregated_discovery_is_asked_for_by_its_version() {
        let header = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
        assert_eq!(negotiate(Some(header)).map(|a| a.aggregated), Some(true));
    }
}
