//! Collects the output of a server and searches it for secrets in several encodings.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

/// Secrets by name.
#[derive(Default)]
pub struct KnownSecrets(BTreeMap<String, Vec<u8>>);

/// A secret, and the file that contains it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    pub secret: String,
    /// The encoding in which it was found.
    pub encoding: String,
    pub file: PathBuf,
    pub offset: u64,
}

impl KnownSecrets {
    /// Registers a secret and returns it.
    pub fn add(&mut self, name: &str, secret: &str) -> String {
        self.add_bytes(name, secret.as_bytes());
        secret.to_owned()
    }

    /// Registers a secret that is not a text.
    pub fn add_bytes(&mut self, name: &str, secret: &[u8]) {
        self.0.insert(name.to_owned(), secret.to_vec());
    }

    /// The first occurrence of each secret in each file, in any encoding.
    pub fn search_files(&self, files: &[PathBuf]) -> Vec<Leak> {
        let mut needles = Vec::new();
        for (name, secret) in &self.0 {
            let mut bytes = vec![("", secret.clone())];
            let text = std::str::from_utf8(secret).unwrap_or_default();
            // The last 16 bytes of a token are its secret in every token format.
            if let Some(body) = text.strip_prefix("cs").and_then(|rest| rest.split_once('_'))
                && let Ok(token) = URL_SAFE_NO_PAD.decode(body.1)
            {
                bytes.push(("the secret bytes, ", token[17..].to_vec()));
            }
            for (what, bytes) in bytes {
                for (clothes, needle) in encodings(&bytes) {
                    needles.push((format!("{name}|{what}{clothes}"), STANDARD.encode(needle)));
                }
            }
        }
        let question = serde_json::json!({ "needles": needles, "files": files });
        let python = std::env::var("COUNTERSIGN_TEST_PYTHON").expect("run the tests by `make test`");
        let mut search = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/find_bytes.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        search.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
        let output = search.wait_with_output().unwrap();
        assert!(output.status.success());
        let found: Vec<(String, PathBuf, u64)> = serde_json::from_slice(&output.stdout).unwrap();
        let finding = |(name, file, offset): (String, PathBuf, u64)| {
            let (secret, clothes) = name.split_once('|').unwrap();
            Leak { secret: secret.to_owned(), encoding: clothes.to_owned(), file, offset }
        };
        found.into_iter().map(finding).collect()
    }
}

/// The encodings of these bytes.
fn encodings(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent = percent_encode(bytes, NON_ALPHANUMERIC).to_string();
    let form: String = form_urlencoded::byte_serialize(bytes).collect();
    let debug = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let mut ways = vec![
        ("as it is".to_owned(), bytes.to_vec()),
        ("hex".to_owned(), hex.clone().into_bytes()),
        ("HEX".to_owned(), hex.to_uppercase().into_bytes()),
        ("percent-encoded".to_owned(), percent.clone().into_bytes()),
        ("percent-encoded, lower case".to_owned(), lower_escapes(&percent).into_bytes()),
        ("as a form has it".to_owned(), form.into_bytes()),
        ("a list of bytes".to_owned(), debug.into_bytes()),
    ];
    for shift in 0..3 {
        for (name, engine) in [("base64", &STANDARD_NO_PAD), ("base64url", &URL_SAFE_NO_PAD)] {
            // Preceding bytes shift the bits of the encoding. Characters that contain bits of
            // neighbours are removed.
            let shifted = [vec![0; shift], bytes.to_vec()].concat();
            let text = engine.encode(&shifted);
            let (start, end) = ((shift * 8).div_ceil(6), shifted.len() * 8 / 6);
            ways.push((format!("{name}, shifted by {shift}"), text.as_bytes()[start..end].to_vec()));
        }
    }
    ways
}

fn lower_escapes(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut lower = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (escape, rest) = piece.split_at(2);
        lower += &format!("%{}{rest}", escape.to_lowercase());
    }
    lower
}

/// Tests the search itself: it finds a secret in every encoding.
#[test]
fn a_secret_is_found_in_every_encoding() {
    let directory = tempfile::tempdir().unwrap();
    let mut secrets = KnownSecrets::default();
    let password = secrets.add("password", "kanarien/vogel + ü?");
    let token = secrets.add("token", "csk_EAGiANxz1Hp6soQhyVrJL98_MnxCt0t8BCQfL8aQuGDa");
    let write = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let hex: String = password.bytes().map(|byte| format!("{byte:02X}")).collect();
    let whole = URL_SAFE_NO_PAD.decode(&token[4..]).unwrap();
    let cases = [
        (write("0", format!("x{password}y").as_bytes()), "as it is"),
        (write("1", STANDARD.encode(format!("a:{password}")).as_bytes()), "base64, shifted by 2"),
        (write("2", STANDARD.encode(format!("ab:{password}!")).as_bytes()), "base64, shifted by 0"),
        (write("3", STANDARD.encode(format!("abc:{password}")).as_bytes()), "base64, shifted by 1"),
        (write("4", hex.as_bytes()), "HEX"),
        (write("5", b"p=kanarien%2Fvogel%20%2B%20%C3%BC%3F"), "percent-encoded"),
        (write("6", b"p=kanarien%2fvogel%20%2b%20%c3%bc%3f"), "percent-encoded, lower case"),
        (write("7", b"p=kanarien%2Fvogel+%2B+%C3%BC%3F&x"), "as a form has it"),
        (write("8", format!("{:?}", password.as_bytes()).as_bytes()), "a list of bytes"),
        (write("9", &whole), "the secret bytes, as it is"),
        (write("10", format!("{:?}", &whole).as_bytes()), "the secret bytes, a list of bytes"),
    ];
    for (file, clothes) in cases {
        let found = secrets.search_files(std::slice::from_ref(&file));
        assert!(found.iter().any(|finding| finding.encoding == clothes), "{clothes}: {found:?}");
    }
    assert_eq!(secrets.search_files(&[write("11", b"kanarien/vogel + u?")]), []);
}

/// Files in a temporary directory.
pub struct CapturedOutput {
    directory: tempfile::TempDir,
    /// The files to search.
    pub files: Vec<PathBuf>,
    responses: usize,
}

impl CapturedOutput {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), files: Vec::new(), responses: 0 }
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The path of a new file to search.
    pub fn file(&mut self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        self.files.push(path.clone());
        path
    }

    /// Saves a response. Returns its file and its text.
    pub async fn save_response(&mut self, answer: reqwest::Response) -> (PathBuf, String) {
        self.responses += 1;
        let mut text = format!("{} {:?}\n", answer.status(), answer.headers());
        text += &answer.text().await.unwrap();
        let path = self.file(&format!("answer-{:03}", self.responses));
        std::fs::write(&path, &text).unwrap();
        (path, text)
    }
}
