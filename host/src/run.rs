//! run
pub mod fingerprint_key;
