//! A backup that cannot be trusted never reaches a server, and a server that is in use is never written to.

use crate::command::Place;
use crate::{column, on_each, primary, target};
use mysql_suite::Mysqld;

async fn is_empty(server: &Mysqld) -> bool {
    let mine = "SELECT COUNT(*) FROM information_schema.SCHEMATA \
                WHERE SCHEMA_NAME NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')";
    column(server, mine).await == ["0"]
}

#[test]
fn what_was_cut_or_altered_is_refused_before_anything_is_written() {
    on_each(|installation| async move {
        let (server, new) = (primary(&installation).await, target(&installation).await);
        let place = Place::new(&installation);
        place.backup(&[&server], &[]).json();
        let (data, manifest) = (place.file(".sql.zst"), place.file(".json"));
        let (good_data, good_manifest) = (std::fs::read(&data).unwrap(), std::fs::read_to_string(&manifest).unwrap());

        let refused = |what: &str| {
            let error = place.restore(&new, &[]).error().to_owned();
            assert!(error.contains(what), "{error}");
        };
        std::fs::write(&data, &good_data[..good_data.len() - 1]).unwrap();
        refused("was cut");
        let mut altered = good_data.clone();
        altered[good_data.len() / 2] ^= 1;
        std::fs::write(&data, &altered).unwrap();
        refused("was altered or damaged");
        std::fs::write(&data, &good_data).unwrap();
        for (from, to) in [("\"tables\": 2", "\"tables\": 1"), ("\"role\": \"primary\"", "\"role\": \"replica\"")] {
            assert!(good_manifest.contains(from), "{good_manifest}");
            std::fs::write(&manifest, good_manifest.replace(from, to)).unwrap();
            refused("was altered");
        }
        std::fs::write(&manifest, &good_manifest[..good_manifest.len() / 2]).unwrap();
        refused("is no manifest");
        std::fs::remove_file(&manifest).unwrap();
        refused("has no backup");
        assert!(is_empty(&new).await);

        std::fs::write(&manifest, &good_manifest).unwrap();
        place.restore(&new, &[]).json();
        assert!(!is_empty(&new).await);
        // Now it is in use.
        refused("it is not empty, it has the schemas d");
        // And a replica, or a primary that is fenced, takes no writes.
        let fenced = Mysqld::start(&installation, &[]).await;
        let error = place.restore(&fenced, &[]).error().to_owned();
        assert!(error.contains("is read-only"), "{error}");
        assert!(is_empty(&fenced).await);
    });
}

#[test]
fn a_server_of_an_older_series_than_the_backup_is_refused() {
    on_each(|installation| async move {
        let (server, new) = (primary(&installation).await, target(&installation).await);
        let place = Place::new(&installation);
        place.backup(&[&server], &[]).json();
        // A backup of a server from the future, as that would have written it.
        let stored = windlass::backup::folder::Folder::open(&place.backups()).unwrap().load_by(None).unwrap();
        let mut manifest = stored.manifest;
        manifest.server.version = "99.1.0".into();
        std::fs::write(place.file(".json"), manifest.to_text().unwrap()).unwrap();
        let error = place.restore(&new, &[]).error().to_owned();
        assert!(error.contains("older than the 99.1.0"), "{error}");
        assert!(is_empty(&new).await);
    });
}

#[test]
fn a_cluster_without_rows_has_a_backup_too_and_old_ones_go() {
    on_each(|installation| async move {
        let (server, new) = (primary(&installation).await, target(&installation).await);
        server.sql(&["DROP DATABASE d"]).await;
        let place = Place::new(&installation);
        for kept in [1, 2, 2] {
            place.backup(&[&server], &["--keep-count=2"]).json();
            assert_eq!(place.list().len(), kept);
        }
        assert_eq!(place.files().len(), 4);
        place.restore(&new, &[]).json();
        assert!(is_empty(&new).await);
    });
}
