//! Completion indexes. In and out: the text form of a Job's status (`0,2-4`), and the index that a pod carries. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;

/// Label and annotation with a pod's index.
pub(crate) const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The index of a pod.
pub(crate) fn of(pod: &Pod) -> Option<i32> {
    let meta = &pod.metadata;
    let text = meta.annotations.as_ref().and_then(|a| a.get(INDEX)).or_else(|| meta.labels.as_ref()?.get(INDEX));
    text?.parse().ok()
}

/// Reads `0,2-4`; parts that are not numbers are left out.
pub(crate) fn read(text: &str) -> BTreeSet<i32> {
    let mut set = BTreeSet::new();
    for part in text.split(',').filter(|p| !p.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) {
            set.extend(first..=last.min(first.saturating_add(100_000)));
        }
    }
    set
}

/// Writes `0,2-4`: runs of three and more are shortened.
pub(crate) fn write(set: &BTreeSet<i32>) -> String {
    let sorted: Vec<i32> = set.iter().copied().collect();
    let runs = sorted.chunk_by(|a, b| a + 1 == *b);
    let text = runs.flat_map(|run| match run {
        [first, .., last] if run.len() > 2 => vec![format!("{first}-{last}")],
        run => run.iter().map(ToString::to_string).collect(),
    });
    text.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_reads_back() {
        let set = BTreeSet::from([0, 2, 3, 4, 7, 8]);
        assert_eq!(write(&set), "0,2-4,7,8");
        assert_eq!(read("0,2-4,7,8"), set);
        assert!(read("").is_empty());
    }
}
