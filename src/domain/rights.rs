//! Rights, masks of rights, and the roles of users in hubs.

use std::fmt;
use std::str::FromStr;

/// One of the six rights in a mask. Each is one bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Right {
    Anyone = 1,
    /// View a node.
    Read = 2,
    /// Download a node.
    Get = 4,
    /// Change and delete a node.
    Write = 8,
    Admin = 16,
    Owner = 32,
}

impl Right {
    /// All rights, weakest first.
    pub const ALL: [Self; 6] = [Self::Anyone, Self::Read, Self::Get, Self::Write, Self::Admin, Self::Owner];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Read => "read",
            Self::Get => "get",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Finds a right by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.name() == name)
    }
}

impl From<Right> for Mask {
    fn from(right: Right) -> Self {
        Self(right as u8)
    }
}

/// A non-empty set of rights: 1 to [`Mask::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mask(u8);

/// Neither the name of a right nor a number from 1 to [`Mask::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the name of a right or a whole number from 1 to {}", Mask::MAX.0)]
pub struct InvalidMask;

impl Mask {
    /// All rights.
    pub const MAX: Self = Self::up_to(Right::Owner);
    /// Only the right to read: the default of an export token.
    pub const READ: Self = Self(Right::Read as u8);
    /// Only the right to administer.
    pub const ADMIN: Self = Self(Right::Admin as u8);

    /// Accepts 1 to [`Mask::MAX`].
    pub fn new(bits: i64) -> Result<Self, InvalidMask> {
        match u8::try_from(bits) {
            Ok(bits) if (1..=Self::MAX.0).contains(&bits) => Ok(Self(bits)),
            Ok(_) | Err(_) => Err(InvalidMask),
        }
    }

    /// Takes the bits in the database, which has a CHECK constraint on them.
    pub(crate) fn from_db(bits: i16) -> Self {
        Self(bits as u8 & Self::MAX.0)
    }

    /// These rights; `None` if there are none.
    pub fn from_rights(rights: impl IntoIterator<Item = Right>) -> Option<Self> {
        match rights.into_iter().fold(0, |bits, right| bits | right as u8) {
            0 => None,
            bits => Some(Self(bits)),
        }
    }

    /// This right and all weaker ones.
    const fn up_to(strongest: Right) -> Self {
        let bit = strongest as u8;
        Self(bit | (bit - 1))
    }

    /// The bits: 1 to [`Mask::MAX`].
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether this mask has every right of `other`.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The rights in both masks; `None` if there are none.
    pub const fn intersect(self, other: Self) -> Option<Self> {
        match self.0 & other.0 {
            0 => None,
            bits => Some(Self(bits)),
        }
    }

    /// The rights in this mask, weakest first.
    pub fn rights(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.0 & *right as u8 != 0)
    }
}

/// The names of the rights separated by spaces, as an OAuth scope (RFC 6749, 3.3).
impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, right) in self.rights().enumerate() {
            if nth > 0 {
                f.write_str(" ")?;
            }
            f.write_str(right.name())?;
        }
        Ok(())
    }
}

/// Parses the name of one right, or a mask in decimal.
impl FromStr for Mask {
    type Err = InvalidMask;

    fn from_str(text: &str) -> Result<Self, InvalidMask> {
        if let Some(right) = Right::from_name(text) {
            return Ok(right.into());
        }
        if text.is_empty() || text.len() > 2 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidMask);
        }
        text.parse().map_err(|_| InvalidMask).and_then(Self::new)
    }
}

/// The role of a user in a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Guest,
    Contributor,
    Designer,
    Manager,
    /// May create export tokens.
    Admin,
    Owner,
}

/// Not the name of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be guest, contributor, designer, manager, admin or owner")]
pub struct InvalidRole;

impl Role {
    /// All roles, weakest first.
    pub const ALL: [Self; 6] =
        [Self::Guest, Self::Contributor, Self::Designer, Self::Manager, Self::Admin, Self::Owner];

    /// The name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Contributor => "contributor",
            Self::Designer => "designer",
            Self::Manager => "manager",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The rights of the role: each role adds one right to the weaker one.
    pub const fn privilege(self) -> Mask {
        Mask::up_to(match self {
            Self::Guest => Right::Anyone,
            Self::Contributor => Right::Read,
            Self::Designer => Right::Get,
            Self::Manager => Right::Write,
            Self::Admin => Right::Admin,
            Self::Owner => Right::Owner,
        })
    }
}

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(name: &str) -> Result<Self, InvalidRole> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or(InvalidRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_mask() -> impl Strategy<Value = Mask> {
        (1_i64..=63).prop_map(|bits| Mask::new(bits).unwrap())
    }

    proptest! {
        #[test]
        fn only_1_to_63_is_a_mask(bits: i64) {
            prop_assert_eq!(Mask::new(bits).is_ok(), (1..=63).contains(&bits));
        }

        #[test]
        fn an_intersection_never_has_more_than_either(a in any_mask(), b in any_mask()) {
            if let Some(both) = a.intersect(b) {
                prop_assert!(a.contains(both) && b.contains(both));
            } else {
                prop_assert_eq!(a.bits() & b.bits(), 0);
            }
        }

        #[test]
        fn the_rights_of_a_mask_add_up_to_it(mask in any_mask()) {
            let sum: u8 = mask.rights().map(|right| right as u8).sum();
            prop_assert_eq!(sum, mask.bits());
        }

        #[test]
        fn only_plain_decimals_and_names_are_read(text in "\\PC{0,4}") {
            let plain = text.parse::<u8>().is_ok_and(|n| (1..=63).contains(&n)) && !text.starts_with('+') && text.len() < 3;
            let named = Right::ALL.iter().any(|right| right.name() == text);
            prop_assert_eq!(text.parse::<Mask>().is_ok(), plain || named);
        }
    }

    #[test]
    fn each_role_has_all_rights_of_the_weaker_one() {
        for pair in Role::ALL.windows(2) {
            assert!(pair[1].privilege().contains(pair[0].privilege()));
            assert_ne!(pair[1].privilege(), pair[0].privilege());
        }
    }

    #[test]
    fn a_mask_parses_from_a_name_or_a_number() {
        for mask in (1..=63).map(|bits| Mask::new(bits).unwrap()) {
            assert_eq!(mask.bits().to_string().parse(), Ok(mask));
            assert_eq!(format!("{:02}", mask.bits()).parse(), Ok(mask));
            assert_eq!(Mask::from_db(mask.bits().into()), mask);
        }
        assert_eq!("read".parse(), Ok(Mask::READ));
        for text in ["", "0", "64", "063", "6a", "a6", "Read"] {
            assert_eq!(text.parse::<Mask>(), Err(InvalidMask), "{text:?}");
        }
        assert_eq!(Mask::MAX.bits(), 63);
        assert!(!Mask::READ.contains(Mask::ADMIN) && !Mask::ADMIN.contains(Mask::READ));
    }

    #[test]
    fn a_role_is_read_by_its_name() {
        let names = ["guest", "contributor", "designer", "manager", "admin", "owner"];
        for (role, name) in Role::ALL.into_iter().zip(names) {
            assert_eq!((role.name(), name.parse()), (name, Ok(role)));
        }
        assert_eq!("Owner".parse::<Role>(), Err(InvalidRole));
    }

    #[test]
    fn a_scope_names_the_rights() {
        assert_eq!(Mask::new(6).unwrap().to_string(), "read get");
        assert_eq!(Mask::new(63).unwrap().to_string(), "anyone read get write admin owner");
    }
}
