//! Signed documents: compact JWS (RFC 7515) with Ed25519 (RFC 8037), and the keys that sign and
//! verify them, as JWKs (RFC 7517).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The length of a private key, of a public key, and of a coordinate in a JWK.
pub const KEY_BYTES: usize = 32;

const ALGORITHM: &str = "EdDSA";
const KEY_TYPE: &str = "OKP";
const CURVE: &str = "Ed25519";

/// A private key with its id.
pub struct SigningKey {
    kid: String,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// The key with these secret bytes, which must be random.
    pub fn from_bytes(secret: &[u8; KEY_BYTES]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(secret);
        Self { kid: thumbprint(&key.verifying_key().to_bytes()), key }
    }

    /// The key with these secret bytes. `None` if there are more or fewer than [`KEY_BYTES`].
    pub fn from_secret(secret: &SecretSlice<u8>) -> Option<Self> {
        secret.expose_secret().try_into().ok().map(Self::from_bytes)
    }

    /// The secret bytes.
    pub fn secret_bytes(&self) -> SecretSlice<u8> {
        SecretSlice::from(self.key.to_bytes().to_vec())
    }

    /// The id: the thumbprint of the public key (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The bytes of the public key.
    pub fn public_bytes(&self) -> [u8; KEY_BYTES] {
        self.key.verifying_key().to_bytes()
    }

    /// Signs claims as a compact JWS of this type. The same claims always have the same signature.
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        let signed = signed_part(typ, &self.kid, claims);
        let signature = encode(&self.key.sign(signed.as_bytes()).to_bytes());
        format!("{signed}.{signature}")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

/// The compact JWS of these claims without its signature: what is signed.
pub fn signed_part(typ: &str, kid: &str, claims: &Value) -> String {
    let header = Header { alg: ALGORITHM.to_owned(), kid: kid.to_owned(), typ: typ.to_owned() };
    // A struct of texts is always valid JSON.
    let header = serde_json::to_vec(&header).unwrap_or_default();
    format!("{}.{}", encode(&header), encode(claims.to_string().as_bytes()))
}

/// The id of the key with these public bytes: the SHA-256 of its JWK with the required members in
/// order and without white space (RFC 7638, 3).
pub fn thumbprint(public: &[u8; KEY_BYTES]) -> String {
    let jwk = format!(r#"{{"crv":"{CURVE}","kty":"{KEY_TYPE}","x":"{}"}}"#, encode(public));
    encode(&Sha256::digest(jwk.as_bytes()))
}

/// A public key as a JWK.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Jwk {
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    kid: String,
    #[serde(default, rename = "use")]
    usage: String,
    #[serde(default)]
    alg: String,
}

impl Jwk {
    /// The JWK of a key with these public bytes.
    pub fn new(public: &[u8; KEY_BYTES]) -> Self {
        Self {
            kty: KEY_TYPE.to_owned(),
            crv: CURVE.to_owned(),
            x: encode(public),
            kid: thumbprint(public),
            usage: "sig".to_owned(),
            alg: ALGORITHM.to_owned(),
        }
    }

    /// The key, if it is one that this module can use and its id is its own.
    fn verifying_key(&self, kid: &str) -> Option<VerifyingKey> {
        let public: [u8; KEY_BYTES] = URL_SAFE_NO_PAD.decode(&self.x).ok()?.try_into().ok()?;
        let is_usable = self.kty == KEY_TYPE && self.crv == CURVE && thumbprint(&public) == kid;
        VerifyingKey::from_bytes(&public).ok().filter(|_| is_usable)
    }
}

/// A set of public keys (RFC 7517, 5). Members and keys of other kinds are ignored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JwkSet {
    pub keys: Vec<Jwk>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// Why a document is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJws {
    #[error("it is not a compact JWS with the algorithm EdDSA and a key id")]
    Malformed,
    #[error("it is a JWS of another type")]
    OtherType,
    #[error("it was signed with a key that is not in the set of keys")]
    UnknownKey,
    #[error("its signature does not match: it was changed after it was signed")]
    BadSignature,
}

