//! Lines in the host's log. In the sandbox they go through the contract's only import; natively they go nowhere, so that
//! tests stay quiet.

#[cfg(target_arch = "wasm32")]
use crate::bindings::windlass::plugin::log::{Level, emit};

/// For someone who looks for a fault.
pub fn debug(message: &str) {
    #[cfg(target_arch = "wasm32")]
    emit(Level::Debug, message);
    #[cfg(not(target_arch = "wasm32"))]
    let _ = message;
}

/// For someone who follows what happens.
pub fn info(message: &str) {
    #[cfg(target_arch = "wasm32")]
    emit(Level::Info, message);
    #[cfg(not(target_arch = "wasm32"))]
    let _ = message;
}

/// Something that is not as it should be.
pub fn warn(message: &str) {
    #[cfg(target_arch = "wasm32")]
    emit(Level::Warn, message);
    #[cfg(not(target_arch = "wasm32"))]
    let _ = message;
}
