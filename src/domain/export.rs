//! Export tokens: they let their bearer use one node of a hub, within a mask,
//! until they expire or are revoked (Drumee's public "MFS_API API Reference").

use std::str::FromStr;

use super::clock::Timestamp;
use super::hub::{HubId, NodeId};
use super::permission::Mask;
use super::token::{Entropy, ExportId, Kind, Token, TokenDigest};
use super::user::{Authority, UserId};

/// Hours that a token lives, 0..=8760 (a year); 0 is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryHours(u16);

/// Not an expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expiry_hours must be a whole number between 0 and 8760 (1 year)")]
pub struct InvalidExpiry;

impl ExpiryHours {
    /// A day: what a token gets unless told.
    pub const DEFAULT: Self = Self(24);

    /// Takes 0..=8760.
    pub fn new(hours: i64) -> Result<Self, InvalidExpiry> {
        match u16::try_from(hours) {
            Ok(hours @ 0..=8_760) => Ok(Self(hours)),
            _ => Err(InvalidExpiry),
        }
    }

    /// When a token made now expires; `None` is never.
    pub fn after(self, now: Timestamp) -> Option<Timestamp> {
        (self.0 > 0).then(|| now.plus_seconds(i64::from(self.0) * 3_600))
    }
}

/// What a creator asks for.
#[derive(Clone, Debug)]
pub struct NewExport {
    /// Who makes it.
    pub creator: UserId,
    /// The hub it is for.
    pub hub: HubId,
    /// The node in it.
    pub node: NodeId,
    /// The rights it carries.
    pub mask: Mask,
    /// How long it lives.
    pub expiry: ExpiryHours,
}

/// An export token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportToken {
    /// The public id.
    pub id: ExportId,
    /// Who made it: the only user who may list or revoke it.
    pub creator: UserId,
    /// The hub it is for.
    pub hub: HubId,
    /// The node in it.
    pub node: NodeId,
    /// The rights it carries, at the most.
    pub mask: Mask,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Where a token stands; derived, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportStatus {
    /// May be used.
    Active,
    /// Past its expiry.
    Expired,
    /// Closed by its creator or the operator.
    Revoked,
}

/// Not the name of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be active, expired or revoked")]
pub struct InvalidStatus;

impl ExportStatus {
    /// All that there are.
    pub const ALL: [Self; 3] = [Self::Active, Self::Expired, Self::Revoked];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl FromStr for ExportStatus {
    type Err = InvalidStatus;

    fn from_str(name: &str) -> Result<Self, InvalidStatus> {
        Self::ALL.into_iter().find(|status| status.name() == name).ok_or(InvalidStatus)
    }
}

/// Why no token was made: one answer for no such hub, no role in it, a role
/// without admin, and a mask beyond the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hub not found, or insufficient rights in it")]
pub struct MayNotExport;

/// Why a token may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UseRefusal {
    /// Expired, revoked, or its creator has lost the hub.
    #[error("the token is not active")]
    Dead,
    /// Alive, but for another hub or node, or without the right.
    #[error("the token does not allow this")]
    NotAllowed,
}

impl NewExport {
    /// Makes the token and its secret, if the creator's privilege in the hub
    /// (`None` without a role there) has admin and every right of the mask.
    pub fn issue(
        &self,
        privilege: Option<Mask>,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<(ExportToken, Token), MayNotExport> {
        let privilege = privilege.ok_or(MayNotExport)?;
        if !privilege.contains(Mask::ADMIN) || !privilege.contains(self.mask) {
            return Err(MayNotExport);
        }
        let id = ExportId(entropy.uuid(now));
        let export = ExportToken {
            id,
            creator: self.creator,
            hub: self.hub.clone(),
            node: self.node.clone(),
            mask: self.mask,
            created_at: now,
            expires_at: self.expiry.after(now),
            revoked_at: None,
        };
        Ok((export, Token::random(Kind::Export, id.0, entropy)))
    }
}

impl ExportToken {
    /// What stands for the token where Drumee wants a user: `export_` and the id.
    pub fn pseudo_entity_uid(&self) -> String {
        format!("export_{}", self.id)
    }

