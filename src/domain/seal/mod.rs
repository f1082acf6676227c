//! Seals of the audit log: a chain of signed Merkle roots, each of which covers the entries that were added since the
//! one before.

mod diagnosis;
mod fault;
mod leaf;
mod merkle;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::jws::{self, InvalidJws, JwkSet, SigningKey};
use super::timestamp::Timestamp;

pub use diagnosis::{EntryFault, diagnose};
pub use fault::Fault;
pub use leaf::{SALT_BYTES, StoredClient, StoredEntry};
pub use merkle::{Hash, root};

/// The type in the header of a seal.
const TYP: &str = "audit-seal+jwt";

/// The place of an entry in the order in which entries are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub position: i64,
    pub id: Uuid,
}

impl Place {
    /// Before all entries.
    pub const START: Self = Self { position: i64::MIN, id: Uuid::nil() };
    /// After all entries.
    pub const END: Self = Self { position: i64::MAX, id: Uuid::max() };

    fn json(self) -> Value {
        json!({ "id": self.id.to_string(), "position": self.position })
    }
}

/// What a seal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// 1 for the first, then one more each.
    pub number: i64,
    /// The places of the first and the last entry. A seal without entries repeats the last place of the seal before.
    pub first: Place,
    pub last: Place,
    /// The number of entries. A seal without entries records a purge or a new key.
    pub entries: i64,
    /// The time of the newest entry; without entries, that of the seal.
    pub newest_at: Timestamp,
    pub root: Hash,
    /// [`SignedSeal::hash`] of the seal before; zeros in the first.
    pub previous: Hash,
    /// Whether the server had checked that the seal before was its own, and unchanged.
    pub continues: bool,
    /// The retention has deleted the entries of the seals up to this number.
    pub purged: i64,
    pub sealed_at: Timestamp,
}

/// A seal and its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedSeal {
    pub seal: Seal,
    /// The id of the key.
    pub kid: String,
    /// The last part of the compact JWS.
    pub signature: String,
}

impl Seal {
    /// The members are in the order of their names, whichever order `serde_json` is built with: the signature covers
    /// these bytes.
    fn claims(&self) -> Value {
        json!({
            "continues": self.continues,
            "entries": self.entries,
            "first": self.first.json(),
            "last": self.last.json(),
            "newest_at": rfc3339(self.newest_at),
            "number": self.number,
            "previous": URL_SAFE_NO_PAD.encode(self.previous),
            "purged": self.purged,
            "root": URL_SAFE_NO_PAD.encode(self.root),
            "sealed_at": rfc3339(self.sealed_at),
        })
    }

    /// Signs the seal.
    pub fn sign(self, key: &SigningKey) -> SignedSeal {
        let text = key.sign(TYP, &self.claims());
        let signature = text.rsplit('.').next().unwrap_or_default().to_owned();
        SignedSeal { seal: self, kid: key.kid().to_owned(), signature }
    }
}

impl SignedSeal {
    /// The compact JWS (RFC 7515), which `/.well-known/jwks.json` verifies.
    fn jws(&self) -> String {
        format!("{}.{}", jws::signed_part(TYP, &self.kid, &self.seal.claims()), self.signature)
    }

    /// Checks the signature.
    pub fn verify(&self, keys: &JwkSet) -> Result<(), InvalidJws> {
        jws::verify(&self.jws(), TYP, keys).map(drop)
    }

    /// The SHA-256 of the compact JWS, which the next seal contains.
    pub fn hash(&self) -> Hash {
        Sha256::digest(self.jws().as_bytes()).into()
    }

    /// The seal as JSON, to be kept in another place: an anchor.
    pub fn to_json(&self) -> Value {
        let mut json = self.seal.claims();
        if let Some(members) = json.as_object_mut() {
            members.insert("jws".to_owned(), self.jws().into());
        }
        json
    }
}

/// RFC 3339 in microseconds.
fn rfc3339(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ")
}

/// A seal that was kept in another place. It vouches for this seal, and so for all seals before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub number: i64,
    hash: Hash,
}

