//! Password hashing: argon2id with the default parameters of the `argon2` crate (19 MiB, two
//! passes), as PHC strings. Hashing and verifying take tens of milliseconds; the server runs
//! them in [`crate::auth::password_pool`], off the event loop.
//!
//! A password is compared in the form of RFC 8265 (`OpaqueString`): however its characters were
//! composed by the keyboard or system, it is the same password.

use std::sync::LazyLock;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{self, Error};
use argon2::{Algorithm, Argon2, Block, MIN_SALT_LEN, Params, Version};
use icu_normalizer::ComposingNormalizerBorrowed;
use zxcvbn::Score;

use crate::entropy;

/// The minimum length of a password.
pub const MIN_PASSWORD_BYTES: usize = 8;
/// The maximum length of a password.
pub const MAX_PASSWORD_BYTES: usize = 1_024;

/// The maximum memory cost of an imported hash, in KiB.
const MAX_MEMORY_KIB: u32 = 256 * 1_024;
/// The maximum number of passes of an imported hash.
const MAX_PASSES: u32 = 16;
/// The maximum number of lanes of an imported hash.
const MAX_LANES: u32 = 16;

/// Why a password was rejected or could not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Shorter than [`MIN_PASSWORD_BYTES`].
    #[error("must have at least {} bytes", MIN_PASSWORD_BYTES)]
    TooShort,
    /// Longer than [`MAX_PASSWORD_BYTES`].
    #[error("must have at most {} bytes", MAX_PASSWORD_BYTES)]
    TooLong,
    /// HTTP Basic credentials cannot contain it (RFC 7617, 2).
    #[error("must not contain control characters")]
    ControlCharacter,
    /// argon2 failed.
    #[error("could not be hashed: {0}")]
    HashFailed(password_hash::Error),
}

/// The maximum memory of an imported hash in KiB, times its passes: about seven times the cost of our own hashes, so
/// that a password is verified within the time limit of a request, also while others sign in.
const MAX_COST: u64 = 4 * 64 * 1_024;

/// Why an imported hash was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHash {
    /// It is not an argon2 hash in PHC format.
    #[error("must be an argon2 hash in PHC format ($argon2id$v=19$m=…,t=…,p=…$salt$hash)")]
    NotArgon2,
    /// Verifying it would take too much memory or time.
    #[error(
        "must not use more than {} MiB, {} passes, {} lanes, or {} MiB times passes, because a sign-in would take too long; leave it empty and send the user a link to choose a password",
        MAX_MEMORY_KIB / 1_024,
        MAX_PASSES,
        MAX_LANES,
        MAX_COST / 1_024
    )]
    TooExpensive,
}

/// The hash that passwords of unknown users are verified against. `None` if hashing failed; then
/// no password is valid.
static DUMMY_HASH: LazyLock<Option<String>> =
    LazyLock::new(|| Argon2Memory::default().hash_to_phc("dummy password").ok());

/// A password that is easy to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is easy to guess")]
pub struct WeakPassword;

/// Characters of a password whose strength is estimated. Further ones only make it stronger.
const MAX_ESTIMATED_CHARS: usize = 100;

/// Characters of a password that are not of words that an attacker would try first.
const MIN_UNKNOWN_CHARS: usize = 6;

/// Checks that a new password is hard to guess: at least 10^8 guesses, by zxcvbn's estimate.
/// `known` are words that an attacker would try first, such as the user's address and name.
pub fn check_strength(password: &str, known: &[&str]) -> Result<(), WeakPassword> {
    let password: String = normalize(password).trim().chars().take(MAX_ESTIMATED_CHARS).collect();
    let parts = known.iter().flat_map(|text| text.split(['@', '.', ' '])).filter(|part| part.len() > 2);
    let known: Vec<&str> = known.iter().copied().chain(parts).collect();
    // zxcvbn counts several known words as a hard combination.
    let rest = known
        .iter()
        .filter(|word| !word.is_empty())
        .fold(password.to_lowercase(), |rest, word| rest.replace(&word.to_lowercase(), ""));
    if rest.chars().count() < MIN_UNKNOWN_CHARS {
        return Err(WeakPassword);
    }
    if zxcvbn::zxcvbn(&password, &known).score() >= Score::Three { Ok(()) } else { Err(WeakPassword) }
}

/// Whether two passwords are the same.
pub fn is_same(one: &str, other: &str) -> bool {
    normalize(one) == normalize(other)
}

/// The form of RFC 8265, 4.2: every space is U+0020, and characters are composed (NFC).
fn normalize(password: &str) -> String {
    let spaces: String =
        password.chars().map(|c| if c.is_whitespace() && !c.is_control() { ' ' } else { c }).collect();
    ComposingNormalizerBorrowed::new_nfc().normalize(&spaces).into_owned()
}

