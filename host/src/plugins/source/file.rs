//! A component in a file of the host. A path below the folder for this in, bytes out. Nothing outside of the folder is
//! read, whatever the path and the links in it say.

use super::{Fetched, SourceError};
use crate::plugins::resource::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The bytes of the file.
pub(super) async fn fetch(folder: Option<PathBuf>, file: File, limit: usize) -> Result<Fetched, SourceError> {
    blocking(move || {
        let path = locate(folder.as_deref(), &file)?;
        let failed = |error: std::io::Error| failure(&file, &error);
        let opened = std::fs::File::open(&path).map_err(failed)?;
        if !opened.metadata().map_err(failed)?.is_file() {
            return Err(SourceError::Unusable(format!("{} is no file", file.path)));
        }
        let mut bytes = Vec::new();
        opened.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > limit {
            return Err(SourceError::TooLarge { what: file.path.clone(), limit });
        }
        Ok(Fetched { bytes, from: format!("file {}", file.path), artifact: None })
    })
    .await
}

/// Changes when the file is replaced or written.
pub(super) async fn marker(folder: Option<PathBuf>, file: File) -> Result<String, SourceError> {
    blocking(move || {
        let path = locate(folder.as_deref(), &file)?;
        let metadata = std::fs::metadata(path).map_err(|error| failure(&file, &error))?;
        let (inode, size) = (metadata.ino(), metadata.size());
        Ok(format!("{inode}-{size}-{}.{}", metadata.mtime(), metadata.mtime_nsec()))
    })
    .await
}

fn locate(folder: Option<&Path>, file: &File) -> Result<PathBuf, SourceError> {
    let Some(folder) = folder else {
        let message = "this host takes no files; start it with --plugin-files DIR, or use another source";
        return Err(SourceError::Unusable(message.into()));
    };
    let failed = |error: std::io::Error| failure(file, &error);
    let folder = folder.canonicalize().map_err(failed)?;
    let path = folder.join(&file.path).canonicalize().map_err(failed)?;
    if !path.starts_with(&folder) {
        let message = format!("{} leads out of the folder for plugins; put the file there", file.path);
        return Err(SourceError::Unusable(message));
    }
    Ok(path)
}

fn failure(file: &File, error: &std::io::Error) -> SourceError {
    let what = format!("file {}", file.path);
    match error.kind() {
        ErrorKind::NotFound => {
            SourceError::Missing { what, advice: "put it into the folder that --plugin-files names".into() }
        }
        ErrorKind::PermissionDenied => SourceError::Forbidden { what, message: "its mode does not allow it".into() },
        _ => SourceError::Unreachable { what, message: error.to_string() },
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(SourceError::Unreachable { what: "the file".into(), message: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> File {
        File { path: path.into() }
    }

    #[tokio::test]
    async fn only_files_of_the_folder_are_read() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        let inside = outside.path().join("plugins");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("a.wasm"), "code").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), inside.join("link")).unwrap();
        let fetched = fetch(Some(inside.clone()), file("a.wasm"), 100).await.unwrap();
        assert_eq!(fetched.bytes, b"code");
        for path in ["../secret", "link", outside.path().join("secret").to_str().unwrap()] {
            let error = fetch(Some(inside.clone()), file(path), 100).await.unwrap_err();
            assert_eq!(error.reason(), "SourceUnusable", "{path}");
        }
        assert_eq!(fetch(Some(inside.clone()), file("b"), 100).await.unwrap_err().reason(), "SourceMissing");
        assert_eq!(fetch(Some(inside), file("a.wasm"), 3).await.unwrap_err().reason(), "ComponentTooLarge");
        assert_eq!(fetch(None, file("a.wasm"), 3).await.unwrap_err().reason(), "SourceUnusable");
    }
}
