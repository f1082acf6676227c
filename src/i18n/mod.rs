//! Localization: the messages of pages and mails, one file per language (`locales/*.ftl`, in
//! Project Fluent's syntax).

pub mod template;

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use fluent_langneg::{NegotiationStrategy, negotiate_languages};
use unic_langid::LanguageIdentifier;

use crate::domain::rights::Mask;
use crate::domain::timestamp::Timestamp;

/// A supported language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Also used if a client accepts none of the supported languages.
    #[default]
    English,
    German,
}

/// The text is not the tag of a supported language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a supported language: en or de")]
pub struct UnknownLanguage;

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(tag: &str) -> Result<Self, UnknownLanguage> {
        Self::from_tag(tag).ok_or(UnknownLanguage)
    }
}

/// The messages of a file.
pub(crate) type MessageBundle = FluentBundle<FluentResource>;

static ENGLISH_MESSAGES: LazyLock<MessageBundle> =
    LazyLock::new(|| parse_messages("en", include_str!("locales/en.ftl")));
static GERMAN_MESSAGES: LazyLock<MessageBundle> =
    LazyLock::new(|| parse_messages("de", include_str!("locales/de.ftl")));

impl Language {
    /// All supported languages.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// The language's tag (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language with this tag.
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The supported language that an `Accept-Language` header prefers (RFC 9110, 12.5.4).
    pub fn accepted(header: &str) -> Self {
        let (accepted, refused): (Vec<_>, Vec<_>) =
            weighted_ranges(header).into_iter().partition(|(_, weight)| *weight > 0.0);
        let is_named = |language: &Self, ranges: &[(&str, f32)]| {
            ranges.iter().any(|(range, _)| range.eq_ignore_ascii_case(language.tag()))
        };
        let mut supported = Self::ALL.to_vec();
        supported.retain(|language| !is_named(language, &refused));
        let requested: Vec<LanguageIdentifier> = accepted
            .iter()
            .flat_map(|(range, _)| match *range {
                // `*` is every language that the header does not name.
                "*" => supported
                    .iter()
                    .filter(|language| !is_named(language, &accepted))
                    .map(|language| language_identifier(language.tag()))
                    .collect(),
                range => range.parse().into_iter().collect::<Vec<_>>(),
            })
            .collect();
        let supported: Vec<_> = supported.iter().map(|one| language_identifier(one.tag())).collect();
        let english = language_identifier(Self::English.tag());
        let best = negotiate_languages(&requested, &supported, Some(&english), NegotiationStrategy::Lookup);
        best.first().and_then(|best| Self::from_tag(best.language.as_str())).unwrap_or_default()
    }

    /// The message with this key. A missing message is shown as its key; a test checks that all
    /// languages have the same keys.
    pub fn t(self, key: &str) -> String {
        self.t_args(key, &[])
    }

    /// A message with these arguments.
    pub fn t_args(self, key: &str, values: &[(&str, &str)]) -> String {
        self.format(key, &values.iter().map(|(name, value)| (*name, FluentValue::from(*value))).collect())
    }

    /// A message with the argument `$count`, which selects its plural form.
    pub fn t_count(self, key: &str, count: i64) -> String {
        self.format(key, &std::iter::once(("count", FluentValue::from(count))).collect())
    }

    /// A message with arguments of any type.
    pub(crate) fn format(self, key: &str, values: &FluentArgs<'_>) -> String {
        format_message(self.messages(), self, key, values)
    }

    /// Whether the language has a message with this key.
    pub fn contains(self, key: &str) -> bool {
        self.messages().get_message(key).is_some_and(|message| message.value().is_some())
    }

    /// A date and time to the minute, in UTC.
    pub fn date_time(self, at: Timestamp) -> String {
        let month = self.t(&format!("month-{}", at.format("%-m")));
        let (day, year, time) = (at.format("%-d"), at.format("%Y"), at.format("%H:%M"));
        self.t_args("datetime-format", &[("day", &day), ("month", &month), ("year", &year), ("time", &time)])
    }

