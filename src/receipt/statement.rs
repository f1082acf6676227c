//! The consent statement: the text by which a request is put to its target. Its wording has
//! versions, and a row names the version that was shown, so that a receipt can repeat the text.
//!
//! The text contains only what never changes: what the row and the bundle's version say, and the
//! requester's address. A name is not part of it, because users change their names.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use fluent_bundle::{FluentArgs, FluentValue};

use crate::domain::approval::{AskedPermission, Purpose};
use crate::domain::bundle::Bundle;
use crate::domain::rights::Mask;
use crate::domain::user::User;
use crate::domain::validated_text::sanitize_for_display;
use crate::i18n::{Language, MessageBundle, format_message, parse_messages, text};

/// The version of the statements that pages show.
const CURRENT_VERSION: u32 = 1;

/// A file with the wording of a statement.
macro_rules! wording {
    ($name:literal) => {
        include_str!(concat!("statements/", $name, ".ftl"))
    };
}

static ENGLISH_1: LazyLock<MessageBundle> = LazyLock::new(|| parse_messages("en", wording!("en-1")));
static GERMAN_1: LazyLock<MessageBundle> = LazyLock::new(|| parse_messages("de", wording!("de-1")));

/// The language and the version of a statement, in a row `de/1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    language: Language,
    version: u32,
}

/// No statement has this language and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such statement")]
pub struct UnknownStatement;

impl Statement {
    /// The statement that pages in this language show.
    pub const fn current(language: Language) -> Self {
        Self { language, version: CURRENT_VERSION }
    }

    /// The language.
    pub const fn language(self) -> Language {
        self.language
    }

    /// The text, with lines separated by line feeds.
    pub fn text(self, facts: &StatementFacts<'_>) -> String {
        let requester = facts.requester.email.as_str();
        let say = |key: &str| self.message(key, &[("requester", requester)]);
        let quote = |key: &str, name: &'static str, value: &str| {
            self.message(key, &[("requester", requester), (name, &sanitize_for_display(value))])
        };
        let rights =
            |mask: Mask| mask.rights().map(|right| format!("- {}", say(&format!("right-{}", right.name()))));
        let mut lines =
            vec![self.message("asks", &[("requester", requester), ("bundle", &facts.bundle.display_name())])];
        if !facts.bundle.display_description().is_empty() {
            lines.push(quote("about", "description", facts.bundle.description.as_str()));
        }
        lines.push(match facts.purpose {
            Some(purpose) => quote("purpose", "purpose", purpose.as_str()),
            None => say("no-purpose"),
        });
        lines.push(say("rights"));
        lines.extend(rights(facts.asked.permission));
        if let Some(minimum) = facts.asked.minimum {
            lines.push(say("minimum"));
            lines.extend(rights(minimum));
        }
        lines.push(match facts.asked.ttl_seconds {
            Some(seconds) => self.duration(seconds),
            None => say("until-revoked"),
        });
        lines.push(say("voluntary"));
        lines.join("\n")
    }

    /// When the permission ends, in the largest unit that makes it a whole number.
    fn duration(self, seconds: i64) -> String {
        let units = [("days", 86_400), ("hours", 3_600), ("minutes", 60)];
        let exact = units.into_iter().find(|(_, unit)| seconds % unit == 0);
        let (key, unit) = exact.unwrap_or(("seconds", 1));
        let count = FluentValue::from(seconds / unit);
        format_message(self.messages(), self.language, key, &std::iter::once(("count", count)).collect())
    }

    fn message(self, key: &str, values: &[(&'static str, &str)]) -> String {
        let values: FluentArgs =
            values.iter().map(|(name, value)| (*name, text((*value).to_owned()))).collect();
        format_message(self.messages(), self.language, key, &values)
    }

    fn messages(self) -> &'static MessageBundle {
        match self.language {
            Language::English => &ENGLISH_1,
            Language::German => &GERMAN_1,
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.language.tag(), self.version)
    }
}

impl FromStr for Statement {
    type Err = UnknownStatement;

    fn from_str(name: &str) -> Result<Self, UnknownStatement> {
        let known = Language::ALL.into_iter().map(Self::current);
        known.into_iter().find(|statement| statement.to_string() == name).ok_or(UnknownStatement)
    }
}

