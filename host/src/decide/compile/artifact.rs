//! Machine code that our own compiler made, as a component that can be run, and taken out of memory while nobody runs it.
//! The only unsafe code of the sandbox.

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

/// Takes the machine code of a component out of memory. Its next call reads what it needs again, from the file that it is
/// in: that costs the call some page faults, and nothing else changes.
#[expect(unsafe_code, reason = "the kernel is told about pages of ours; there is no safe name for it")]
pub(in super::super) fn page_out(component: &Component) -> std::io::Result<()> {
    let image = component.image_range();
    let length = (image.end as usize).saturating_sub(image.start as usize);
    // SAFETY: the range is mapped as long as the component lives, and begins at a page. This advice never changes what the
    // pages hold: those of a file are read from it again, and others stay where there is no place to write them to.
    match unsafe { libc::madvise(image.start.cast_mut().cast(), length, libc::MADV_PAGEOUT) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
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
