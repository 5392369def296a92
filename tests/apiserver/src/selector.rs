//! Label and field selectors: text in, a test on objects out.

pub(crate) mod field;
pub(crate) mod label;
