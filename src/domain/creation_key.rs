//! The `Idempotency-Key` with which a request was created.

use sha2::{Digest, Sha256};

use super::validated_text::IdempotencyKey;

/// The key with which a request is created, and what its client sent with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreationKey {
    pub key: IdempotencyKey,
    pub fingerprint: Fingerprint,
}

/// A digest of what a client sent. What the server adds, such as defaults of its configuration or
/// the rights of the bundle, may change before the client repeats it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of the fields of a body, each `None` if it is not set.
    pub fn of(fields: &[Option<String>]) -> Self {
        let mut hasher = Sha256::new();
        for field in fields {
            match field {
                Some(text) => hasher.update(format!("{}:{text}", text.len())),
                None => hasher.update("-"),
            }
        }
        Self(hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The text in the database.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The fingerprint with this text in the database.
    pub(crate) fn from_db(text: String) -> Self {
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_differ_if_any_field_does() {
        let of = |fields: &[Option<&str>]| {
            Fingerprint::of(&fields.iter().map(|field| field.map(str::to_owned)).collect::<Vec<_>>())
        };
        let bodies: [&[Option<&str>]; 8] = [
            &[],
            &[None],
            &[Some("")],
            &[Some("-")],
            &[Some("a"), Some("b")],
            &[Some("ab"), None],
            &[None, Some("ab")],
            &[Some("a1:b")],
        ];
        for (nth, body) in bodies.iter().enumerate() {
            for (other_nth, other) in bodies.iter().enumerate() {
                assert_eq!(of(body) == of(other), nth == other_nth, "{body:?} {other:?}");
            }
        }
        assert_eq!(of(&[Some("a")]).as_str().len(), 32);
    }
}