    /// [`Self::date_time`] with the day of the week.
    pub fn weekday_date_time(self, at: Timestamp) -> String {
        let day = self.t(&format!("day-{}", at.format("%u")));
        self.t_args("weekday-and-datetime", &[("day", &day), ("datetime", &self.date_time(at))])
    }

    /// A duration in the largest unit that makes it a whole number.
    pub fn duration(self, seconds: i64) -> String {
        let units = [("duration-days", 86_400), ("duration-hours", 3_600), ("duration-minutes", 60)];
        let exact = units.into_iter().find(|(_, unit)| seconds % unit == 0);
        let (key, unit) = exact.unwrap_or(("duration-seconds", 1));
        self.t_count(key, seconds / unit)
    }

    /// The rights of a mask to the reader's own data, weakest first.
    pub fn describe_rights(self, mask: Mask) -> Vec<String> {
        mask.rights().map(|right| self.t(&format!("right-{}", right.name()))).collect()
    }

    /// The rights of a mask to another user's data, weakest first.
    pub fn describe_rights_of_others(self, mask: Mask) -> Vec<String> {
        mask.rights().map(|right| self.t(&format!("others-right-{}", right.name()))).collect()
    }

    fn messages(self) -> &'static MessageBundle {
        match self {
            Self::English => &ENGLISH_MESSAGES,
            Self::German => &GERMAN_MESSAGES,
        }
    }
}

/// A message of a file in this language, with arguments of any type.
pub(crate) fn format_message(
    messages: &MessageBundle,
    language: Language,
    key: &str,
    values: &FluentArgs<'_>,
) -> String {
    let Some(pattern) = messages.get_message(key).and_then(|message| message.value()) else {
        tracing::error!(key, language = language.tag(), "message missing");
        return key.to_owned();
    };
    let mut errors = Vec::new();
    let text = messages.format_pattern(pattern, Some(values), &mut errors);
    if !errors.is_empty() {
        tracing::error!(key, language = language.tag(), ?errors, "message variable missing");
    }
    text.into_owned()
}

/// The ranges of an `Accept-Language` header with their weights, the highest weight first. The
/// parser of `fluent_langneg` ignores the weights.
fn weighted_ranges(header: &str) -> Vec<(&str, f32)> {
    let mut ranges: Vec<(&str, f32)> = header
        .split(',')
        .map(|element| {
            let mut parts = element.split(';').map(str::trim);
            let range = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('='));
            (range, weight.and_then(parse_weight).unwrap_or(1.0))
        })
        .filter(|(range, _)| !range.is_empty())
        .collect();
    ranges.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    ranges
}

fn parse_weight(text: &str) -> Option<f32> {
    text.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight))
}

fn language_identifier(tag: &str) -> LanguageIdentifier {
    tag.parse().unwrap_or_default()
}

/// Parses a file of messages in this language.
pub(crate) fn parse_messages(tag: &str, source: &'static str) -> MessageBundle {
    let mut messages = FluentBundle::new_concurrent(vec![language_identifier(tag)]);
    // The supported languages are written left to right, and <bdi> isolates names.
    messages.set_use_isolating(false);
    let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(rest, errors)| {
        tracing::error!(tag, ?errors, "message file is invalid");
        rest
    });
    if let Err(errors) = messages.add_resource(resource) {
        tracing::error!(tag, ?errors, "duplicate message keys");
    }
    messages
}