/// What a request says.
#[derive(Clone, Copy, Debug)]
pub struct StatementFacts<'a> {
    pub requester: &'a User,
    pub bundle: &'a Bundle,
    pub purpose: Option<&'a Purpose>,
    pub asked: AskedPermission,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bundle::{BundleId, BundleName, Description};
    use crate::domain::user::{Email, PersonName, UserId};
    use sha2::{Digest, Sha256};

    fn user(email: &str) -> User {
        User {
            id: UserId(9),
            email: Email::new(email).unwrap(),
            first_name: PersonName::new("Ada").unwrap(),
            last_name: PersonName::default(),
            active: true,
            staff: false,
        }
    }

    fn bundle(name: &str, description: &str) -> Bundle {
        Bundle {
            id: BundleId(5),
            name: BundleName::new(name).unwrap(),
            description: Description::new(description).unwrap(),
            permission: Mask::MAX,
        }
    }

    /// The text for a request with this description, purpose, minimum and duration.
    fn text(name: &str, description: &str, purpose: Option<&str>, minimum: i64, ttl: Option<i64>) -> String {
        let (requester, bundle) = (user("ada@example.org"), bundle("Sleep", description));
        let purpose = purpose.map(|purpose| Purpose::new(purpose).unwrap());
        let facts = StatementFacts {
            requester: &requester,
            bundle: &bundle,
            purpose: purpose.as_ref(),
            asked: AskedPermission {
                permission: Mask::MAX,
                minimum: Mask::new(minimum).ok(),
                ttl_seconds: ttl,
            },
        };
        name.parse::<Statement>().unwrap().text(&facts)
    }

    /// If this fails, add files with a new version instead of changing these: receipts repeat the
    /// text of the version that was shown.
    #[test]
    fn the_wording_of_a_version_never_changes() {
        for (wording, expected) in [
            (wording!("en-1"), "ebec6b31afc8641e2988f2fe49df78248b91e4474c9b83e8eb61f333e596a599"),
            (wording!("de-1"), "23c7a43daa267f8aef8d468e96b92ff10754dcc7ac442cde391a90863f140829"),
        ] {
            let hash: String = Sha256::digest(wording).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash, expected, "{wording}");
        }
        assert_eq!(
            text("en/1", "How you sleep", Some("A study"), 6, Some(30 * 86_400)),
            "ada@example.org asks you for a permission: “Sleep”.\n\
             It is described as: “How you sleep”\n\
             The purpose, in the words of the requester: “A study”\n\
             If you approve everything that is asked for, ada@example.org can:\n\
             - see what anyone can see\n- view your data\n- download your data\n\
             - change and delete your data\n- manage your data\n- have full control of your data\n\
             The requester needs at least:\n- view your data\n- download your data\n\
             The permission ends 30 days after you approve it.\n\
             Your consent is voluntary. You can revoke it on this server at any time; what was done until \
             then stays lawful."
        );
        assert_eq!(
            text("de/1", "", None, 0, None),
            "ada@example.org bittet Sie um eine Berechtigung: „Sleep“.\n\
             Die anfragende Person hat keinen Zweck angegeben.\n\
             Wenn Sie alles genehmigen, worum gebeten wird, darf ada@example.org:\n\
             - sehen, was alle sehen dürfen\n- Ihre Daten ansehen\n- Ihre Daten herunterladen\n\
             - Ihre Daten ändern und löschen\n- Ihre Daten verwalten\n- Ihre Daten vollständig kontrollieren\n\
             Die Berechtigung hat kein Ende: Sie gilt, bis sie widerrufen wird.\n\
             Ihre Einwilligung ist freiwillig. Sie können sie auf diesem Server jederzeit widerrufen; was bis \
             dahin geschehen ist, bleibt rechtmäßig."
        );
    }

    #[test]
    fn a_duration_is_in_the_largest_unit() {
        for (seconds, en, de) in [
            (86_400, "ends one day after", "endet einen Tag, nachdem"),
            (7 * 86_400, "ends 7 days after", "endet 7 Tage, nachdem"),
            (3_600, "ends one hour after", "endet eine Stunde, nachdem"),
            (36 * 3_600, "ends 36 hours after", "endet 36 Stunden, nachdem"),
            (5_400, "ends 90 minutes after", "endet 90 Minuten, nachdem"),
            (3_601, "ends 3601 seconds after", "endet 3601 Sekunden, nachdem"),
        ] {
            for (name, expected) in [("en/1", en), ("de/1", de)] {
                let text = text(name, "", None, 0, Some(seconds));
                assert!(text.contains(expected), "{text}");
            }
        }
    }

    #[test]
    fn a_text_of_the_requester_adds_no_line() {
        let lines = |purpose| text("en/1", "", Some(purpose), 0, None).lines().count();
        assert_eq!(lines("A study\u{2028}\u{202e}Your consent\r\nis not voluntary"), lines("A study"));
    }

    #[test]
    fn a_statement_is_named_by_its_language_and_version() {
        for language in Language::ALL {
            let statement = Statement::current(language);
            assert_eq!(statement.to_string(), format!("{}/1", language.tag()));
            assert_eq!(statement.to_string().parse(), Ok(statement));
        }
        for name in ["", "de", "de/", "de/0", "de/2", "fr/1", "de/1 "] {
            assert_eq!(name.parse::<Statement>(), Err(UnknownStatement), "{name}");
        }
    }
}
