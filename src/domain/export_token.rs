//! Export tokens: they let their bearer use one node of a hub, within a mask,
//! until they expire or are revoked (Drumee's public "MFS_API API Reference").

use std::str::FromStr;

use super::hub::{HubId, NodeId};
use super::permission::Mask;
use super::timestamp::Timestamp;
use super::token::{Entropy, ExportId, Token, TokenDigest, TokenKind};
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
    pub fn expires_at(self, now: Timestamp) -> Option<Timestamp> {
        (self.0 > 0).then(|| now.plus_seconds(i64::from(self.0) * 3_600))
    }
}

/// What a creator asks for.
#[derive(Clone, Debug)]
pub struct NewExportToken {
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
pub enum ExportTokenStatus {
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
pub struct InvalidExportTokenStatus;

impl ExportTokenStatus {
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

impl FromStr for ExportTokenStatus {
    type Err = InvalidExportTokenStatus;

    fn from_str(name: &str) -> Result<Self, InvalidExportTokenStatus> {
        Self::ALL.into_iter().find(|status| status.name() == name).ok_or(InvalidExportTokenStatus)
    }
}

/// Why no token was made: one answer for no such hub, no role in it, a role
/// without admin, and a mask beyond the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hub not found, or insufficient rights in it")]
pub struct ExportDenied;

/// Why a token may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Expired, revoked, or its creator has lost the hub.
    #[error("the token is not active")]
    Inactive,
    /// Alive, but for another hub or node, or without the right.
    #[error("the token does not allow this")]
    NotAllowed,
}

impl NewExportToken {
    /// Makes the token and its secret, if the creator's privilege in the hub
    /// (`None` without a role there) has admin and every right of the mask.
    pub fn issue(
        &self,
        privilege: Option<Mask>,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<(ExportToken, Token), ExportDenied> {
        let privilege = privilege.ok_or(ExportDenied)?;
        if !privilege.contains(Mask::ADMIN) || !privilege.contains(self.mask) {
            return Err(ExportDenied);
        }
        let id = ExportId(entropy.uuid(now));
        let export = ExportToken {
            id,
            creator: self.creator,
            hub: self.hub.clone(),
            node: self.node.clone(),
            mask: self.mask,
            created_at: now,
            expires_at: self.expiry.expires_at(now),
            revoked_at: None,
        };
        Ok((export, Token::random(TokenKind::Export, id.0, entropy)))
    }
}

impl ExportToken {
    /// What stands for the token where Drumee wants a user: `export_` and the id.
    pub fn pseudo_entity_uid(&self) -> String {
        format!("export_{}", self.id)
    }

    /// Where the token stands.
    pub fn status(&self, now: Timestamp) -> ExportTokenStatus {
        if self.revoked_at.is_some() {
            ExportTokenStatus::Revoked
        } else if self.expires_at.is_some_and(|at| at <= now) {
            ExportTokenStatus::Expired
        } else {
            ExportTokenStatus::Active
        }
    }

    /// Revokes it, if `by` may: true when it was open until now, false when it
    /// had been revoked before, `None` when `by` has no say in it.
    pub fn revoke(&mut self, by: Authority, now: Timestamp) -> Option<bool> {
        if by != Authority::Operator && by != Authority::User(self.creator) {
            return None;
        }
        let newly_revoked = self.revoked_at.is_none();
        self.revoked_at.get_or_insert(now);
        Some(newly_revoked)
    }

    /// The rights it has now: its mask within what its creator holds in the hub
    /// at this moment (`None` without a role there, or when disabled).
    pub fn effective_rights(&self, privilege: Option<Mask>, now: Timestamp) -> Option<Mask> {
        match self.status(now) {
            ExportTokenStatus::Active => self.mask.intersect(privilege?),
            ExportTokenStatus::Expired | ExportTokenStatus::Revoked => None,
        }
    }

    /// Whether a use is allowed: the effective rights if so. `nodes` are the
    /// node in question and its ancestors, as far as the asker's tree goes.
    pub fn authorize(
        &self,
        privilege: Option<Mask>,
        wanted: &AccessQuery,
        now: Timestamp,
    ) -> Result<Mask, AccessError> {
        let effective = self.effective_rights(privilege, now).ok_or(AccessError::Inactive)?;
        if wanted.hub.as_ref() == Some(&self.hub)
            && wanted.nodes.contains(&self.node)
            && effective.contains(wanted.required_rights)
        {
            Ok(effective)
        } else {
            Err(AccessError::NotAllowed)
        }
    }
}

/// A use that a resource server asks about.
#[derive(Clone, Debug)]
pub struct AccessQuery {
    /// The hub; `None` stands for a name that no hub can have.
    pub hub: Option<HubId>,
    /// The node and its ancestors.
    pub nodes: Vec<NodeId>,
    /// The rights wanted, all of them.
    pub required_rights: Mask,
}

/// How a caller names a token that they mean to revoke.
#[derive(Clone, Copy, Debug)]
pub struct ExportTokenRef {
    /// The id.
    pub id: ExportId,
    /// The digest, when the token itself was shown.
    pub digest: Option<TokenDigest>,
}

impl ExportTokenRef {
    /// Reads a token, or its id.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(token) = Token::parse(TokenKind::Export, text) {
            return Some(Self { id: ExportId(token.id()), digest: Some(token.digest()) });
        }
        let id = uuid::Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text)?;
        Some(Self { id: ExportId(id), digest: None })
    }

