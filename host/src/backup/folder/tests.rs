#![allow(clippy::unwrap_used)]

use super::super::manifest::tests::manifest;
use super::*;

const NOW: Instant = 1_800_000_000_000;

fn folder() -> (tempfile::TempDir, Folder) {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::create(&place.path().join("backups")).unwrap();
    (place, folder)
}

fn backup(folder: &Folder, number: u32) -> Name {
    let name = Name::new(NOW, number);
    let draft = folder.begin(&name).unwrap();
    draft.writer().unwrap().write_all(b"data").unwrap();
    draft.finish(&manifest(&name)).unwrap();
    name
}

fn files(folder: &Folder) -> Vec<String> {
    let mut files: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    files
}

fn put(folder: &Folder, file: &str, age: Duration) {
    let file = File::create(folder.path().join(file)).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_millis(NOW) - age).unwrap();
}

#[test]
fn a_finished_backup_is_two_files_and_is_found_by_name_and_as_the_newest() {
    let (_place, folder) = folder();
    let (first, second) = (backup(&folder, 1), backup(&folder, 2));
    assert_eq!(files(&folder).len(), 4);
    assert_eq!(folder.load_by(Some(&first)).unwrap().manifest, manifest(&first));
    assert_eq!(folder.load_by(None).unwrap().manifest.name, second);
    assert!(folder.list().unwrap().iter().all(|(name, found)| found.as_ref().unwrap().name == *name));
    assert!(folder.existing().unwrap().iter().all(|existing| existing.good));
}

#[test]
fn an_unfinished_backup_does_not_count_and_leaves_nothing_when_it_is_given_up() {
    let (_place, folder) = folder();
    let draft = folder.begin(&Name::new(NOW, 1)).unwrap();
    assert_eq!((files(&folder).len(), folder.list().unwrap().len()), (1, 0));
    assert!(matches!(folder.load_by(None), Err(Error::Empty(_))));
    drop(draft);
    assert_eq!(files(&folder), Vec::<String>::new());
}

#[test]
fn a_backup_whose_manifest_cannot_be_written_leaves_nothing() {
    let (_place, folder) = folder();
    let name = Name::new(NOW, 1);
    let draft = folder.begin(&name).unwrap();
    // Somebody put a folder where the manifest goes.
    fs::create_dir(folder.file(&name, Part::PartialManifest)).unwrap();
    assert!(draft.finish(&manifest(&name)).is_err());
    assert_eq!(files(&folder), [name.file(Part::PartialManifest)]);
    assert_eq!(folder.list().unwrap().len(), 0);
}

#[test]
fn what_crashed_runs_left_is_removed_and_nothing_of_others() {
    let (_place, folder) = folder();
    let good = backup(&folder, 1);
    let (old, crashed) = (QUIET * 2, Name::new(NOW, 2));
    for part in [Part::PartialData, Part::PartialManifest, Part::Data] {
        put(&folder, &crashed.file(part), old);
    }
    for others in ["notes.txt", "dump.sql.zst", "x.sql.zst.partial", "20270115T080000Z-1.json.partial"] {
        put(&folder, others, old);
    }
    assert_eq!(folder.clean(NOW).unwrap().len(), 3);
    assert_eq!(files(&folder).len(), 2 + 4);
    assert!(folder.load_by(Some(&good)).is_ok());
}

#[test]
fn a_run_that_lives_is_left_alone_by_its_lock_and_by_its_heartbeat() {
    let (_place, folder) = folder();
    let draft = folder.begin(&Name::new(NOW, 1)).unwrap();
    draft.beat(NOW - 3_600_000);
    assert_eq!(folder.clean(NOW).unwrap(), Vec::<String>::new(), "locked");
    put(&folder, &Name::new(NOW, 2).file(Part::PartialData), Duration::from_secs(1));
    assert_eq!(folder.clean(NOW).unwrap(), Vec::<String>::new(), "fresh");
    drop(draft);
    assert_eq!(files(&folder).len(), 1);
}

#[test]
fn two_runs_at_once_both_become_backups() {
    let (_place, folder) = folder();
    let names = [Name::new(NOW, 1), Name::new(NOW, 2)];
    let drafts = names.each_ref().map(|name| folder.begin(name).unwrap());
    for (draft, name) in drafts.into_iter().zip(&names) {
        draft.writer().unwrap().write_all(b"data").unwrap();
        folder.clean(NOW + 86_400_000).unwrap();
        draft.finish(&manifest(name)).unwrap();
    }
    assert_eq!(folder.existing().unwrap().iter().filter(|existing| existing.good).count(), 2);
}

#[test]
fn a_backup_that_was_cut_or_lost_its_data_or_its_manifest_is_refused_and_not_replaced_by_an_older_one() {
    let (_place, folder) = folder();
    let (_older, name) = (backup(&folder, 1), backup(&folder, 2));
    fs::write(folder.file(&name, Part::Data), "dat").unwrap();
    assert!(matches!(folder.load_by(None), Err(Error::Size { found: 3, expected: 4, .. })));
    fs::remove_file(folder.file(&name, Part::Data)).unwrap();
    assert!(matches!(folder.load_by(None), Err(Error::NoData(found)) if found == name));
    assert_eq!(folder.existing().unwrap().iter().filter(|existing| existing.good).count(), 1);
    fs::write(folder.file(&name, Part::Manifest), "{}").unwrap();
    assert!(matches!(folder.load_by(None), Err(Error::Manifest { .. })));
    assert_eq!(folder.existing().unwrap().len(), 1, "what cannot be read is never removed");
    fs::remove_file(folder.file(&name, Part::Manifest)).unwrap();
    assert!(matches!(folder.load_by(Some(&name)), Err(Error::NoSuchBackup { .. })));
}

#[test]
fn a_folder_that_cannot_be_used_says_why() {
    let place = tempfile::tempdir().unwrap();
    let missing = place.path().join("a/b");
    assert!(Folder::create(&missing).unwrap_err().to_string().contains("a/b"));
    assert!(matches!(Folder::create(Path::new("s3://bucket/x")), Err(Error::NotAFolder(_))));
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(Folder::create(&file), Err(Error::NotAFolder(_))));
}
