//! Paths and addresses of a container, as this machine knows them. In: texts that a pod's author wrote for a container
//! of its own. Out: the same with each path under a mount, or of the image, replaced by the folder that stands for it,
//! and with the container's loopback replaced by the pod's address. Pure.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// Which folder of this machine stands for which path of a container.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths(Vec<(String, PathBuf)>);

/// Characters that a path goes on with.
fn of_path(c: char) -> bool {
    c.is_alphanumeric() || "._-/".contains(c)
}

impl Paths {
    /// A path under `/run` is also known under `/var/run`, as in every distribution, and the other way round.
    pub(super) fn add(&mut self, container: &str, host: PathBuf) {
        let container = container.trim_end_matches('/');
        if container.is_empty() {
            return;
        }
        let also = match container.strip_prefix("/var/run/") {
            Some(rest) => Some(format!("/run/{rest}")),
            None => container.strip_prefix("/run/").map(|rest| format!("/var/run/{rest}")),
        };
        for path in also.into_iter().chain([container.to_owned()]) {
            self.0.retain(|(known, _)| *known != path);
            self.0.push((path, host.clone()));
        }
        // Longest first: a mount inside of another one wins.
        self.0.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    }

    /// The place of a path, none where nothing stands for it.
    pub(super) fn host(&self, path: &str) -> Option<PathBuf> {
        self.0.iter().find_map(|(container, host)| {
            let rest = path.strip_prefix(container.as_str())?;
            match rest.strip_prefix('/') {
                Some(below) => Some(host.join(below.trim_start_matches('/'))),
                None => rest.is_empty().then(|| host.clone()),
            }
        })
    }

    /// A text with all its paths replaced.
    pub(super) fn text(&self, text: &str) -> String {
        replaced(text, |before, rest| {
            // Behind a home, or a variable of a shell, it is a part of a path.
            let starts =
                rest.starts_with('/') && !before.is_some_and(|before| of_path(before) || "~}".contains(before));
            let (path, host) = self.0.iter().filter(|_| starts).find(|(path, _)| {
                let after = rest.strip_prefix(path.as_str()).map(|after| after.chars().next());
                // `/tmp.` at the end of a sentence is not told from a name that goes on; names win.
                after.is_some_and(|next| next.is_none_or(|next| next == '/' || !of_path(next)))
            })?;
            Some((path.len(), host.to_string_lossy().into_owned()))
        })
    }

    /// Every pair, longest path first.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.0.iter().map(|(container, host)| (container.as_str(), host.as_path()))
    }
}

/// A word of a command with the loopback of the container replaced by the pod's own address.
pub(super) fn address(word: &str, ip: Ipv4Addr) -> String {
    let inside = |c: char| c.is_alphanumeric() || "._-".contains(c);
    replaced(word, |before, rest| {
        let name = ["127.0.0.1", "localhost"]
            .into_iter()
            .filter(|_| !before.is_some_and(inside))
            .find(|name| rest.strip_prefix(name).is_some_and(|after| !after.starts_with(inside)))?;
        Some((name.len(), ip.to_string()))
    })
}

/// A text in which `find`, which sees the character before a place and the text from there on, says how many bytes are
/// replaced there and by what.
fn replaced(text: &str, find: impl Fn(Option<char>, &str) -> Option<(usize, String)>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(c) = rest.chars().next() {
        let taken = match find(before, rest) {
            Some((length, instead)) => {
                out.push_str(&instead);
                length
            }
            None => {
                out.push(c);
                c.len_utf8()
            }
        };
        before = rest[..taken].chars().next_back();
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Paths {
        let mut paths = Paths::default();
        paths.add("/etc/mysql", "/h/root/etc/mysql".into());
        paths.add("/etc/mysql/conf.d/", "/h/config".into());
        paths.add("/var/run/mysqld", "/h/run".into());
        paths.add("/tmp", "/tmp/pod/tmp".into());
        paths
    }

    #[test]
    fn a_path_is_replaced_by_the_place_of_the_innermost_mount() {
        let paths = paths();
        assert_eq!(paths.text("--socket=/var/run/mysqld/mysqld.sock"), "--socket=/h/run/mysqld.sock");
        assert_eq!(paths.text("!includedir /etc/mysql/conf.d/"), "!includedir /h/config/");
        assert_eq!(paths.text("a=/etc/mysql/my.cnf b='/run/mysqld'"), "a=/h/root/etc/mysql/my.cnf b='/h/run'");
        assert_eq!(paths.host("/etc/mysql/conf.d/a/b"), Some("/h/config/a/b".into()));
        assert_eq!(paths.host("/tmp"), Some("/tmp/pod/tmp".into()));
        assert_eq!(paths.host("/tmpfs"), None);
    }

    #[test]
    fn what_only_looks_like_a_path_of_the_container_stays() {
        for same in ["/tmpfs/x", "/a/tmp/x", "~/tmp", "${HOME}/tmp", "../tmp", "no path", "/etc/mysql.d", "ä/tmp", ""]
        {
            assert_eq!(paths().text(same), same);
        }
        // What was replaced is not looked at again.
        assert_eq!(paths().text("/tmp:/tmp"), "/tmp/pod/tmp:/tmp/pod/tmp");
    }

    #[test]
    fn loopback_becomes_the_address_of_the_pod() {
        let ip = Ipv4Addr::new(127, 16, 0, 9);
        assert_eq!(address("--host=127.0.0.1", ip), "--host=127.16.0.9");
        assert_eq!(address("tcp://localhost:3306/x", ip), "tcp://127.16.0.9:3306/x");
        for same in ["127.0.0.10", "1127.0.0.1", "my.localhost", "localhosts", "localhost.example.com", "::1"] {
            assert_eq!(address(same, ip), same);
        }
    }
}
