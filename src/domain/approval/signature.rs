//! Signatures by keys that people keep to themselves (ed25519).

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::model::{Approval, Verdict};
use crate::core::{Digest, Name};

/// A signature with the key that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The identifier of the key.
    pub key: Name,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

/// What the first word of a key's file is.
const SECRET: &str = "clawteam-ed25519-secret";
const PUBLIC: &str = "clawteam-ed25519-public";

/// A key that signs. Whoever has it can sign.
pub struct Secret(SigningKey);

/// A key that checks signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Public(VerifyingKey);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

impl Secret {
    /// The key that random bytes make.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads a key from the text of its file.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix(SECRET)?.trim();
        Some(Self::from_seed(&unhex::<32>(digits)?))
    }

    /// The text of its file.
    pub fn text(&self) -> String {
        format!("{SECRET} {}\n", hex(&self.0.to_bytes()))
    }

    /// The key that checks what this one signed.
    pub fn public(&self) -> Public {
        Public(self.0.verifying_key())
    }

    /// Signs an answer to a request.
    pub fn sign(&self, approval: &Approval, verdict: Verdict, comment: &str) -> Signed {
        let signature = self.0.sign(&message(approval, verdict, comment));
        Signed { key: self.public().id(), signature: hex(&signature.to_bytes()) }
    }
}

impl Public {
    /// Reads a key from its text.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix(PUBLIC)?.trim();
        VerifyingKey::from_bytes(&unhex::<32>(digits)?).ok().map(Self)
    }

    /// The key as text.
    pub fn text(&self) -> String {
        format!("{PUBLIC} {}", hex(self.0.as_bytes()))
    }

    /// What the key is known by: the start of its digest.
    pub fn id(&self) -> Name {
        let id = Digest::of(self.0.as_bytes()).start(16).to_owned();
        Name::parse(id).expect("hexadecimal digits are a good name")
    }

    /// Whether a signature is one of this key under this answer to this request.
    pub fn holds(
        &self,
        signed: &Signed,
        approval: &Approval,
        verdict: Verdict,
        comment: &str,
    ) -> bool {
        let Some(bytes) = unhex::<64>(&signed.signature) else { return false };
        let message = message(approval, verdict, comment);
        self.0.verify_strict(&message, &Signature::from_bytes(&bytes)).is_ok()
    }
}

/// What is signed: the answer, the request and the state of what is approved. A signature fits
/// nothing else.
fn message(approval: &Approval, verdict: Verdict, comment: &str) -> Vec<u8> {
    let bound = approval.bound.as_ref();
    let signed = serde_json::json!([
        "clawteam.approval.signature/1",
        approval.team,
        approval.id,
        approval.created_at,
        bound.map(|bound| &bound.digest),
        bound.map(|bound| bound.revision),
        approval.valid_for_revision,
        verdict,
        comment,
    ]);
    signed.to_string().into_bytes()
}
