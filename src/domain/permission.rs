//! Rights, masks and roles: the table of the wire contract, section 1.

use std::fmt;
use std::str::FromStr;

/// One of the six rights that a mask is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Right {
    /// What anyone may do.
    Anyone = 1,
    /// Look at a node.
    Read = 2,
    /// Download it.
    Get = 4,
    /// Change and delete it.
    Write = 8,
    /// Administer it.
    Admin = 16,
    /// Own it.
    Owner = 32,
}

impl Right {
    /// All rights, the weakest first.
    pub const ALL: [Self; 6] = [Self::Anyone, Self::Read, Self::Get, Self::Write, Self::Admin, Self::Owner];

    /// The name that the wire uses.
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
}

/// A set of rights that is never empty: 1..=63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mask(u8);

/// Not a mask: neither a number in 1..=63 nor the name of a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the name of a right or a whole number from 1 to 63")]
pub struct InvalidMask;

impl Mask {
    /// The right to read alone: what an export token carries unless told.
    pub const READ: Self = Self(Right::Read as u8);
    /// The right to administer alone.
    pub const ADMIN: Self = Self(Right::Admin as u8);

    /// All rights.
    pub const MAX: Self = Self(63);

    /// A mask of these bits, if they are in 1..=63.
    pub fn new(bits: i64) -> Result<Self, InvalidMask> {
        match u8::try_from(bits) {
            Ok(bits) if (1..=Self::MAX.0).contains(&bits) => Ok(Self(bits)),
            _ => Err(InvalidMask),
        }
    }

    /// As the database holds it, which takes 1..=63 alone.
    pub(crate) fn from_db(bits: i16) -> Self {
        Self(bits as u8 & Self::MAX.0)
    }

    /// The bits, in 1..=63.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether every right of `other` is in this mask.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What both masks allow; `None` when that is nothing.
    pub const fn intersect(self, other: Self) -> Option<Self> {
        match self.0 & other.0 {
            0 => None,
            bits => Some(Self(bits)),
        }
    }

    /// The rights in this mask, the weakest first.
    pub fn rights(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.0 & *right as u8 != 0)
    }
}

/// The names of the rights, separated by blanks: an OAuth scope (RFC 6749, 3.3).
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

/// The name of one right, or a mask in decimal.
impl FromStr for Mask {
    type Err = InvalidMask;

    fn from_str(text: &str) -> Result<Self, InvalidMask> {
        if let Some(right) = Right::ALL.into_iter().find(|right| right.name() == text) {
            return Ok(Self(right as u8));
        }
        if text.is_empty() || text.len() > 2 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidMask);
        }
        text.parse().map_err(|_| InvalidMask).and_then(Self::new)
    }
}

/// What a user is in a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Anyone's right alone.
    Guest,
    /// Reads.
    Contributor,
    /// Downloads.
    Designer,
    /// Writes.
    Manager,
    /// Administers: may make export tokens.
    Admin,
    /// Owns.
    Owner,
}

/// Not the name of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be guest, contributor, designer, manager, admin or owner")]
pub struct InvalidRole;

impl Role {
    /// All roles, the weakest first.
    pub const ALL: [Self; 6] =
        [Self::Guest, Self::Contributor, Self::Designer, Self::Manager, Self::Admin, Self::Owner];

    /// The role's name.
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

    /// The mask that the role carries: each role adds one right to the one below.
    pub const fn privilege(self) -> Mask {
        Mask(match self {
            Self::Guest => 1,
            Self::Contributor => 3,
            Self::Designer => 7,
            Self::Manager => 15,
            Self::Admin => 31,
            Self::Owner => 63,
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
    fn each_role_carries_all_that_the_one_below_does() {
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
