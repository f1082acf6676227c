//! The kinds of mails that users can turn off. Requests, and notices about the user's account, cannot
//! be turned off.

use uuid::Uuid;

use super::user::UserId;

/// A kind of mail that users can turn off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// The user's request was approved or declined.
    Decisions,
    /// The user's request expired.
    Expired,
    /// A request waits for the user's decision.
    Reminders,
    /// A permission or an export token ends soon.
    Endings,
}

impl MailKind {
    /// All kinds, in the order of the page.
    pub const ALL: [Self; 4] = [Self::Decisions, Self::Expired, Self::Reminders, Self::Endings];

    /// The name in forms and in the keys of messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decisions => "decisions",
            Self::Expired => "expired",
            Self::Reminders => "reminders",
            Self::Endings => "endings",
        }
    }

    /// Finds a kind by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Decisions => 1,
            Self::Expired => 2,
            Self::Reminders => 4,
            Self::Endings => 8,
        }
    }
}

/// A set of kinds, stored as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailKinds(u8);

impl MailKinds {
    /// All kinds.
    pub const ALL: Self = Self(15);

    /// Reads the number in the database. Unknown bits are ignored.
    pub fn from_bits(bits: i16) -> Self {
        Self(bits.to_le_bytes()[0] & Self::ALL.0)
    }

    /// The number in the database.
    pub fn bits(self) -> i16 {
        self.0.into()
    }

    /// Whether the set has this kind.
    pub const fn contains(self, kind: MailKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// The kinds of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kinds that are not in this set.
    #[must_use]
    pub const fn complement(self) -> Self {
        Self(Self::ALL.0 & !self.0)
    }

    /// Whether the set has no kind.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds, in the order of [`MailKind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = MailKind> {
        MailKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<MailKind> for MailKinds {
    fn from_iter<I: IntoIterator<Item = MailKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |bits, kind| bits | kind.bit()))
    }
}

/// Kinds of mails that a user can turn off with a link in a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscription {
    pub user: UserId,
    pub kinds: MailKinds,
}

impl Unsubscription {
    /// As the id of a token.
    pub fn to_uuid(self) -> Uuid {
        Uuid::from_u64_pair(self.kinds.0.into(), self.user.0.cast_unsigned())
    }

    /// From the id of a verified token.
    pub fn from_uuid(id: Uuid) -> Self {
        let (kinds, user) = id.as_u64_pair();
        Self { user: UserId(user.cast_signed()), kinds: MailKinds(kinds.to_le_bytes()[0] & MailKinds::ALL.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name_and_has_a_bit() {
        for kind in MailKind::ALL {
            assert_eq!(MailKind::from_name(kind.name()), Some(kind));
            let alone = MailKinds::from_iter([kind]);
            assert_eq!(alone.iter().collect::<Vec<_>>(), [kind]);
            assert!(!alone.complement().contains(kind) && alone.union(alone.complement()) == MailKinds::ALL);
        }
        assert_eq!(MailKind::from_name("requests"), None);
        assert_eq!(MailKinds::from_iter(MailKind::ALL), MailKinds::ALL);
        assert_eq!(MailKinds::from_bits(-1), MailKinds::ALL);
    }

    #[test]
    fn an_unsubscription_is_an_id() {
        let kinds = MailKinds::from_iter([MailKind::Reminders, MailKind::Endings]);
        for user in [1, i64::MAX] {
            let link = Unsubscription { user: UserId(user), kinds };
            assert_eq!(Unsubscription::from_uuid(link.to_uuid()), link);
        }
    }
}