    /// Whether this names the token whose digest is kept.
    pub fn matches(&self, stored: &TokenDigest) -> bool {
        self.digest.is_none_or(|digest| digest.matches(stored))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::permission::Role;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

    fn new_export_token(mask: i64, hours: i64) -> NewExportToken {
        NewExportToken {
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

    fn query(right: i64) -> AccessQuery {
        AccessQuery {
            hub: HubId::new("hub").ok(),
            nodes: vec![NodeId::new("leaf").unwrap(), NodeId::new("node").unwrap()],
            required_rights: Mask::new(right).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn a_token_never_has_more_rights_than_its_creator(
            mask in 1_i64..=63, at_creation in 0_usize..7, at_use in 0_usize..7, right in 1_i64..=63
        ) {
            let role = |nth: usize| Role::ALL.get(nth).map(|role| role.privilege());
            let issued = new_export_token(mask, 1).issue(role(at_creation), &entropy(), NOW);
            let may = at_creation < 6 && role(at_creation).unwrap().contains(Mask::ADMIN)
                && role(at_creation).unwrap().contains(Mask::new(mask).unwrap());
            prop_assert_eq!(issued.is_ok(), may);
            if let Ok((token, _)) = issued {
                match token.authorize(role(at_use), &query(right), NOW) {
                    Ok(effective) => {
                        prop_assert!(role(at_use).unwrap().contains(effective));
                        prop_assert!(token.mask.contains(effective));
                        prop_assert!(effective.contains(Mask::new(right).unwrap()));
                    }
                    Err(AccessError::Inactive) => prop_assert!(token.effective_rights(role(at_use), NOW).is_none()),
                    Err(AccessError::NotAllowed) =>
                        prop_assert!(!token.effective_rights(role(at_use), NOW).unwrap().contains(Mask::new(right).unwrap())),
                }
            }
        }

        #[test]
        fn an_expiry_is_0_to_8760(hours: i64) {
            prop_assert_eq!(ExpiryHours::new(hours).is_ok(), (0..=8_760).contains(&hours));
        }

        #[test]
        fn an_inactive_token_stays_inactive(hours in 0_i64..=8_760, revoked in any::<bool>(), later in 0_i64..40_000_000) {
            let (mut token, _) = new_export_token(2, hours).issue(Some(Role::Owner.privilege()), &entropy(), NOW).unwrap();
            if revoked {
                prop_assert_eq!(token.revoke(Authority::User(UserId(1)), NOW), Some(true));
                prop_assert_eq!(token.revoke(Authority::Operator, NOW), Some(false));
            }
            let at = NOW.plus_seconds(later);
            let alive = !revoked && (hours == 0 || later < hours * 3_600);
            prop_assert_eq!(token.status(at) == ExportTokenStatus::Active, alive);
            prop_assert_eq!(token.effective_rights(Some(Role::Owner.privilege()), at).is_some(), alive);
        }
    }

    #[test]
    fn status_names_and_pseudo_entity_uid_match_the_wire_contract() {
        for (status, name) in ExportTokenStatus::ALL.into_iter().zip(["active", "expired", "revoked"]) {
            assert_eq!(status.name(), name);
            assert_eq!(name.parse(), Ok(status));
        }
        assert_eq!("".parse::<ExportTokenStatus>(), Err(InvalidExportTokenStatus));
        let (token, _) =
            new_export_token(2, 0).issue(Some(Role::Owner.privilege()), &entropy(), NOW).unwrap();
        assert_eq!(token.pseudo_entity_uid(), format!("export_{}", token.id));
    }

    #[test]
    fn only_the_creator_or_the_operator_can_revoke() {
        let (mut token, _) =
            new_export_token(2, 0).issue(Some(Role::Owner.privilege()), &entropy(), NOW).unwrap();
        assert_eq!(token.revoke(Authority::User(UserId(2)), NOW), None);
        assert_eq!(token.status(NOW), ExportTokenStatus::Active);
        assert_eq!(token.revoke(Authority::Operator, NOW), Some(true));
    }

    #[test]
    fn a_token_on_a_folder_covers_its_descendants_only() {
        let (token, _) =
            new_export_token(2, 0).issue(Some(Role::Owner.privilege()), &entropy(), NOW).unwrap();
        let owner = Some(Role::Owner.privilege());
        assert!(token.authorize(owner, &query(2), NOW).is_ok());
        let beside = AccessQuery { nodes: vec![NodeId::new("other").unwrap()], ..query(2) };
        assert_eq!(token.authorize(owner, &beside, NOW), Err(AccessError::NotAllowed));
        for hub in [HubId::new("other").ok(), None] {
            let elsewhere = AccessQuery { hub, ..query(2) };
            assert_eq!(token.authorize(owner, &elsewhere, NOW), Err(AccessError::NotAllowed));
        }
    }

    #[test]
    fn a_token_ref_is_a_token_or_an_id() {
        let (token, secret) =
            new_export_token(2, 0).issue(Some(Role::Owner.privilege()), &entropy(), NOW).unwrap();
        let by_id = ExportTokenRef::parse(&token.id.to_string()).unwrap();
        let by_token = ExportTokenRef::parse(&secret.expose()).unwrap();
        let forged = Token::random(TokenKind::Export, token.id.0, &Entropy::new([1; 10], [9; 16]));
        assert!(by_id.matches(&secret.digest()) && by_token.matches(&secret.digest()));
        assert!(!ExportTokenRef::parse(&forged.expose()).unwrap().matches(&secret.digest()));
        assert!(ExportTokenRef::parse("nonsense").is_none());
    }
}
