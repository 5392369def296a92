//! The boundaries between crates that no lint of the compiler holds: what each may depend on. Tests only.

use std::path::Path;

fn manifest(package: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(package).join("Cargo.toml");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names in the section `[dependencies]`.
fn dependencies(manifest: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let section = lines.take_while(|line| !line.starts_with('['));
    section
        .filter_map(|line| Some(line.split(['.', ' ', '=']).next()?.to_owned()))
        .filter(|name| !name.is_empty())
        .collect()
}

fn source(folder: &str) -> String {
    fn read(folder: &Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                read(&entry.path(), all);
            } else {
                all.push_str(&std::fs::read_to_string(entry.path()).unwrap_or_default());
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let mut all = std::fs::read_to_string(path.with_extension("rs")).unwrap_or_default();
    read(&path, &mut all);
    assert!(!all.is_empty(), "{folder} is empty");
    all
}

#[test]
fn the_model_has_no_crate_that_does_io() {
    assert_eq!(dependencies(&manifest("host/model")), ["serde", "serde_json", "thiserror", "sha2"]);
}

#[test]
fn the_embedded_cluster_and_the_stand_in_for_azure_know_nothing_of_the_host() {
    for package in ["tests/apiserver", "tests/azure"] {
        for own in ["windlass", "model", "windlass-sdk", "mysql", "backup", "azuresql"] {
            assert!(!dependencies(&manifest(package)).contains(&own.to_owned()), "{package} {own}");
        }
    }
}

#[test]
fn deciding_never_reaches_for_acting_and_acting_never_for_deciding() {
    assert!(!source("host/src/decide").contains("crate::act"));
    assert!(!source("host/src/act").contains("crate::decide"));
}