/// Checks that a text is acceptable as a password.
pub fn validate(password: &str) -> Result<(), PasswordError> {
    match password.len() {
        ..MIN_PASSWORD_BYTES => Err(PasswordError::TooShort),
        MIN_PASSWORD_BYTES..=MAX_PASSWORD_BYTES if password.chars().any(char::is_control) => {
            Err(PasswordError::ControlCharacter)
        }
        MIN_PASSWORD_BYTES..=MAX_PASSWORD_BYTES => Ok(()),
        _ => Err(PasswordError::TooLong),
    }
}

/// The working memory of argon2, reused for all passwords. If each hash allocated its own, the
/// allocator would retain about 60 MB for each thread that has hashed once.
#[derive(Default)]
pub struct Argon2Memory(Vec<Block>);

impl Argon2Memory {
    /// Hashes a password to a PHC string.
    pub fn hash(&mut self, password: &str) -> Result<String, PasswordError> {
        let password = normalize(password);
        validate(&password)?;
        self.hash_to_phc(&password).map_err(PasswordError::HashFailed)
    }

    /// Whether the password matches the hash. `None`, for an unknown user or a user without a
    /// password, takes as long as a wrong password.
    pub fn verify(&mut self, password: &str, hash: Option<&str>) -> bool {
        // Initialized by the first call, valid hash or not, so that latency reveals nothing.
        let Some(dummy) = DUMMY_HASH.as_deref() else { return false };
        let matches = self.matches(&normalize(password), hash.unwrap_or(dummy)).unwrap_or(false);
        matches && hash.is_some()
    }

    fn hash_to_phc(&mut self, password: &str) -> Result<String, Error> {
        let (argon2, salt) = (Argon2::default(), Salt::new(&entropy::bytes::<16>())?);
        let hash = PasswordHash {
            algorithm: Algorithm::default().ident(),
            version: Some(Version::default().into()),
            params: ParamsString::try_from(argon2.params())?,
            salt: Some(salt),
            hash: Some(self.output(&argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN)?),
        };
        Ok(hash.to_string())
    }

    fn matches(&mut self, password: &str, hash: &str) -> Result<bool, Error> {
        let hash = PasswordHash::new(hash)?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
        let version = hash.version.map_or(Ok(Version::default()), Version::try_from)?;
        let argon2 = Argon2::new(algorithm, version, Params::try_from(&hash)?);
        let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else { return Ok(false) };
        let output = self.output(&argon2, password, &salt, expected.len())?;
        // `Output` compares in constant time.
        Ok(output == expected)
    }

    fn output(
        &mut self,
        argon2: &Argon2<'_>,
        password: &str,
        salt: &[u8],
        length: usize,
    ) -> Result<Output, Error> {
        let needed = argon2.params().block_count();
        if self.0.len() < needed {
            self.0.resize(needed, Block::new());
        }
        let mut buffer = [0; Output::MAX_LENGTH];
        let output = buffer.get_mut(..length).ok_or(Error::OutputSize)?;
        argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut *self.0)?;
        // Free the additional memory of an imported hash.
        self.0.truncate(Params::default().block_count());
        self.0.shrink_to_fit();
        Ok(Output::new(output)?)
    }
}

/// [`Argon2Memory::hash`] with its own memory, for the command line.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    Argon2Memory::default().hash(password)
}

/// The PHC string in a hash of another system, if [`Argon2Memory::verify`] can verify it at acceptable cost. Django
/// puts `argon2` before it, and Dovecot and OpenLDAP `{ARGON2ID}` or `{ARGON2}`.
pub fn parse_imported_hash(hash: &str) -> Result<&str, InvalidHash> {
    let prefixes = ["argon2", "{ARGON2ID}", "{ARGON2I}", "{ARGON2}"];
    let phc = prefixes.iter().find_map(|prefix| {
        let (start, rest) = hash.split_at_checked(prefix.len())?;
        (start.eq_ignore_ascii_case(prefix) && rest.starts_with('$')).then_some(rest)
    });
    let hash = phc.unwrap_or(hash);
    validate_phc(hash).map(|()| hash)
}

