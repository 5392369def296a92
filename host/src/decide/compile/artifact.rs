//! Machine code that our own compiler made, as a component that can be run. The only unsafe code of the sandbox.

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
