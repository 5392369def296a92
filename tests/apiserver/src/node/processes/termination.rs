//! What a container says of its end. In: the file that it may write, its log. Out: the message in its status, as long as a
//! kubelet lets it be.

use k8s_openapi::api::core::v1::Container;
use std::io;
use std::path::Path;

/// Where containers write it that name no other path.
pub(super) const DEFAULT_PATH: &str = "/dev/termination-log";
/// Bytes of the file that a kubelet reads.
const LONGEST: usize = 4096;
/// Bytes and lines of the log that stand in for it.
const OF_LOG: (usize, usize) = (2048, 80);

/// Gives a container that is about to start an empty file.
pub(super) fn clear(file: &Path) -> io::Result<()> {
    std::fs::write(file, "")
}

/// What a container left in its file; where it failed and wants that, the end of its log instead of nothing.
pub(super) fn message(file: &Path, log: &Path, container: &Container, code: i32) -> Option<String> {
    let written = std::fs::read(file).unwrap_or_default();
    if !written.is_empty() {
        return Some(String::from_utf8_lossy(&written[..written.len().min(LONGEST)]).into_owned());
    }
    let by_log = container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
    if code == 0 || !by_log {
        return None;
    }
    let log = std::fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log[log.len().saturating_sub(OF_LOG.0)..]).into_owned();
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    let end = lines[lines.len().saturating_sub(OF_LOG.1)..].concat();
    (!end.is_empty()).then_some(end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn container(policy: &str) -> Container {
        Container { termination_message_policy: Some(policy.into()), ..Container::default() }
    }

    #[test]
    fn a_container_is_quoted_and_only_a_failed_one_that_said_nothing_by_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let (file, log) = (folder.path().join("message"), folder.path().join("log"));
        clear(&file).unwrap();
        std::fs::write(&log, format!("{}the last line\n", "x\n".repeat(200))).unwrap();
        let quoted = |policy, code| message(&file, &log, &container(policy), code);
        assert_eq!(quoted("File", 1), None);
        assert_eq!(quoted("FallbackToLogsOnError", 0), None);
        let end = quoted("FallbackToLogsOnError", 1).unwrap();
        assert_eq!((end.lines().count(), end.ends_with("x\nthe last line\n")), (80, true));
        std::fs::write(&file, "y".repeat(5000)).unwrap();
        assert_eq!(quoted("File", 0).unwrap().len(), 4096);
        assert_eq!(quoted("FallbackToLogsOnError", 1).unwrap().len(), 4096);
    }
}
