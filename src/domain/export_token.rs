//! Export tokens (Drumee's public "MFS_API API Reference"): they give their bearer access to one
//! node of a hub, limited by a mask, until they expire or are revoked.

use super::hub::{HubId, NodeId};
use super::rights::Mask;
use super::timestamp::Timestamp;
use super::token::{Entropy, ExportId, Token, TokenDigest, TokenKind};
use super::user::{Authority, UserId};

/// The lifetime of a token in hours: 0 to 8760 (a year); 0 means that it never expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryHours(u16);

/// The number is not a valid lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expiry_hours must be a whole number between 0 and 8760 (1 year)")]
pub struct InvalidExpiry;

impl ExpiryHours {
    /// The default, a day.
    pub const DEFAULT: Self = Self(24);

    /// Accepts 0 to 8760.
    pub fn new(hours: i64) -> Result<Self, InvalidExpiry> {
        match u16::try_from(hours) {
            Ok(hours @ 0..=8_760) => Ok(Self(hours)),
            Ok(_) | Err(_) => Err(InvalidExpiry),
        }
    }

    /// When a token created now expires; `None` means never.
    pub fn expires_at(self, now: Timestamp) -> Option<Timestamp> {
        (self.0 > 0).then(|| now.plus_seconds(i64::from(self.0) * 3_600))
    }
}

/// An export token to create.
#[derive(Clone, Debug)]
pub struct NewExportToken {
    pub creator: UserId,
    pub hub: HubId,
    pub node: NodeId,
    pub mask: Mask,
    pub expiry: ExpiryHours,
}

/// An export token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportToken {
    pub id: ExportId,
    pub creator: UserId,
    pub hub: HubId,
    pub node: NodeId,
    /// The maximum rights; the creator's current rights in the hub also limit it.
    pub mask: Mask,
    pub created_at: Timestamp,
    /// `None` means never.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// The status of a token at some time. It is derived, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportTokenStatus {
    Active,
    /// The creator has none of the token's rights in the hub, or is disabled. The token works again
    /// when that changes.
    Suspended,
    Expired,
    /// Revoked by its creator, an admin of the hub, or the operator.
    Revoked,
}

impl ExportTokenStatus {
    /// All statuses.
    pub const ALL: [Self; 4] = [Self::Active, Self::Suspended, Self::Expired, Self::Revoked];

    /// The name on the pages and at the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// The user may not create this token. One error for an unknown hub, no role in it, a role
/// without the admin right, and a mask that exceeds the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hub not found, or insufficient rights in it")]
pub struct ExportDenied;

/// Why a token does not authorize an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Expired, revoked, or its creator has no rights in the hub any more.
    #[error("the token is not active")]
    Inactive,
    /// Active, but for another hub or node, or without the right.
    #[error("the token does not allow this")]
    NotAllowed,
}

impl NewExportToken {
    /// Creates the token and its secret, if the creator's rights in the hub (`None` without a
    /// role there) include the admin right and the whole mask.
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
    /// The name of the token where Drumee expects a user: `export_` and the id.
    pub fn pseudo_entity_uid(&self) -> String {
        format!("export_{}", self.id)
    }

    /// The status at `now`, given the creator's current rights in the hub (`None` without a role
    /// there, or if the creator is disabled).
    pub fn status(&self, privilege: Option<Mask>, now: Timestamp) -> ExportTokenStatus {
        if self.revoked_at.is_some() {
            ExportTokenStatus::Revoked
        } else if self.expires_at.is_some_and(|at| at <= now) {
            ExportTokenStatus::Expired
        } else if privilege.and_then(|privilege| self.mask.intersect(privilege)).is_none() {
            ExportTokenStatus::Suspended
        } else {
            ExportTokenStatus::Active
        }
    }

    /// Revokes it: true if it was not revoked before, `None` if `by` may not revoke it. `privilege`
    /// are the rights of `by` in the hub, where its admins may revoke the tokens of others.
    pub fn revoke(&mut self, by: Authority, privilege: Option<Mask>, now: Timestamp) -> Option<bool> {
        let is_admin = privilege.is_some_and(|privilege| privilege.contains(Mask::ADMIN));
        if by != Authority::Operator && by != Authority::User(self.creator) && !is_admin {
            return None;
        }
        let newly_revoked = self.revoked_at.is_none();
        self.revoked_at.get_or_insert(now);
        Some(newly_revoked)
    }

    /// The rights at `now`, if the token is active: the mask, limited by the creator's current rights
    /// in the hub.
    pub fn effective_rights(&self, privilege: Option<Mask>, now: Timestamp) -> Option<Mask> {
        match self.status(privilege, now) {
            ExportTokenStatus::Active => self.mask.intersect(privilege?),
            ExportTokenStatus::Suspended | ExportTokenStatus::Expired | ExportTokenStatus::Revoked => None,
        }
    }

