//! References to artifacts: text in, registry, repository, tag and digest out. Pure.

use super::super::SourceError;
use std::fmt;

/// `registry/repository[:tag][@sha256:…]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Host and port.
    pub registry: String,
    /// Path.
    pub repository: String,
    /// The tag; `latest` where nothing is said.
    pub tag: Option<String>,
    /// The digest of the manifest.
    pub digest: Option<String>,
}

impl Reference {
    /// Reads a reference. The registry must be spelled out: which one is meant otherwise differs between tools.
    ///
    /// # Errors
    /// When it is no reference.
    pub fn parse(text: &str) -> Result<Reference, SourceError> {
        let wrong = |why: &str| {
            SourceError::Unusable(format!(
                "`{text}` is no reference: {why}; write it as registry.example.com/team/name:tag"
            ))
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (text, None),
        };
        let hexadecimal = |digest: &String| {
            digest.strip_prefix("sha256:").is_some_and(|hex| {
                hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            })
        };
        if digest.as_ref().is_some_and(|digest| !hexadecimal(digest)) {
            return Err(wrong("the digest is no sha256 of 64 hexadecimal digits"));
        }
        let Some((registry, path)) = rest.split_once('/') else { return Err(wrong("it names no registry")) };
        let host = registry.contains(['.', ':']) || registry == "localhost";
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
        if !host || !registry.bytes().all(plain) {
            return Err(wrong("it does not begin with the host of a registry"));
        }
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag.to_owned())),
            None => (path, None),
        };
        let part = |part: &str| {
            let inner =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_');
            !part.is_empty() && part.bytes().all(inner) && part.bytes().any(|byte| byte != b'.')
        };
        if !repository.split('/').all(part) {
            return Err(wrong("the name has parts that are no names"));
        }
        let in_tag = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if tag.as_ref().is_some_and(|tag| tag.is_empty() || tag.len() > 128 || !tag.bytes().all(in_tag)) {
            return Err(wrong("the tag has other characters than letters, digits, `.`, `-` and `_`"));
        }
        Ok(Reference { registry: registry.into(), repository: repository.into(), tag, digest })
    }

    /// The digest where there is one, else the tag.
    pub fn selector(&self) -> String {
        self.digest.clone().or_else(|| self.tag.clone()).unwrap_or_else(|| "latest".into())
    }

    /// The host that serves the registry, with its port where one is given. That of Docker Hub has another name.
    pub fn host(&self) -> &str {
        match self.registry.as_str() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            registry => registry,
        }
    }

    /// `host:port`.
    pub fn authority(&self) -> String {
        let host = self.host();
        let port = host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        if port { host.to_owned() } else { format!("{host}:443") }
    }

    /// The registry is on this machine, by its address or by the name that every machine has for itself.
    pub fn is_on_this_machine(&self) -> bool {
        let host = match self.registry.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => host,
            _ => self.registry.as_str(),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The same repository, by the digest of a manifest.
    pub fn by_digest(&self, digest: &str) -> Reference {
        Reference { digest: Some(digest.to_owned()), ..self.clone() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_a_registry_a_name_and_a_tag_or_digest() {
        let reference = Reference::parse("localhost:5000/team/mysql:1.4").unwrap();
        assert_eq!(reference.authority(), "localhost:5000");
        assert_eq!((reference.repository.as_str(), reference.selector().as_str()), ("team/mysql", "1.4"));
        let digest = format!("sha256:{}", "0".repeat(64));
        let text = format!("registry.example.com/mysql:1.4@{digest}");
        let reference = Reference::parse(&text).unwrap();
        assert_eq!((reference.selector(), reference.authority()), (digest, "registry.example.com:443".into()));
        assert_eq!(reference.to_string(), text);
        assert_eq!(Reference::parse("r.example/a").unwrap().selector(), "latest");
    }

    #[test]
    fn a_registry_on_this_machine_is_known_by_name_and_address() {
        for (text, own) in [
            ("localhost:5000/a", true),
            ("localhost/a", true),
            ("127.0.0.1:5000/a", true),
            ("127.8.8.8:1/a", true),
            ("[::1]:5000/a", true),
            ("[::1]/a", true),
            ("localhost.example.com/a", false),
            ("10.0.0.1:5000/a", false),
            ("[fd00::1]:5000/a", false),
        ] {
            assert_eq!(Reference::parse(text).unwrap().is_on_this_machine(), own, "{text}");
        }
    }

    #[test]
    fn docker_hub_is_served_by_another_host() {
        let reference = Reference::parse("docker.io/team/a:1").unwrap();
        assert_eq!((reference.host(), reference.to_string().as_str()), ("registry-1.docker.io", "docker.io/team/a:1"));
        assert_eq!(reference.authority(), "registry-1.docker.io:443");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for text in [
            "mysql",
            "team/mysql",
            "r.example/",
            "r.example/../etc",
            "r.example/a/../b",
            "r.example/A",
            "r.example/a:",
            "r.example/a:b/c",
            "r.example/a@sha256:12",
            "r.example/a@md5:1",
            "user@r.example/a",
            "r.example/a?b",
            "",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }
}
