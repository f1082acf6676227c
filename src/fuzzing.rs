//! Fuzz targets: each runs a parser of untrusted input and checks its invariants. The programs in
//! `fuzz/` call them by name; the tests run them on `fuzz/corpus/`. Not compiled into the
//! server.

use crate::auth::credentials;
use crate::config::{self, DatabaseUrl, PublicUrl, SmtpUrl, WebOrigin};
use crate::domain::export_token::ExportTokenRef;
use crate::domain::jws::{self, InvalidJws, JwkSet};
use crate::domain::token::{Keyring, Token, TokenKind};
use crate::domain::validated_text::IdempotencyKey;
use crate::domain::webhook::{EventFilter, WebhookUrl};
use crate::http::extract::form;
use crate::http::{self, hexo, mfs, pages, resource_server};
use crate::{receipt, webhook};

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All targets with their names.
pub const TARGETS: [(&str, Target); 15] = [
    ("authz", authz),
    ("authzen", authzen),
    ("config", config),
    ("credentials", credentials),
    ("fields", fields),
    ("form", form),
    ("idempotency_key", idempotency_key),
    ("page_form", page_form),
    ("parameters", parameters),
    ("query", query),
    ("receipt", receipt),
    ("reference", reference),
    ("token", token),
    ("token_form", token_form),
    ("webhook", webhook),
];

/// A file with a receipt, after a line with the keys. One that is valid is not valid without them, or
/// as another document.
pub fn receipt(bytes: &[u8]) {
    with_text(bytes, |text| {
        let (keys, receipt) = text.split_once('\n').unwrap_or_default();
        let Ok(keys) = serde_json::from_str::<JwkSet>(keys) else { return };
        if receipt::verify(receipt, &keys).is_ok() {
            assert_eq!(receipt::verify(receipt, &JwkSet { keys: Vec::new() }), Err(InvalidJws::UnknownKey));
            assert_eq!(jws::verify(receipt.trim(), "JWT", &keys), Err(InvalidJws::OtherType));
        }
    });
}

/// The parameters of `/authz`.
pub fn authz(bytes: &[u8]) {
    with_text(bytes, resource_server::fuzz_authz);
}

/// A batch of evaluations.
pub fn authzen(bytes: &[u8]) {
    http::authzen::fuzz(bytes);
}

/// The operator's file and the URLs in it. A URL that is accepted is also accepted in its
/// canonical form, and `Debug` hides its password.
pub fn config(bytes: &[u8]) {
    with_text(bytes, |text| {
        config::fuzz(text);
        if let Ok(url) = text.parse::<PublicUrl>() {
            assert_eq!(url.as_str().parse::<PublicUrl>().as_ref(), Ok(&url));
            assert!(!url.as_str().ends_with('/'));
        }
        if let Ok(origin) = text.parse::<WebOrigin>() {
            assert_eq!(origin.as_str().parse::<WebOrigin>().as_ref(), Ok(&origin));
        }
        if let Ok(url) = text.parse::<SmtpUrl>() {
            assert!(!url.host.is_empty());
            assert_eq!(format!("{url:?}").contains("REDACTED"), url.credentials.is_some());
        }
        if let Ok(DatabaseUrl::Postgres(url)) = text.parse::<DatabaseUrl>() {
            assert!(!format!("{url:?}").contains(text));
        }
    });
}

/// The value of an `Authorization` header.
pub fn credentials(bytes: &[u8]) {
    credentials::fuzz(bytes);
}

/// A request body of the consent-request API.
pub fn fields(bytes: &[u8]) {
    hexo::fuzzing::fields(bytes);
}

/// A form: the parsed pairs survive a round trip.
pub fn form(bytes: &[u8]) {
    let parsed: Vec<_> = form::pairs(bytes).collect();
    let valid: Vec<(&str, &str)> = parsed
        .iter()
        .filter_map(|(name, value)| Some((name.as_deref().ok()?, value.as_deref().ok()?)))
        .collect();
    let serialized = form_urlencoded::Serializer::new(String::new()).extend_pairs(&valid).finish();
    let parsed_again: Vec<_> = form::pairs(serialized.as_bytes()).collect();
    assert_eq!(valid.len(), parsed_again.len());
    for ((name, value), (name_again, value_again)) in valid.iter().zip(&parsed_again) {
        assert_eq!((Ok(*name), Ok(*value)), (name_again.as_deref(), value_again.as_deref()));
    }
}

/// An `Idempotency-Key`: an accepted key is stored unchanged.
pub fn idempotency_key(bytes: &[u8]) {
    with_text(bytes, |text| {
        if let Ok(key) = IdempotencyKey::new(text) {
            assert_eq!(key.as_str(), text);
            assert!((1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control));
        }
    });
}

/// The form of the redeem page.
pub fn page_form(bytes: &[u8]) {
    pages::fuzz(bytes);
}

