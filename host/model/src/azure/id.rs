//! The id of an ARM resource: text in, its parts out. Ids differ not by case.

/// The parts of `/subscriptions/S/resourceGroups/G/providers/P/TYPE/NAME[/TYPE/NAME…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceId {
    /// Id of the subscription, in lower case.
    pub subscription: String,
    /// Namespace of the provider: `Microsoft.Sql`.
    pub provider: String,
    /// Types with names, the outermost first.
    pub parts: Vec<(String, String)>,
    /// The id of the resource that this one is in.
    pub parent: Option<String>,
}

impl ResourceId {
    /// Reads an id. None where it is not that of a resource in a resource group, or holds what a server could read
    /// otherwise than we do.
    pub fn parse(id: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.()".contains(&byte);
        if !id.starts_with('/') || !id.bytes().all(plain) {
            return None;
        }
        let segments: Vec<&str> = id.split('/').skip(1).collect();
        if segments.iter().any(|segment| segment.is_empty() || *segment == "." || *segment == "..") {
            return None;
        }
        let [subscriptions, subscription, groups, _, providers, provider, rest @ ..] = segments.as_slice() else {
            return None;
        };
        let words = [(*subscriptions, "subscriptions"), (*groups, "resourceGroups"), (*providers, "providers")];
        if !words.iter().all(|(found, word)| found.eq_ignore_ascii_case(word)) || rest.is_empty() || rest.len() % 2 != 0
        {
            return None;
        }
        let parts: Vec<(String, String)> = rest
            .chunks_exact(2)
            .filter_map(|pair| Some(((*pair.first()?).to_owned(), (*pair.get(1)?).to_owned())))
            .collect();
        let outer = segments.get(..segments.len() - 2).filter(|_| parts.len() > 1);
        Some(ResourceId {
            subscription: subscription.to_ascii_lowercase(),
            provider: (*provider).to_owned(),
            parts,
            parent: outer.map(|segments| format!("/{}", segments.join("/"))),
        })
    }

    /// `Microsoft.Sql/servers/firewallRules`
    pub fn type_name(&self) -> String {
        let types: Vec<&str> = self.parts.iter().map(|(type_, _)| type_.as_str()).collect();
        format!("{}/{}", self.provider, types.join("/"))
    }

    /// The name of the resource itself.
    pub fn name(&self) -> &str {
        self.parts.last().map_or("", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_is_read_whatever_its_case() {
        let id = "/Subscriptions/ABC/resourcegroups/g/providers/Microsoft.Sql/servers/s/firewallRules/r";
        let id = ResourceId::parse(id).unwrap();
        assert_eq!((id.subscription.as_str(), id.name()), ("abc", "r"));
        assert_eq!(id.type_name(), "Microsoft.Sql/servers/firewallRules");
        assert_eq!(id.parent.unwrap(), "/Subscriptions/ABC/resourcegroups/g/providers/Microsoft.Sql/servers/s");
    }

    #[test]
    fn what_could_be_read_otherwise_is_no_id() {
        for wrong in [
            "",
            "/subscriptions/a/resourceGroups/g",
            "/subscriptions/a/resourceGroups/g/providers/P/t",
            "/subscriptions/a/resourceGroups/../providers/P/t/n",
            "/subscriptions/a/resourceGroups/g/providers/P/t/n?x=1",
            "/subscriptions/a/resourceGroups/g/providers/P/t/%2e",
            "https://evil/subscriptions/a/resourceGroups/g/providers/P/t/n",
        ] {
            assert_eq!(ResourceId::parse(wrong), None, "{wrong}");
        }
    }
}
