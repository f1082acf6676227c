//! Users, their email addresses and their names.

use std::fmt;

use super::validated_text::{InvalidText, sanitize_for_display, validate_optional};

/// The number of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub i64);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// On whose authority an operation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// An authenticated user.
    User(UserId),
    /// The operator at the command line, who may act for every user.
    Operator,
}

/// An email address in lower case, because addresses are compared without case.
///
/// ASCII only, because other scripts have letters that look alike. Quoted local parts and
/// address literals are not accepted.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

/// The text is not an accepted email address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an ASCII email address like name@example.com, with at most 254 characters")]
pub struct InvalidEmail;

impl Email {
    /// The maximum length of an address.
    pub const MAX_LENGTH: usize = 254;

    /// Parses an address and converts it to lower case.
    pub fn new(text: &str) -> Result<Self, InvalidEmail> {
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let atom = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&c);
        let local_ok =
            local.len() <= 64 && local.split('.').all(|part| !part.is_empty() && part.bytes().all(atom));
        let label_ok = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
        };
        if text.len() <= Self::MAX_LENGTH && local_ok && domain.split('.').all(label_ok) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidEmail)
        }
    }

    /// Takes the text in the database, which was validated when it was written.
    pub(crate) fn from_db(text: String) -> Self {
        Self(text)
    }

    /// The address, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Prints only the domain, because addresses are personal data that must not be logged.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email(…@{})", self.0.rsplit('@').next().unwrap_or_default())
    }
}

/// A first or last name: at most 150 characters, without control characters. May be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonName(String);

impl PersonName {
    /// Accepts 0 to 150 characters without control characters.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        validate_optional(text, 150).map(Self)
    }

    /// Takes the text in the database, which was validated when it was written.
    pub(crate) fn from_db(text: String) -> Self {
        Self(text)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A user without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    /// Unique, and the user name in credentials.
    pub email: Email,
    pub first_name: PersonName,
    pub last_name: PersonName,
    /// Whether the user can sign in.
    pub active: bool,
    /// Whether the user may act for every user and administer bundles.
    pub staff: bool,
}

impl User {
    /// Whether this user may act for the other: for themself, or for every user if they are staff.
    pub fn may_act_for(&self, other: UserId) -> bool {
        self.staff || self.id == other
    }

    /// Both names for display: on one line, without invisible characters. May be empty.
    pub fn full_name(&self) -> String {
        sanitize_for_display(&format!("{} {}", self.first_name.as_str(), self.last_name.as_str()))
    }

    /// The full name, or the email address if that is empty.
    pub fn display_name(&self) -> String {
        Some(self.full_name())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| self.email.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn email_addresses_are_lowercased() {
        assert_eq!(Email::new("Ada@Example.ORG").unwrap().as_str(), "ada@example.org");
    }

    #[test]
    fn invalid_email_addresses_are_rejected() {
        for text in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.org",
            "a b@example.org",
            "ada@exa mple.org",
            "ada@example.org\r\nBcc: x@y",
            "ada@-x.org",
            "ada@x..org",
            ".ada@x.org",
            "ada.@x.org",
            "\"a\"@x.org",
            "ada@[127.0.0.1]",
            "аda@x.org",
            "ada@x.org,eve@x.org",
            "ada\0@x.org",
            "<ada@x.org>",
        ] {
            assert_eq!(Email::new(text), Err(InvalidEmail), "{text:?}");
        }
    }

    #[test]
    fn display_name_falls_back_to_the_address_and_staff_act_for_every_user() {
        let name = |text: &str| {
            let name = PersonName::new(text).unwrap();
            assert_eq!(name, PersonName::from_db(text.to_owned()));
            assert_eq!(name.as_str(), text);
            name
        };
        let mut user = User {
            id: UserId(1),
            email: Email::new("Ada@example.org").unwrap(),
            first_name: name(""),
            last_name: name(""),
            active: true,
            staff: false,
        };
        assert_eq!(user.email, Email::from_db("ada@example.org".to_owned()));
        assert_eq!(user.display_name(), "ada@example.org");
        user.last_name = name("Lovelace");
        assert_eq!(user.display_name(), "Lovelace");
        user.first_name = name("Ada");
        assert_eq!(user.display_name(), "Ada Lovelace");
        user.last_name = name("\u{202e}ecalevoL");
        assert_eq!(user.display_name(), "Ada ecalevoL");
        (user.first_name, user.last_name) = (name("\u{3164}"), name("\u{200b}\u{2800}"));
        assert_eq!(user.display_name(), "ada@example.org");
        assert!(user.may_act_for(UserId(1)) && !user.may_act_for(UserId(2)));
        user.staff = true;
        assert!(user.may_act_for(UserId(2)));
    }

    proptest! {
        #[test]
        fn an_accepted_address_is_one_line_of_ascii_with_one_recipient(text in "\\PC{0,20}@\\PC{0,20}") {
            if let Ok(email) = Email::new(&text) {
                prop_assert!(email.as_str().bytes().all(|c| c.is_ascii_graphic() && !b",;<>()\"\\".contains(&c)));
                prop_assert_eq!(Email::new(email.as_str()), Ok(email));
            }
        }
    }
}