/// The parameters of the export-token API, in a header, a query or a body.
pub fn parameters(bytes: &[u8]) {
    mfs::fuzz(bytes);
}

/// The query of a list in the consent-request API.
pub fn query(bytes: &[u8]) {
    with_text(bytes, hexo::fuzzing::query);
}

/// A reference to a user or a bundle.
pub fn reference(bytes: &[u8]) {
    with_text(bytes, hexo::fuzzing::reference);
}

/// A token of any kind: a parsed token is exposed unchanged, and no other kind parses it.
pub fn token(bytes: &[u8]) {
    with_text(bytes, |text| {
        let kinds = [TokenKind::Export, TokenKind::ApiKey, TokenKind::Redeem];
        let parsed: Vec<Token> = kinds.iter().filter_map(|kind| Token::parse(*kind, text).ok()).collect();
        assert!(parsed.len() <= 1);
        for token in &parsed {
            assert_eq!(token.expose(), text);
            assert!(!format!("{token:?}").contains(text));
        }
        if let Ok(keyring) = Keyring::new(&[7; 32], None)
            && let Ok(id) = keyring.verify_redeem_token(text)
        {
            assert_eq!(keyring.redeem_token(id).expose(), text);
        }
        if let Some(reference) = ExportTokenRef::parse(text) {
            assert!(text == reference.id.to_string() || text.starts_with("cse_"));
        }
    });
}

/// The form of token introspection.
pub fn token_form(bytes: &[u8]) {
    resource_server::fuzz_token_form(bytes);
}

/// The URL and the events of a webhook, and the response of a receiver. A URL means the same in its normal form.
pub fn webhook(bytes: &[u8]) {
    webhook::fuzz(bytes);
    with_text(bytes, |text| {
        if let Ok(url) = text.parse::<WebhookUrl>() {
            assert_eq!(url.as_str().parse::<WebhookUrl>().as_ref(), Ok(&url));
            let parts = [url.authority(), url.request_target()];
            assert!(parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_graphic())));
        }
        let filter = |text: &str| EventFilter::new(text.split_ascii_whitespace());
        if let Ok(events) = filter(text) {
            assert_eq!(filter(&events.to_string()).as_ref(), Ok(&events));
        }
    });
}

/// Skips input that is not UTF-8, which parsers of text never receive.
fn with_text(bytes: &[u8], target: impl FnOnce(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        target(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::sync::LazyLock;

    /// The inputs in the corpus of each target.
    static CORPORA: LazyLock<Vec<Vec<Vec<u8>>>> = LazyLock::new(|| {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        let content = |name: &str| {
            let files = std::fs::read_dir(corpus.join(name)).unwrap();
            files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
        };
        TARGETS.iter().map(|(name, _)| content(name)).collect()
    });

    #[derive(Clone, Debug)]
    enum Edit {
        Replace(Index, u8),
        Insert(Index, u8),
        Remove(Index),
        Truncate(Index),
        Repeat(Index, u8),
    }

    fn any_edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
            (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
            any::<Index>().prop_map(Edit::Remove),
            any::<Index>().prop_map(Edit::Truncate),
            (any::<Index>(), any::<u8>()).prop_map(|(at, times)| Edit::Repeat(at, times)),
        ]
    }

    fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
        for edit in edits {
            let position = |at: &Index| at.index(bytes.len().max(1));
            match edit {
                Edit::Insert(at, byte) => bytes.insert(position(at).min(bytes.len()), *byte),
                _ if bytes.is_empty() => {}
                Edit::Replace(at, byte) => {
                    let at = position(at);
                    bytes[at] = *byte;
                }
                Edit::Remove(at) => drop(bytes.remove(position(at))),
                Edit::Truncate(at) => bytes.truncate(position(at)),
                Edit::Repeat(at, times) => {
                    let at = position(at);
                    let byte = bytes[at];
                    bytes.splice(at..at, std::iter::repeat_n(byte, usize::from(*times)));
                }
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn every_target_survives_mutated_corpus_inputs(
            file in any::<Index>(),
            edits in vec(any_edit(), 1..6),
        ) {
            for ((_, target), corpus) in TARGETS.iter().zip(&*CORPORA) {
                target(&edited(corpus[file.index(corpus.len())].clone(), &edits));
            }
        }
    }

    #[test]
    fn every_target_survives_its_corpus() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        for ((name, target), corpus) in TARGETS.iter().zip(&*CORPORA) {
            assert!(!corpus.is_empty(), "{name}");
            for bytes in corpus {
                target(bytes);
            }
            target(b"");
            assert!(fuzz.join(format!("fuzz_targets/{name}.rs")).is_file(), "{name}");
        }
        let names: BTreeSet<String> = std::fs::read_dir(fuzz.join("corpus"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names, TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect());
    }
}