    /// The effective rights, if they allow the access.
    pub fn authorize(
        &self,
        privilege: Option<Mask>,
        query: &AccessQuery,
        now: Timestamp,
    ) -> Result<Mask, AccessError> {
        let effective = self.effective_rights(privilege, now).ok_or(AccessError::Inactive)?;
        if query.hub.as_ref() == Some(&self.hub)
            && query.nodes.contains(&self.node)
            && effective.contains(query.required_rights)
        {
            Ok(effective)
        } else {
            Err(AccessError::NotAllowed)
        }
    }
}

/// An access that a resource server asks about.
#[derive(Clone, Debug)]
pub struct AccessQuery {
    /// `None` if the name cannot be that of a hub.
    pub hub: Option<HubId>,
    /// The node and its ancestors, as far as the resource server knows them.
    pub nodes: Vec<NodeId>,
    /// All of these are required.
    pub required_rights: Mask,
}

/// A reference to a token that a caller wants to revoke.
#[derive(Clone, Copy, Debug)]
pub struct ExportTokenRef {
    pub id: ExportId,
    /// The digest, if the caller presented the token instead of its id.
    pub digest: Option<TokenDigest>,
}

impl ExportTokenRef {
    /// Parses a token or its id.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(token) = Token::parse(TokenKind::Export, text) {
            return Some(Self { id: ExportId(token.id()), digest: Some(token.digest()) });
        }
        let id = uuid::Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text)?;
        Some(Self { id: ExportId(id), digest: None })
    }

    /// Whether this refers to the token with the stored digest.
    pub fn matches(&self, stored: &TokenDigest) -> bool {
        self.digest.is_none_or(|digest| digest.matches(stored))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rights::Role;
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
                prop_assert_eq!(token.revoke(Authority::User(UserId(1)), None, NOW), Some(true));
                prop_assert_eq!(token.revoke(Authority::Operator, None, NOW), Some(false));
            }
            let at = NOW.plus_seconds(later);
            let active = !revoked && (hours == 0 || later < hours * 3_600);
            let owner = Some(Role::Owner.privilege());
            prop_assert_eq!(token.status(owner, at) == ExportTokenStatus::Active, active);
            prop_assert_eq!(token.effective_rights(owner, at).is_some(), active);
        }
    }

    #[test]
    fn the_status_is_active_exactly_if_the_token_has_rights() {
        let mask = |bits: i64| Mask::new(bits).unwrap();
        let (mut token, _) =
            new_export_token(6, 1).issue(Some(Role::Owner.privilege()), &entropy(), NOW).unwrap();
        for (privilege, status) in [
            (Some(Role::Owner.privilege()), ExportTokenStatus::Active),
            (Some(Role::Contributor.privilege()), ExportTokenStatus::Active),
            (Some(Role::Guest.privilege()), ExportTokenStatus::Suspended),
            (Some(mask(1 + 8 + 16 + 32)), ExportTokenStatus::Suspended),
            (None, ExportTokenStatus::Suspended),
        ] {
            assert_eq!(token.status(privilege, NOW), status, "{privilege:?}");
            let rights = token.effective_rights(privilege, NOW);
            assert_eq!(rights.is_some(), status == ExportTokenStatus::Active, "{privilege:?}");
            assert_eq!(token.status(privilege, NOW.plus_seconds(3_600)), ExportTokenStatus::Expired);
        }
        token.revoke(Authority::Operator, None, NOW);
        assert_eq!(token.status(None, NOW), ExportTokenStatus::Revoked);
    }

    #[test]
    fn pseudo_entity_uid_matches_the_wire_contract() {
        let (token, _) =
            new_export_token(2, 0).issue(Some(Role::Owner.privilege()), &entropy(), NOW).unwrap();
        assert_eq!(token.pseudo_entity_uid(), format!("export_{}", token.id));
    }

    #[test]
    fn only_the_creator_an_admin_or_the_operator_can_revoke() {
        let (mut token, _) =
            new_export_token(2, 0).issue(Some(Role::Owner.privilege()), &entropy(), NOW).unwrap();
        for privilege in [None, Some(Role::Manager.privilege())] {
            assert_eq!(token.revoke(Authority::User(UserId(2)), privilege, NOW), None);
        }
        assert_eq!(token.status(Some(Role::Owner.privilege()), NOW), ExportTokenStatus::Active);
        let admin = Some(Role::Admin.privilege());
        assert_eq!(token.clone().revoke(Authority::User(UserId(2)), admin, NOW), Some(true));
        assert_eq!(token.revoke(Authority::Operator, None, NOW), Some(true));
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