/// Verifies a compact JWS of this type. Returns its claims.
pub fn verify(text: &str, typ: &str, keys: &JwkSet) -> Result<Value, InvalidJws> {
    let (signed, signature) = text.rsplit_once('.').ok_or(InvalidJws::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(InvalidJws::Malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidJws::Malformed);
    let header: Value = serde_json::from_slice(&decode(header)?).map_err(|_| InvalidJws::Malformed)?;
    // A `crit` names members that must be understood (RFC 7515, 4.1.11).
    if header.get("crit").is_some() {
        return Err(InvalidJws::Malformed);
    }
    let header: Header = serde_json::from_value(header).map_err(|_| InvalidJws::Malformed)?;
    if header.alg != ALGORITHM {
        return Err(InvalidJws::Malformed);
    }
    if header.typ != typ {
        return Err(InvalidJws::OtherType);
    }
    let key =
        keys.keys.iter().find_map(|jwk| jwk.verifying_key(&header.kid)).ok_or(InvalidJws::UnknownKey)?;
    let signature = Signature::from_slice(&decode(signature)?).map_err(|_| InvalidJws::Malformed)?;
    key.verify_strict(signed.as_bytes(), &signature).map_err(|_| InvalidJws::BadSignature)?;
    serde_json::from_slice(&decode(claims)?).map_err(|_| InvalidJws::Malformed)
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The private key of RFC 8037, appendix A.1.
    const RFC_KEY: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

    fn rfc_key() -> SigningKey {
        SigningKey::from_bytes(&URL_SAFE_NO_PAD.decode(RFC_KEY).unwrap().try_into().unwrap())
    }

    fn keys(keys: &[&SigningKey]) -> JwkSet {
        JwkSet { keys: keys.iter().map(|key| Jwk::new(&key.public_bytes())).collect() }
    }

    #[test]
    fn the_key_of_rfc_8037_has_the_public_key_and_the_thumbprint_of_the_rfc() {
        let jwk = Jwk::new(&rfc_key().public_bytes());
        assert_eq!(jwk.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(rfc_key().kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(jwk.kid, rfc_key().kid());
    }

    #[test]
    fn the_signature_is_that_of_rfc_8037() {
        // The example of appendix A.4 has another header, so its bytes are signed directly.
        let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = encode(&rfc_key().key.sign(signed).to_bytes());
        let expected =
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(signature, expected);
    }

    #[test]
    fn a_document_verifies_only_unchanged_with_its_key_and_as_its_type() {
        let (key, other) = (rfc_key(), SigningKey::from_bytes(&[1; KEY_BYTES]));
        let claims = json!({ "iss": "https://countersign.test", "n": 1 });
        let text = key.sign("a+jwt", &claims);
        assert_eq!(text, key.sign("a+jwt", &claims), "deterministic");
        assert_eq!(verify(&text, "a+jwt", &keys(&[&other, &key])), Ok(claims.clone()));
        assert_eq!(verify(&text, "b+jwt", &keys(&[&key])), Err(InvalidJws::OtherType));
        assert_eq!(verify(&text, "a+jwt", &keys(&[&other])), Err(InvalidJws::UnknownKey));
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed.replace_range(at..=at, if &text[at..=at] == "A" { "B" } else { "A" });
            assert!(verify(&changed, "a+jwt", &keys(&[&key])).is_err(), "character {at}");
            assert!(verify(&text[..at], "a+jwt", &keys(&[&key])).is_err(), "{at} characters");
        }
        let [header, rest] = [0, 1].map(|nth| text.splitn(2, '.').nth(nth).unwrap());
        let with_payload = format!("{header}.{}.{}", encode(b"{}"), rest.split_once('.').unwrap().1);
        assert_eq!(verify(&with_payload, "a+jwt", &keys(&[&key])), Err(InvalidJws::BadSignature));
    }

    #[test]
    fn a_document_cannot_choose_another_algorithm_or_require_extensions() {
        let key = rfc_key();
        let sign = |header: Value| {
            let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(b"{}"));
            let signature = encode(&key.key.sign(signed.as_bytes()).to_bytes());
            verify(&format!("{signed}.{signature}"), "t", &keys(&[&key]))
        };
        let kid = key.kid();
        assert_eq!(sign(json!({ "alg": "EdDSA", "kid": kid, "typ": "t", "other": 1 })), Ok(json!({})));
        for header in [
            json!({ "alg": "none", "kid": kid, "typ": "t" }),
            json!({ "alg": "HS256", "kid": kid, "typ": "t" }),
            json!({ "kid": kid, "typ": "t" }),
            json!({ "alg": "EdDSA", "typ": "t" }),
            json!({ "alg": "EdDSA", "kid": kid }),
            json!({ "alg": "EdDSA", "kid": kid, "typ": "t", "crit": ["b64"], "b64": false }),
            json!([]),
        ] {
            assert_eq!(sign(header.clone()), Err(InvalidJws::Malformed), "{header}");
        }
    }

    #[test]
    fn a_key_counts_only_under_its_own_thumbprint() {
        let (key, attacker) = (rfc_key(), SigningKey::from_bytes(&[1; KEY_BYTES]));
        let forged = SigningKey { kid: key.kid.clone(), key: attacker.key.clone() };
        let mut set = keys(&[&attacker]);
        set.keys[0].kid = key.kid.clone();
        assert_eq!(verify(&forged.sign("t", &json!({})), "t", &set), Err(InvalidJws::UnknownKey));
    }

    #[test]
    fn a_set_may_contain_keys_of_other_kinds() {
        let mut set = serde_json::to_value(keys(&[&rfc_key()])).unwrap();
        let others =
            json!([{ "kty": "RSA", "n": "AQAB", "e": "AQAB" }, { "kty": "OKP", "crv": "X25519", "x": "AA" }]);
        set["keys"].as_array_mut().unwrap().splice(0..0, others.as_array().unwrap().clone());
        let set: JwkSet = serde_json::from_value(set).unwrap();
        assert_eq!(verify(&rfc_key().sign("t", &json!({})), "t", &set), Ok(json!({})));
    }

    #[test]
    fn debug_prints_no_private_key() {
        assert_eq!(format!("{:?}", rfc_key()), "SigningKey(kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k)");
    }
}
