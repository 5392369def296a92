//! Values that must not be seen: passwords, tokens, keys. In: a value. Out: a wrapper that shows it only to who asks.

use std::fmt;
use std::hint::black_box;

/// A secret value. It has no `Display` and no `Serialize`, its `Debug` says only that it is one, and its memory is
/// overwritten when it is dropped (as far as this can be done without unsafe code: copies that the allocator or the
/// compiler made before are not reached).
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted<T: Wipe>(T);

/// Memory that can be overwritten in place.
pub trait Wipe {
    /// Overwrites what it holds.
    fn wipe(&mut self);
}

impl Wipe for Vec<u8> {
    fn wipe(&mut self) {
        self.fill(0);
        black_box(&self[..]);
        self.clear();
    }
}

impl Wipe for String {
    fn wipe(&mut self) {
        std::mem::take(self).into_bytes().wipe();
    }
}

impl<T: Wipe> Redacted<T> {
    /// Wraps a secret value.
    pub fn new(value: T) -> Self {
        Redacted(value)
    }

    /// The value itself. Every call is a place to look at in a review.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Wipe> From<T> for Redacted<T> {
    fn from(value: T) -> Self {
        Redacted(value)
    }
}

impl<T: Wipe> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T: Wipe> Drop for Redacted<T> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_in_no_debug_output_of_what_holds_it() {
        let secret = Some(Redacted::new("hunter2".to_owned()));
        assert_eq!(format!("{secret:?}"), "Some([redacted])");
        assert_eq!(secret.as_ref().map(|secret| secret.expose().as_str()), Some("hunter2"));
    }

    #[test]
    fn a_wiped_value_is_empty() {
        let mut text = "hunter2".to_owned();
        text.wipe();
        assert!(text.is_empty());
    }
}