/// A text as the argument of a message.
pub(crate) fn text(value: impl Into<Cow<'static, str>>) -> FluentValue<'static> {
    FluentValue::String(value.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::rights::Right;

    const SOURCES: [(&str, &str); 2] =
        [("en", include_str!("locales/en.ftl")), ("de", include_str!("locales/de.ftl"))];

    /// The keys of all messages with the names of their arguments.
    fn message_arguments(source: &str) -> BTreeMap<String, Vec<String>> {
        let mut messages: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut key = String::new();
        for line in source.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if !line.starts_with([' ', '}', '[', '*']) {
                key = line.split_once(" =").expect("a message").0.to_owned();
                assert!(messages.insert(key.clone(), Vec::new()).is_none(), "{key} is there twice");
            }
            let names = line.split('$').skip(1).map(|rest| {
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
            });
            messages.get_mut(&key).unwrap().extend(names);
        }
        for names in messages.values_mut() {
            names.sort();
            names.dedup();
        }
        messages
    }

    #[test]
    fn all_languages_have_the_same_keys() {
        let [(_, english), others @ ..] = SOURCES;
        let english = message_arguments(english);
        assert!(english.len() > 50);
        for (tag, source) in others {
            let other = message_arguments(source);
            for (key, names) in &english {
                assert_eq!(other.get(key), Some(names), "{key} in {tag}");
            }
            assert_eq!(other.len(), english.len(), "{tag} has other messages");
        }
    }

    #[test]
    fn every_message_parses() {
        for (tag, source) in SOURCES {
            FluentResource::try_new(source.to_owned())
                .unwrap_or_else(|(_, errors)| panic!("{tag}: {errors:?}"));
            let language = Language::from_tag(tag).unwrap();
            assert!(message_arguments(source).keys().all(|key| language.contains(key)));
            // Messages with an argument that is HTML are inserted without escaping.
            assert!(!source.lines().any(|line| !line.starts_with('#') && line.contains(['<', '&'])), "{tag}");
        }
    }

    #[test]
    fn accept_language_selects_the_language() {
        for (header, language) in [
            ("", Language::English),
            ("de", Language::German),
            ("de-AT, en;q=0.5", Language::German),
            ("fr, de;q=0.7, en;q=0.3", Language::German),
            ("fr, en-GB;q=0.7, de;q=0.3", Language::English),
            ("fr", Language::English),
            ("*", Language::English),
            ("☃, ;;q=, de;q=x", Language::German),
            ("de;q=0.3,en;q=0.9", Language::English),
            ("de;q=0.3, fr, en ; Q = 0.2", Language::German),
            ("en;q=0.001, de;q=0.002", Language::German),
            ("de;q=0, en;q=0.1", Language::English),
            ("en;q=0, de;q=0.1", Language::German),
            ("de;q=0", Language::English),
            ("en;q=0, *;q=0.5", Language::German),
            ("*, de;q=0.5", Language::English),
            ("en;q=0.3, *;q=0.5", Language::German),
            ("de-CH-1996;q=0.8, en;q=0.7", Language::German),
            ("DE", Language::German),
            ("de;q=nan, en;q=0.5", Language::German),
        ] {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
    }

    #[test]
    fn durations_use_the_largest_exact_unit() {
        for (seconds, english, german) in [
            (86_400, "1 day", "1 Tag"),
            (604_800, "7 days", "7 Tage"),
            (43_200, "12 hours", "12 Stunden"),
            (129_600, "36 hours", "36 Stunden"),
            (60, "1 minute", "1 Minute"),
            (5_400, "90 minutes", "90 Minuten"),
            (61, "61 seconds", "61 Sekunden"),
        ] {
            assert_eq!(Language::English.duration(seconds), english);
            assert_eq!(Language::German.duration(seconds), german);
        }
    }

    #[test]
    fn dates_and_rights_are_localized() {
        let at = Timestamp::from_micros(1_893_456_000_000_000);
        assert_eq!(Language::English.date_time(at), "1 January 2030, 00:00 UTC");
        assert_eq!(Language::German.date_time(at), "1. Januar 2030, 00:00 UTC");
        let rights = Language::English.describe_rights(Mask::new(6).unwrap());
        assert_eq!(rights, ["view your data", "download your data"]);
        let rights = Language::German.describe_rights_of_others(Mask::new(6).unwrap());
        assert_eq!(rights, ["die Daten ansehen", "die Daten herunterladen"]);
        for key in Right::ALL.map(|right| format!("others-right-{}", right.name())) {
            assert!(Language::ALL.into_iter().all(|language| language.contains(&key)), "{key}");
        }
    }
}