impl Anchor {
    /// Parses the line of a seal ([`SignedSeal::to_json`]). `None` if it is not one.
    pub fn parse(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let hash = Sha256::digest(line.get("jws")?.as_str()?.as_bytes()).into();
        Some(Self { number: line.get("number")?.as_i64()?, hash })
    }

    /// Whether it is this seal.
    pub fn is(&self, seal: &SignedSeal) -> bool {
        self.number == seal.seal.number && self.hash == seal.hash()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::jws::{Jwk, KEY_BYTES};

    fn seal() -> Seal {
        Seal {
            number: 2,
            first: Place { position: 5, id: Uuid::from_u128(1) },
            last: Place { position: 7, id: Uuid::from_u128(2) },
            entries: 3,
            newest_at: Timestamp::from_micros(1_893_456_000_000_001),
            root: [1; 32],
            previous: [2; 32],
            continues: true,
            purged: 1,
            sealed_at: Timestamp::from_micros(1_893_456_010_000_000),
        }
    }

    #[test]
    fn every_field_is_signed() {
        let key = SigningKey::from_bytes(&[3; KEY_BYTES]);
        let keys = JwkSet { keys: vec![Jwk::new(&key.public_bytes())] };
        let signed = seal().sign(&key);
        assert_eq!(signed.verify(&keys), Ok(()));
        let changes: [fn(&mut Seal); 12] = [
            |seal| seal.number += 1,
            |seal| seal.first.position -= 1,
            |seal| seal.first.id = Uuid::nil(),
            |seal| seal.last.position -= 1,
            |seal| seal.last.id = Uuid::nil(),
            |seal| seal.entries += 1,
            |seal| seal.newest_at = seal.sealed_at,
            |seal| seal.root[0] = 0,
            |seal| seal.previous[0] = 0,
            |seal| seal.continues = false,
            |seal| seal.purged = 0,
            |seal| seal.sealed_at = seal.newest_at,
        ];
        for (nth, change) in changes.iter().enumerate() {
            let mut changed = signed.clone();
            change(&mut changed.seal);
            assert_eq!(changed.verify(&keys), Err(InvalidJws::BadSignature), "change {nth}");
            assert_ne!(changed.hash(), signed.hash(), "change {nth}");
        }
    }

    #[test]
    fn an_anchor_is_the_line_of_its_seal_only() {
        let key = SigningKey::from_bytes(&[3; KEY_BYTES]);
        let signed = seal().sign(&key);
        let line = signed.to_json().to_string();
        assert!(!line.contains('\n'));
        assert!(Anchor::parse(&line).is_some_and(|anchor| anchor.is(&signed)));
        let other = Seal { root: [9; 32], ..seal() }.sign(&key);
        assert!(!Anchor::parse(&line).unwrap().is(&other));
        for text in ["", "{}", "[]", r#"{"number":1}"#, r#"{"jws":"a.b.c"}"#] {
            assert_eq!(Anchor::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_claims_never_change() {
        let hashes =
            ["AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"];
        let expected = format!(
            r#"{{"continues":true,"entries":3,"first":{{"id":"00000000-0000-0000-0000-000000000001","position":5}},"last":{{"id":"00000000-0000-0000-0000-000000000002","position":7}},"newest_at":"2030-01-01T00:00:00.000001Z","number":2,"previous":"{}","purged":1,"root":"{}","sealed_at":"2030-01-01T00:00:10.000000Z"}}"#,
            hashes[0], hashes[1]
        );
        assert_eq!(seal().claims().to_string(), expected);
    }

    #[test]
    fn the_line_contains_a_jws_with_the_same_claims() {
        let key = SigningKey::from_bytes(&[3; KEY_BYTES]);
        let keys = JwkSet { keys: vec![Jwk::new(&key.public_bytes())] };
        let mut line = seal().sign(&key).to_json();
        let jws = line.as_object_mut().unwrap().remove("jws").unwrap();
        assert_eq!(jws::verify(jws.as_str().unwrap(), TYP, &keys), Ok(line));
    }
}
