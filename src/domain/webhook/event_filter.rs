//! The events that a webhook receives.

use std::fmt;

use crate::domain::audit::AuditAction;

/// The maximum number of entries of a filter.
pub const MAX_EVENT_FILTER_ENTRIES: usize = 50;

/// The events that a webhook receives: names of audit actions, or prefixes such as `request.*`. It is stored as
/// text, with spaces between the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter(Vec<Entry>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Action(AuditAction),
    /// `request` for `request.*`.
    Group(&'static str),
}

/// Why a list of events is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEventFilter {
    #[error("must have 1 to {MAX_EVENT_FILTER_ENTRIES} entries")]
    Count,
    /// The entry with this index.
    #[error("must contain only audit actions, such as request.approved, and prefixes of them, such as request.*; entry {} is neither", .0 + 1)]
    Unknown(usize),
}

impl EventFilter {
    /// Checks the entries. One that is repeated counts once.
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidEventFilter> {
        let mut parsed = Vec::new();
        for (index, text) in entries.into_iter().enumerate() {
            if index == MAX_EVENT_FILTER_ENTRIES {
                return Err(InvalidEventFilter::Count);
            }
            let entry = Entry::parse(text).ok_or(InvalidEventFilter::Unknown(index))?;
            if !parsed.contains(&entry) {
                parsed.push(entry);
            }
        }
        if parsed.is_empty() { Err(InvalidEventFilter::Count) } else { Ok(Self(parsed)) }
    }

    /// Takes the text in the database, which was validated when it was written. An entry that a later version has
    /// added matches nothing.
    pub(crate) fn from_db(text: &str) -> Self {
        Self(text.split_ascii_whitespace().filter_map(Entry::parse).collect())
    }

    /// The entries, as they are given to [`Self::new`].
    pub fn entries(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(Entry::to_string)
    }

    /// Whether the webhook receives this event.
    pub fn matches(&self, action: AuditAction) -> bool {
        self.0.iter().any(|entry| match entry {
            Entry::Action(listed) => *listed == action,
            Entry::Group(group) => group_of(action) == *group,
        })
    }
}

impl fmt::Display for EventFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.entries().collect::<Vec<_>>().join(" "))
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix(".*") {
            Some(prefix) => AuditAction::ALL
                .iter()
                .map(|action| group_of(*action))
                .find(|group| *group == prefix)
                .map(Self::Group),
            None => AuditAction::from_name(text).map(Self::Action),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(action) => f.write_str(action.name()),
            Self::Group(group) => write!(f, "{group}.*"),
        }
    }
}

/// What is before the dot in the action's name.
fn group_of(action: AuditAction) -> &'static str {
    action.name().split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_matches_the_listed_actions_and_groups() {
        let filter = EventFilter::new(["request.*", "export.revoked", "request.*"]).unwrap();
        let matched: Vec<&str> =
            AuditAction::ALL.iter().filter(|a| filter.matches(**a)).map(|a| a.name()).collect();
        let expected: Vec<&str> = AuditAction::ALL
            .iter()
            .map(|action| action.name())
            .filter(|name| name.starts_with("request.") || *name == "export.revoked")
            .collect();
        assert_eq!(matched, expected);
        assert!(!filter.matches(AuditAction::RequestsImported), "`requests` is another group");
        assert_eq!(filter.to_string(), "request.* export.revoked");
        assert_eq!(EventFilter::from_db(&filter.to_string()), filter);
        assert_eq!(EventFilter::from_db("request.* later.added export.revoked"), filter);
    }

    #[test]
    fn every_action_can_be_listed() {
        for action in AuditAction::ALL {
            let others =
                |filter: EventFilter| AuditAction::ALL.iter().filter(|a| filter.matches(**a)).count();
            assert_eq!(others(EventFilter::new([action.name()]).unwrap()), 1);
            let group = format!("{}.*", group_of(*action));
            assert!(EventFilter::new([group.as_str()]).unwrap().matches(*action));
        }
    }

    #[test]
    fn other_lists_are_rejected() {
        use InvalidEventFilter::*;
        assert_eq!(EventFilter::new([]), Err(Count));
        assert_eq!(EventFilter::new([""; 51]), Err(Unknown(0)));
        assert_eq!(EventFilter::new(["request.*"; 51]), Err(Count));
        assert!(EventFilter::new(["request.*"; 50]).is_ok());
        for unknown in [
            "",
            "*",
            ".*",
            "request",
            "request.",
            "req.*",
            "request.appr*",
            "request.approved.*",
            "Request.*",
            "request.*.*",
            "nothing.*",
            "request.approve",
            " request.*",
        ] {
            assert_eq!(EventFilter::new(["user.*", unknown]), Err(Unknown(1)), "{unknown}");
        }
    }
}
