//! From whom signatures are taken: owners of keys, and identities. A signature and what was signed in, who signed out.

use super::key::PublicKey;
use super::keyless::{Evidence, Keyless, Signed};
use super::refusal::{Refusal, Stage};
use std::fmt;

/// From whom signatures are taken. One of them suffices.
#[derive(Default)]
pub struct Signers {
    /// Public keys.
    pub keys: Vec<PublicKey>,
    /// Identities, and by whose word they are believed.
    pub keyless: Option<Keyless>,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The owner of the key with this number.
    Key(usize),
    /// Somebody whom an issuer knows.
    Identity(Holder),
}

/// To whom a certificate was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The OIDC issuer that knows them.
    pub issuer: String,
    /// How it knows them: an address, or the address of a workflow.
    pub subject: String,
}

impl fmt::Display for Holder {
    /// For people. Both texts come from a certificate, so they are cut and escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| text.chars().take(200).collect::<String>().escape_debug().to_string();
        write!(f, "{}, known to {}", shown(&self.subject), shown(&self.issuer))
    }
}

impl Signers {
    /// Whether nobody has to have signed.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.keyless.is_none()
    }

    /// Whose signature it is. `evidence` is what came with it, and is read only if no key fits.
    pub(super) fn who(
        &self,
        signed: &Signed<'_>,
        evidence: impl FnOnce() -> Result<Option<Evidence>, String>,
    ) -> Result<Signer, Refusal> {
        if let Some(at) = self.keys.iter().position(|key| key.verifies(signed.message, signed.signature)) {
            return Ok(Signer::Key(at));
        }
        let Some(keyless) = &self.keyless else { return Err(Refusal::new(Stage::Key, "it is by another key")) };
        match evidence().map_err(Refusal::form)? {
            Some(evidence) => keyless.judge(&evidence, signed).map(Signer::Identity),
            None if self.keys.is_empty() => {
                Err(Refusal::new(Stage::Key, "it was made with a key and has no certificate of an identity"))
            }
            None => Err(Refusal::new(Stage::Key, "it is by another key, and has no certificate of an identity")),
        }
    }
}
