//! A dump on its way to the destination and back. In: a reader and a writer. Out: sizes and checksums of what went through,
//! or which end failed. Never more than a few megabytes are in memory.

use super::dump;
use super::manifest::{Data, hex};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are moved at once.
const CHUNK: usize = 256 * 1024;
/// The middle between speed and size that the format's authors chose.
const LEVEL: i32 = 3;

/// How far a dump is, for those who watch.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of the dump itself.
    pub plain: AtomicU64,
    /// Bytes of the compressed file.
    pub stored: AtomicU64,
}

/// What went to the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Sizes and checksums.
    pub data: Data,
    /// The first [`dump::HEAD`] bytes of the dump.
    pub head: Vec<u8>,
    /// The last [`dump::TAIL`] bytes of the dump.
    pub tail: Vec<u8>,
}

/// Which end failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The dump could not be read.
    #[error("cannot read the dump")]
    Read(#[source] io::Error),
    /// The destination has no room.
    #[error("the destination is full after {stored} bytes; make room, enlarge the volume, or keep fewer backups")]
    Full {
        /// Bytes that were written.
        stored: u64,
    },
    /// The destination could not be written.
    #[error("cannot write to the destination after {stored} bytes")]
    Write {
        /// Bytes that were written.
        stored: u64,
        /// What the system says.
        source: io::Error,
    },
    /// The file ends too early.
    #[error("the file was cut: it has {found} bytes of {expected}; the backup cannot be used")]
    Truncated {
        /// Bytes that are there.
        found: u64,
        /// Bytes that the manifest states.
        expected: u64,
    },
    /// The file is not what was written.
    #[error("the file was altered or damaged ({what}); the backup cannot be used")]
    Altered {
        /// What does not match.
        what: &'static str,
    },
    /// The file cannot be read.
    #[error("cannot read the file of the backup")]
    Stored(#[source] io::Error),
    /// Whoever takes the dump stopped taking it.
    #[error("the dump was not taken to its end")]
    Sink(#[source] io::Error),
}

/// Compresses what `source` gives into `destination`.
///
/// # Errors
/// [`Error::Read`], [`Error::Full`] and [`Error::Write`].
pub fn pack(mut source: impl Read, destination: impl Write, progress: &Progress) -> Result<Packed, Error> {
    let stored = || progress.stored.load(Ordering::Relaxed);
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full { stored: stored() },
        _ => Error::Write { stored: stored(), source },
    };
    let counted = Hashing { inner: destination, hash: Sha256::new(), count: &progress.stored };
    let mut encoder = zstd::Encoder::new(counted, LEVEL).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    let (mut hash, mut head, mut tail) = (Sha256::new(), Vec::new(), Vec::new());
    let mut chunk = vec![0; CHUNK];
    loop {
        let bytes = match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => &chunk[..length],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::Read(error)),
        };
        hash.update(bytes);
        head.extend_from_slice(&bytes[..bytes.len().min(dump::HEAD - head.len())]);
        tail.extend_from_slice(bytes);
        tail.drain(..tail.len().saturating_sub(dump::TAIL));
        encoder.write_all(bytes).map_err(failed)?;
        progress.plain.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
    let mut counted = encoder.finish().map_err(failed)?;
    counted.flush().map_err(failed)?;
    let data = Data {
        compression: "zstd".into(),
        size: stored(),
        sha256: hex(&counted.hash.finalize()),
        plain_size: progress.plain.load(Ordering::Relaxed),
        plain_sha256: hex(&hash.finalize()),
    };
    Ok(Packed { data, head, tail })
}

/// Decompresses what `source` gives into `sink`, and compares it with what the manifest states. The first bytes go
/// through `opening`. What a reader of `sink` got counts only when this returns without an error.
///
/// # Errors
/// [`Error::Truncated`], [`Error::Altered`], [`Error::Stored`] and [`Error::Sink`].
pub fn unpack(
    source: impl Read,
    mut sink: impl Write,
    expected: &Data,
    progress: &Progress,
    opening: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Result<(), Error> {
    let mut counted = Hashing { inner: source, hash: Sha256::new(), count: &progress.stored };
    let mut hash = Sha256::new();
    let read = {
        let mut decoder = zstd::Decoder::new(&mut counted).map_err(Error::Stored)?;
        spool(&mut decoder, &mut sink, &mut hash, progress, opening)
    };
    // What is left behind a damaged part counts too: a file that was cut is told from one that was altered.
    io::copy(&mut counted, &mut io::sink()).map_err(Error::Stored)?;
    let found = progress.stored.load(Ordering::Relaxed);
    let sha256 = hex(&counted.hash.finalize());
    match read {
        Err(Error::Sink(error)) => return Err(Error::Sink(error)),
        _ if found < expected.size => return Err(Error::Truncated { found, expected: expected.size }),
        _ if found > expected.size => return Err(Error::Altered { what: "it is longer than the manifest states" }),
        _ if sha256 != expected.sha256 => return Err(Error::Altered { what: "SHA-256 of the file" }),
        Err(_) => return Err(Error::Altered { what: "its compression" }),
        Ok(()) => {}
    }
    if progress.plain.load(Ordering::Relaxed) != expected.plain_size || hex(&hash.finalize()) != expected.plain_sha256 {
        return Err(Error::Altered { what: "SHA-256 of the dump in it" });
    }
    sink.flush().map_err(Error::Sink)
}

fn spool(
    source: &mut impl Read,
    sink: &mut impl Write,
    hash: &mut Sha256,
    progress: &Progress,
    opening: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Result<(), Error> {
    let mut head = Vec::new();
    source.take(dump::HEAD as u64).read_to_end(&mut head).map_err(Error::Stored)?;
    hash.update(&head);
    progress.plain.fetch_add(head.len() as u64, Ordering::Relaxed);
    sink.write_all(&opening(&head)).map_err(Error::Sink)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let bytes = match source.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) => &chunk[..length],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::Stored(error)),
        };
        hash.update(bytes);
        sink.write_all(bytes).map_err(Error::Sink)?;
        progress.plain.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

/// Counts and hashes what goes through.
struct Hashing<'a, T> {
    inner: T,
    hash: Sha256,
    count: &'a AtomicU64,
}

impl<T> Hashing<'_, T> {
    fn saw(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.count.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

impl<T: Write> Write for Hashing<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.saw(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashing<'_, T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.saw(&bytes[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