fn validate_phc(hash: &str) -> Result<(), InvalidHash> {
    let parsed = PasswordHash::new(hash).map_err(|_| InvalidHash::NotArgon2)?;
    Algorithm::try_from(parsed.algorithm.as_str()).map_err(|_| InvalidHash::NotArgon2)?;
    let version = parsed.version.map_or(Ok(Version::default()), Version::try_from);
    let params = Params::try_from(&parsed).map_err(|_| InvalidHash::NotArgon2)?;
    let salted = parsed.salt.is_some_and(|salt| salt.len() >= MIN_SALT_LEN);
    if version.is_err() || !salted || parsed.hash.is_none() {
        return Err(InvalidHash::NotArgon2);
    }
    let cost = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if cost > MAX_COST
        || params.m_cost() > MAX_MEMORY_KIB
        || params.t_cost() > MAX_PASSES
        || params.p_cost() > MAX_LANES
    {
        return Err(InvalidHash::TooExpensive);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_against_its_hash_only() {
        let mut memory = Argon2Memory::default();
        let stored = memory.hash("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(stored, hash("correct horse").unwrap());
        assert!(memory.verify("correct horse", Some(&stored)));
        assert!(!memory.verify("correct horsf", Some(&stored)));
        assert!(!memory.verify("correct horse", Some("nonsense")));
    }

    #[test]
    fn a_password_is_the_same_however_its_characters_are_composed() {
        let mut memory = Argon2Memory::default();
        let stored = memory.hash("Gro\u{df}e Gr\u{fc}\u{df}e\u{a0}aus K\u{f6}ln").unwrap();
        assert!(memory.verify("Gro\u{df}e Gru\u{308}\u{df}e aus Ko\u{308}ln", Some(&stored)));
        assert!(!memory.verify("Grosse Gru\u{308}sse aus Ko\u{308}ln", Some(&stored)));
        assert!(is_same("\u{fc}", "u\u{308}") && !is_same("u", "\u{fc}"));
    }

    #[test]
    fn passwords_that_are_easy_to_guess_are_weak() {
        let known = ["ada.lovelace@example.org", "Ada", "Lovelace"];
        for weak in [
            "password",
            "12345678",
            "        ",
            "\u{3000}\u{3000}\u{3000}\u{3000}\u{3000}\u{3000}\u{3000}\u{3000}",
            "ada.lovelace@example.org",
            "AdaLovelace1",
            "qwertzuiop",
            "Passw0rd!",
        ] {
            assert_eq!(check_strength(weak, &known), Err(WeakPassword), "{weak}");
        }
        let long: String = (1..200_u64).map(|n| (n * n * 7_919).to_string()).collect();
        for strong in ["correct horse battery staple", "Xk4$mw9!pQz", "drei blaue Kamele tanzen", &long] {
            assert_eq!(check_strength(strong, &known), Ok(()), "{strong}");
        }
    }

    #[test]
    fn a_missing_hash_never_verifies() {
        let mut memory = Argon2Memory::default();
        assert!(!memory.verify("", None));
        assert!(!memory.verify("dummy password", None));
    }

    #[test]
    fn a_password_has_8_to_1024_bytes_and_no_control_characters() {
        assert_eq!(hash("1234567"), Err(PasswordError::TooShort));
        assert!(hash("12345678").is_ok());
        assert!(hash(&"x".repeat(1_024)).is_ok());
        assert_eq!(hash(&"x".repeat(1_025)), Err(PasswordError::TooLong));
        assert_eq!(hash("two\nlines"), Err(PasswordError::ControlCharacter));
        assert_eq!(hash("12345678\0"), Err(PasswordError::ControlCharacter));
    }

    #[test]
    fn reused_memory_gives_correct_results_and_is_bounded() {
        // From the tests of the reference implementation (phc-winner-argon2, test.c).
        let large = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let small = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
        let mut memory = Argon2Memory::default();
        let default = memory.hash("password").unwrap();
        for _ in 0..2 {
            for hash in [large, &default, small] {
                assert!(memory.verify("password", Some(hash)), "{hash}");
                assert!(!memory.verify("passwort", Some(hash)), "{hash}");
                assert!(memory.0.len() <= 19_456);
            }
        }
    }

    #[test]
    fn imported_hashes_are_argon2_within_cost_limits() {
        assert!(parse_imported_hash(&hash("correct horse").unwrap()).is_ok());
        let salt_and_hash = "c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for cost in
            ["argon2i$v=19$m=65536,t=3,p=4", "argon2d$v=16$m=4096,t=3,p=1", "argon2id$m=19456,t=2,p=1"]
        {
            let phc = format!("${cost}${salt_and_hash}");
            for prefix in ["", "argon2", "{ARGON2ID}", "{argon2}"] {
                assert_eq!(parse_imported_hash(&format!("{prefix}{phc}")), Ok(&*phc), "{prefix}{cost}");
            }
        }
        for cost in [
            "m=262144,t=16,p=1",
            "m=65536,t=5,p=1",
            "m=1048576,t=2,p=1",
            "m=19456,t=1000,p=1",
            "m=19456,t=2,p=64",
        ] {
            let hash = format!("$argon2id$v=19${cost}${salt_and_hash}");
            assert_eq!(parse_imported_hash(&hash), Err(InvalidHash::TooExpensive), "{cost}");
        }
        for text in [
            "",
            "correct horse",
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
            "$scrypt$ln=16,r=8,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=2,p=1",
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA",
            "$argon2id$v=18$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=0,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(parse_imported_hash(text), Err(InvalidHash::NotArgon2), "{text}");
        }
    }
}
