//! The whole desired set of the shortest useful manifest, as YAML that a reviewer can read. What changes here changes in
//! every cluster.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod support;

use mysql::MysqlPlugin;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use support::{looked_at, resource};
use windlass_sdk::entry;

#[test]
fn the_desired_set_of_the_verbatim_manifest_is_the_golden_one() {
    let decision = entry::decide::<MysqlPlugin>(looked_at(&resource("mysql.yaml")).build()).unwrap();
    let mut text = String::new();
    for item in &decision.items {
        let order =
            if item.after.is_empty() { "first".to_string() } else { format!("after {}", item.after.join(", ")) };
        let body = match item.manifest() {
            Some(manifest) => serde_yaml::to_string(&manifest).unwrap(),
            None => serde_yaml::to_string(&item.body).unwrap(),
        };
        let policies = format!("{:?}, {:?}, {:?}", item.ready_when, item.update, item.removal);
        let _ = write!(text, "---\n# {}: {order}\n# {policies}\n{body}", item.id);
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/prod-db.yaml");
    if fs::read_to_string(&golden).unwrap_or_default() != text {
        let actual = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prod-db.yaml");
        fs::write(&actual, text).unwrap();
        panic!("the desired set changed; look at the difference and copy {} over it", actual.display());
    }
}
