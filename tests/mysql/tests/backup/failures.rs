//! Whatever goes wrong while a backup is taken, nothing counts as one, and nothing secret is seen.

use crate::command::Place;
use crate::{PASSWORD, on_each, primary};
use std::time::Duration;

#[test]
fn a_backup_that_fails_in_the_middle_leaves_nothing_that_counts() {
    on_each(|installation| async move {
        let server = primary(&installation).await;
        let place = Place::new(&installation);

        place.tool(
            "mysqldump",
            "[ \"$1\" = --version ] || { $REAL \"$@\" | head -c 900; echo broken pipe >&2; exit 3; }",
        );
        let failed = place.backup(&[&server], &[]);
        assert!(failed.error().contains("broken pipe"), "{}", failed.error());
        assert_eq!((place.list().len(), place.files().len()), (0, 0));

        // Reports success, and did not finish.
        place.tool("mysqldump", "[ \"$1\" = --version ] || { $REAL \"$@\" | head -c 900; exit 0; }");
        let cut = place.backup(&[&server], &[]);
        assert!(cut.error().contains("ends in the middle"), "{}", cut.error());
        assert_eq!((place.list().len(), place.files().len()), (0, 0));

        // Gives nothing any more.
        place.tool("mysqldump", "[ \"$1\" = --version ] || { echo -- MySQL dump; exec sleep 60; }");
        let stalled = place.backup(&[&server], &["--stall-timeout=1"]);
        assert!(stalled.error().contains("gave nothing for 1 s"), "{}", stalled.error());
        assert_eq!((place.list().len(), place.files().len()), (0, 0));

        // Killed without a chance to clean up, and asked to stop.
        for (signal, left) in [("-KILL", 1), ("-TERM", 0)] {
            let mut running = place.backup_command(&[&server], &[]).spawn().unwrap();
            for _ in 0..600 {
                if !place.files().is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let sent = std::process::Command::new("kill").args([signal, &running.id().to_string()]).status().unwrap();
            assert!(sent.success() && !running.wait().unwrap().success());
            assert_eq!((place.list().len(), place.files().len()), (0, left), "{signal}");
            // A later run removes what was left, once it was quiet for long enough.
            for file in place.files() {
                let file = std::fs::File::options().write(true).open(file).unwrap();
                file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
            }
            place.tool("mysqldump", "[ \"$1\" = --version ] || exit 1");
            assert!(!place.backup(&[&server], &[]).well);
            assert_eq!(place.files().len(), 0);
            place.tool("mysqldump", "[ \"$1\" = --version ] || { echo -- MySQL dump; exec sleep 60; }");
        }

        // Nobody there.
        place.tool("mysqldump", "");
        let address = server.address.clone();
        drop(server);
        let mut command = place.backup_command(&[], &[]);
        let output = command.arg(format!("--source-host={address}")).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && log.contains("no server can be backed up"), "{log}");
        assert!(place.list().is_empty() && place.files().is_empty());
    });
}

#[test]
fn the_password_is_in_no_argument_environment_log_or_file_that_stays() {
    on_each(|installation| async move {
        let server = primary(&installation).await;
        let place = Place::new(&installation);
        let seen = place.path("seen");
        for tool in ["mysql", "mysqldump"] {
            let look = format!(
                "cat /proc/$$/cmdline /proc/$$/environ /proc/$PPID/cmdline /proc/$PPID/environ >> {}",
                seen.display()
            );
            place.tool(tool, &look);
        }
        let temporary = place.path("temporary");
        std::fs::create_dir(&temporary).unwrap();
        let report = place.path("report");
        std::fs::write(&report, "").unwrap();
        let mut command = place.backup_command(&[&server], &["--keep-count=1"]);
        let output = command.env("TMPDIR", &temporary).arg("--report").arg(&report).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let seen = std::fs::read(seen).unwrap();
        assert!(String::from_utf8_lossy(&seen).contains("--single-transaction"));
        assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "a file with the password stays");
        let mut everything = vec![seen, output.stdout, output.stderr, std::fs::read(&report).unwrap()];
        everything.extend(place.files().into_iter().map(|file| std::fs::read(file).unwrap()));
        let secret = PASSWORD.as_bytes();
        for bytes in everything {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret));
            // Nor the part without signs that may be escaped.
            assert!(!bytes.windows(8).any(|part| part == &secret[secret.len() - 8..]));
        }
        let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        assert_eq!(told["backup"], place.list()[0]["name"]);

        // A refused login says so, without what was tried.
        std::fs::write(place.path("backup-password"), "wrong-Password").unwrap();
        let refused = place.backup(&[&server], &[]);
        assert!(
            refused.error().contains("Access denied") && !refused.log.contains("wrong-Password"),
            "{}",
            refused.log
        );
        assert_eq!(place.list().len(), 1);
    });
}
