//! Machine code that our own compiler made, as a component that can be run, and taken out of memory while nobody runs it.
//! The only unsafe code of the sandbox.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use wasmtime::{Engine, component::Component};

/// Machine code that came from our own compiler, and from nowhere else, unchanged.
///
/// Where a value of this type is made is where that is established.
pub(in super::super) enum OwnCode<'a> {
    /// In memory, straight from the compiler.
    Bytes(&'a [u8]),
    /// A file in a folder that only this user can write, its checksum verified.
    File(&'a Path),
}

/// Takes the machine code of a component out of memory. Its next call maps what it needs again, from the file that it is in:
/// that costs the call some page faults, and nothing else changes.
#[expect(unsafe_code, reason = "the kernel is told about pages of ours; there is no safe name for it")]
pub(in super::super) fn page_out(component: &Component) -> std::io::Result<()> {
    let image = component.image_range();
    let (start, length) = (image.start as usize, size(component));
    // Pages that are as they are in a file are let go of at once, and stay in the cache of the kernel. Others are given to
    // it to keep, which it does where it has a place for them.
    let advice = if only_of_file(start, length) { libc::MADV_DONTNEED } else { libc::MADV_PAGEOUT };
    // SAFETY: the range is mapped as long as the component lives, and begins at a page. Paging out never changes what pages
    // hold. Letting go changes those that were written to since they were mapped: there are none, as was just looked up, and
    // nobody writes to an image once it is loaded.
    match unsafe { libc::madvise(image.start.cast_mut().cast(), length, advice) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Bytes of the machine code of a component.
pub(in super::super) fn size(component: &Component) -> usize {
    let image = component.image_range();
    (image.end as usize).saturating_sub(image.start as usize)
}

/// Whether every page of a range that is in memory, or was, is one of a file, unchanged. False where the kernel does not say.
fn only_of_file(start: usize, length: usize) -> bool {
    /// The page is in memory.
    const PRESENT: u64 = 1 << 63;
    /// It was swapped out.
    const SWAPPED: u64 = 1 << 62;
    /// It is one of a file.
    const OF_FILE: u64 = 1 << 61;
    let page = page_size();
    let mut entries = vec![0; length.div_ceil(page) * 8];
    let read = File::open("/proc/self/pagemap")
        .and_then(|pagemap| pagemap.read_exact_at(&mut entries, (start / page * 8) as u64));
    let mut entries = entries.chunks_exact(8).map(|entry| u64::from_ne_bytes(entry.try_into().unwrap_or_default()));
    read.is_ok() && entries.all(|entry| entry & SWAPPED == 0 && (entry & PRESENT == 0 || entry & OF_FILE != 0))
}

/// Bytes of a page of memory.
#[expect(unsafe_code, reason = "a question to the C library")]
fn page_size() -> usize {
    // SAFETY: takes a number and gives one.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096).max(1)
}

impl OwnCode<'_> {
    /// The component, ready to be linked.
    #[expect(
        unsafe_code,
        reason = "machine code is trusted as the host itself is; wasmtime has no other way to load it"
    )]
    pub(in super::super) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        match self {
            // SAFETY: the bytes are what `Engine::precompile_component` returned, by the promise of the type.
            OwnCode::Bytes(bytes) => unsafe { Component::deserialize(engine, bytes) },
            // SAFETY: the file holds what `Engine::precompile_component` returned, by the promise of the type. It is
            // replaced by renaming and never written in place, so the mapped bytes do not change.
            OwnCode::File(path) => unsafe { Component::deserialize_file(engine, path) },
        }
    }
}
