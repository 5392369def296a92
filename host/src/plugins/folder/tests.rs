use super::*;
use std::time::Duration;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// The only error among what is discovered.
fn error_of(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let mut errors: Vec<_> = discover(folder.path()).into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0).to_string()
}

#[test]
fn a_component_and_its_grants_are_a_plugin() {
    let grants =
        "grants: {writes: [{group: apps, kind: StatefulSet}]}\nlimits: {wall: 500ms}\nsettings: {image: 'mysql:8.4'}";
    let folder = folder(&[("mysql.wasm", "code"), ("mysql.grants.yaml", grants), ("README.md", "")]);
    let mut found = discover(folder.path());
    assert_eq!(found.len(), 1);
    let plugin = found.remove(0).unwrap();
    assert_eq!(plugin.name, "mysql");
    assert_eq!(plugin.grants.writes[0].kind, "StatefulSet");
    assert_eq!(plugin.limits, Limits { wall: Duration::from_millis(500), ..Limits::default() });
    assert_eq!(plugin.settings, serde_json::json!({"image": "mysql:8.4"}));
    assert_eq!(plugin.read().unwrap(), b"code");
}

#[test]
fn a_plugin_that_cannot_be_read_stops_no_other() {
    let folder = folder(&[
        ("bad.wasm", ""),
        ("bad.grants.yaml", "grants: 7"),
        ("good.wasm", ""),
        ("good.grants.yaml", "grants: {}"),
    ]);
    let found = discover(folder.path());
    assert!(matches!(&found[0], Err(PluginFileError::Grants { .. })));
    assert_eq!(found[1].as_ref().unwrap().name, "good");
}

#[test]
fn an_error_names_file_field_and_what_to_do() {
    let error = error_of(&[("a.wasm", ""), ("a.grants.yaml", "grants:\n  writes:\n  - group: apps")]);
    assert!(error.contains("a.grants.yaml") && error.contains("grants.writes[0]") && error.contains("kind"), "{error}");
    let error = error_of(&[("a.wasm", ""), ("a.grants.yaml", "grants: {}\nlimits: {fule: 7}")]);
    assert!(error.contains("limits") && error.contains("fule"), "{error}");
    let error = error_of(&[("a.wasm", ""), ("a.grants.yaml", "grants: {}\nlimits: {memory: 4Gi}")]);
    assert!(error.contains("limits.memory"), "{error}");
}

#[test]
fn a_file_without_its_pair_is_reported() {
    assert!(error_of(&[("a.wasm", "")]).contains("a.grants.yaml beside it; write one with `grants: {}`"));
    assert!(error_of(&[("a.grants.yaml", "grants: {}")]).contains("no a.wasm beside it"));
}

#[test]
fn a_name_that_is_no_dns_label_is_reported() {
    assert!(error_of(&[("My_SQL.wasm", "")]).contains("rename the file"));
}

#[test]
fn a_folder_that_is_not_there_is_reported() {
    let found = discover(Path::new("/nowhere/at/all"));
    assert!(matches!(found[..], [Err(PluginFileError::Folder { .. })]));
}

#[test]
fn a_component_beyond_its_limit_is_not_read() {
    let files = [("a.wasm", "12345"), ("a.grants.yaml", "grants: {}\nlimits: {componentSize: 4}")];
    let folder = folder(&files);
    let error = discover(folder.path()).remove(0).unwrap().read().unwrap_err();
    assert!(matches!(error, PluginFileError::TooLarge { limit: 4, .. }), "{error}");
}