    /// Where the token stands.
    pub fn status(&self, now: Timestamp) -> ExportStatus {
        if self.revoked_at.is_some() {
            ExportStatus::Revoked
        } else if self.expires_at.is_some_and(|at| at <= now) {
            ExportStatus::Expired
        } else {
            ExportStatus::Active
        }
    }

    /// Revokes it, if `by` may: true when it was open until now, false when it
    /// had been revoked before, `None` when `by` has no say in it.
    pub fn revoke(&mut self, by: Authority, now: Timestamp) -> Option<bool> {
        if by != Authority::Operator && by != Authority::User(self.creator) {
            return None;
        }
        let fresh = self.revoked_at.is_none();
        self.revoked_at.get_or_insert(now);
        Some(fresh)
    }

    /// The rights it has now: its mask within what its creator holds in the hub
    /// at this moment (`None` without a role there, or when disabled).
    pub fn effective(&self, privilege: Option<Mask>, now: Timestamp) -> Option<Mask> {
        match self.status(now) {
            ExportStatus::Active => self.mask.intersect(privilege?),
            ExportStatus::Expired | ExportStatus::Revoked => None,
        }
    }

    /// Whether a use is allowed: the effective rights if so. `nodes` are the
    /// node in question and its ancestors, as far as the asker's tree goes.
    pub fn permits(&self, privilege: Option<Mask>, wanted: &Use, now: Timestamp) -> Result<Mask, UseRefusal> {
        let effective = self.effective(privilege, now).ok_or(UseRefusal::Dead)?;
        if wanted.hub.as_ref() == Some(&self.hub)
            && wanted.nodes.contains(&self.node)
            && effective.contains(wanted.right)
        {
            Ok(effective)
        } else {
            Err(UseRefusal::NotAllowed)
        }
    }
}

/// A use that a resource server asks about.
#[derive(Clone, Debug)]
pub struct Use {
    /// The hub; `None` stands for a name that no hub can have.
    pub hub: Option<HubId>,
    /// The node and its ancestors.
    pub nodes: Vec<NodeId>,
    /// The rights wanted, all of them.
    pub right: Mask,
}

/// How a caller names a token that they mean to revoke.
#[derive(Clone, Copy, Debug)]
pub struct ExportRef {
    /// The id.
    pub id: ExportId,
    /// The digest, when the token itself was shown.
    pub digest: Option<TokenDigest>,
}

impl ExportRef {
    /// Reads a token, or its id.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(token) = Token::parse(Kind::Export, text) {
            return Some(Self { id: ExportId(token.id()), digest: Some(token.digest()) });
        }
        let id = uuid::Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text)?;
        Some(Self { id: ExportId(id), digest: None })
    }

    /// Whether this names the token whose digest is kept.
    pub fn names(&self, kept: &TokenDigest) -> bool {
        self.digest.is_none_or(|digest| digest.matches(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::permission::Role;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

    fn order(mask: i64, hours: i64) -> NewExport {
        NewExport {
            creator: UserId(1),
            hub: HubId::new("hub").unwrap(),
            node: NodeId::new("node").unwrap(),
            mask: Mask::new(mask).unwrap(),
            expiry: ExpiryHours::new(hours).unwrap(),
        }
    }

    fn entropy() -> Entropy {
        Entropy::new([1; 10], [2; 16])
    }

    fn wanted(right: i64) -> Use {
        Use {
            hub: HubId::new("hub").ok(),
            nodes: vec![NodeId::new("leaf").unwrap(), NodeId::new("node").unwrap()],
            right: Mask::new(right).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn a_token_never_has_more_rights_than_its_creator(
            mask in 1_i64..=63, at_creation in 0_usize..7, at_use in 0_usize..7, right in 1_i64..=63
        ) {
            let role = |nth: usize| Role::ALL.get(nth).map(|role| role.privilege());
            let issued = order(mask, 1).issue(role(at_creation), &entropy(), NOW);
            let may = at_creation < 6 && role(at_creation).unwrap().contains(Mask::ADMIN)
                && role(at_creation).unwrap().contains(Mask::new(mask).unwrap());
            prop_assert_eq!(issued.is_ok(), may);
            if let Ok((token, _)) = issued {
                match token.permits(role(at_use), &wanted(right), NOW) {
                    Ok(effective) => {
                        prop_assert!(role(at_use).unwrap().contains(effective));
                        prop_assert!(token.mask.contains(effective));
                        prop_assert!(effective.contains(Mask::new(right).unwrap()));
                    }
                    Err(UseRefusal::Dead) => prop_assert!(token.effective(role(at_use), NOW).is_none()),
                    Err(UseRefusal::NotAllowed) =>
                        prop_assert!(!token.effective(role(at_use), NOW).unwrap().contains(Mask::new(right).unwrap())),
                }
            }
        }

        #[test]
        fn an_expiry_is_0_to_8760(hours: i64) {
            prop_assert_eq!(ExpiryHours::new(hours).is_ok(), (0..=8_760).contains(&hours));
        }

        #[test]
        fn a_dead_token_stays_dead(hours in 0_i64..=8_760, revoked in any::<bool>(), later in 0_i64..40_000_000) {
            let (mut token, _) = order(2, hours).issue(Some(Role::Owner.privilege()), &entropy(), NOW).unwrap();
            if revoked {
                prop_assert_eq!(token.revoke(Authority::User(UserId(1)), NOW), Some(true));
                prop_assert_eq!(token.revoke(Authority::Operator, NOW), Some(false));
            }
            let at = NOW.plus_seconds(later);
            let alive = !revoked && (hours == 0 || later < hours * 3_600);
            prop_assert_eq!(token.status(at) == ExportStatus::Active, alive);
            prop_assert_eq!(token.effective(Some(Role::Owner.privilege()), at).is_some(), alive);
        }
    }

    #[test]
    fn a_status_and_an_id_are_called_the_same_by_everybody() {
        for (status, name) in ExportStatus::ALL.into_iter().zip(["active", "expired", "revoked"]) {
            assert_eq!(status.name(), name);
            assert_eq!(name.parse(), Ok(status));
        }
        assert_eq!("".parse::<ExportStatus>(), Err(InvalidStatus));
        let (token, _) = order(2, 0).issue(Some(Role::Owner.privilege()), &entropy(), NOW).unwrap();
        assert_eq!(token.pseudo_entity_uid(), format!("export_{}", token.id));
    }

    #[test]
    fn only_its_creator_or_the_operator_revokes() {
        let (mut token, _) = order(2, 0).issue(Some(Role::Owner.privilege()), &entropy(), NOW).unwrap();
        assert_eq!(token.revoke(Authority::User(UserId(2)), NOW), None);
        assert_eq!(token.status(NOW), ExportStatus::Active);
        assert_eq!(token.revoke(Authority::Operator, NOW), Some(true));
    }

    #[test]
    fn a_folders_token_opens_what_lies_in_it_and_nothing_beside() {
        let (token, _) = order(2, 0).issue(Some(Role::Owner.privilege()), &entropy(), NOW).unwrap();
        let owner = Some(Role::Owner.privilege());
        assert!(token.permits(owner, &wanted(2), NOW).is_ok());
        let beside = Use { nodes: vec![NodeId::new("other").unwrap()], ..wanted(2) };
        assert_eq!(token.permits(owner, &beside, NOW), Err(UseRefusal::NotAllowed));
        for hub in [HubId::new("other").ok(), None] {
            let elsewhere = Use { hub, ..wanted(2) };
            assert_eq!(token.permits(owner, &elsewhere, NOW), Err(UseRefusal::NotAllowed));
        }
    }

    #[test]
    fn a_token_is_named_by_itself_or_by_its_id() {
        let (token, secret) = order(2, 0).issue(Some(Role::Owner.privilege()), &entropy(), NOW).unwrap();
        let by_id = ExportRef::parse(&token.id.to_string()).unwrap();
        let by_token = ExportRef::parse(&secret.reveal()).unwrap();
        let forged = Token::random(Kind::Export, token.id.0, &Entropy::new([1; 10], [9; 16]));
        assert!(by_id.names(&secret.digest()) && by_token.names(&secret.digest()));
        assert!(!ExportRef::parse(&forged.reveal()).unwrap().names(&secret.digest()));
        assert!(ExportRef::parse("nonsense").is_none());
    }
}
