//! The terms in a body: `user_allowed`, `user_target` and `bundle`.
//!
//! Errors are checked in an order that reveals as little as possible: first the body itself, then
//! whether the caller may act for the acting party, and only then whether the other user and the
//! bundle exist. A caller who names too many unknown users gets no answer about the users.

use utoipa::ToSchema;

use super::common::ResourceKind;
use super::error::HexoError;
use super::fields::JsonFields;
use super::query::ListQuery;
use super::reference::{self, Reference};
use crate::config::PublicUrl;
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::terms::{SameUser, Terms};
use crate::domain::user::User;
use crate::http::extract::authenticated::Caller;
use crate::http::openapi::schemas;
use crate::http::state::AppState;
use crate::services::filters::{TermsQuery, intersection};
use crate::store::ledger::UserReference;
use crate::store::lookup::{LookupKey, LookupResults, UserRef};
use crate::store::participants::RequestParties;

/// The terms of a permission: references that are not resolved yet.
#[derive(Clone, Debug, ToSchema)]
#[schema(as = hexo::Terms)]
pub(super) struct TermsInput {
    #[schema(schema_with = schemas::uri_or_id)]
    pub bundle: Reference<BundleId>,
    /// The user who receives the permission.
    #[schema(schema_with = schemas::uri_or_id)]
    pub user_allowed: Reference<UserRef>,
    /// The user who grants the permission.
    #[schema(schema_with = schemas::uri_or_id)]
    pub user_target: Reference<UserRef>,
}

impl TermsQuery {
    /// Parses the filters `bundle`, `user_allowed` and `user_target` of a list.
    pub(super) fn parse(query: &ListQuery, public_url: &PublicUrl) -> Result<Self, HexoError> {
        let bundle = |text: &str| {
            reference::parse_bundle(text, public_url).map(|id| id.0).ok_or(HexoError::InvalidFilter)
        };
        let user = |text: &str| reference::parse_user(text, public_url).ok_or(HexoError::InvalidFilter);
        Ok(Self {
            bundles: intersection(query.filter_values("bundle", bundle)?),
            grantees: query.filter_values("user_allowed", user)?,
            targets: query.filter_values("user_target", user)?,
        })
    }
}

/// The party that the caller acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActingParty {
    Grantee,
    Target,
}

/// Terms, with the users and the bundle.
#[derive(Clone, Debug)]
pub(super) struct ResolvedTerms {
    pub terms: Terms,
    target: User,
    grantee: User,
    bundle: Bundle,
}

impl ResolvedTerms {
    pub(super) fn parties(&self) -> RequestParties<'_> {
        RequestParties { target: &self.target, grantee: &self.grantee, bundle: &self.bundle }
    }
}

impl TermsInput {
    /// Parses the three required fields.
    pub(super) fn parse(
        kind: ResourceKind,
        fields: &JsonFields,
        public_url: &PublicUrl,
    ) -> Result<Self, HexoError> {
        let user_ref = |text: &str| reference::parse_user(text, public_url);
        let bundle_ref = |text: &str| reference::parse_bundle(text, public_url);
        let bundle = fields.required("bundle")?;
        let user_allowed = fields.required("user_allowed")?;
        let user_target = fields.required("user_target")?;
        Ok(Self {
            bundle: Reference::from_json(kind, "bundle", bundle, bundle_ref)?,
            user_allowed: Reference::from_json(kind, "user_allowed", user_allowed, user_ref)?,
            user_target: Reference::from_json(kind, "user_target", user_target, user_ref)?,
        })
    }

    /// Looks up the users and the bundle, and checks that the caller may act for the acting party.
    pub(super) async fn resolve(
        self,
        kind: ResourceKind,
        acting_party: ActingParty,
        caller: &Caller,
        state: &AppState,
    ) -> Result<ResolvedTerms, HexoError> {
        let users: Vec<UserRef> = [&self.user_allowed, &self.user_target]
            .into_iter()
            .filter_map(|user| user.parsed.clone())
            .collect();
        let unlinked = state.has_unlinked_reference(&caller.user, users.iter()).await?;
        let found = state.registry.look_up(LookupKey::UsersAndBundle(users, self.bundle.parsed)).await?;
        let resolved = self.resolve_parties(kind, acting_party, caller, &found);
        let unknown =
            matches!(resolved, Err(HexoError::UnresolvedReference { kind: ResourceKind::User, .. }));
        // For a request whose terms resolve, the ledger checks the limit of unknown references when
        // it creates the request.
        if acting_party == ActingParty::Target || resolved.is_err() || unlinked {
            record_lookup(caller, unlinked, unknown, state).await?;
        }
        resolved
    }

    fn resolve_parties(
        self,
        kind: ResourceKind,
        acting_party: ActingParty,
        caller: &Caller,
        found: &LookupResults,
    ) -> Result<ResolvedTerms, HexoError> {
        let (target, grantee) = match acting_party {
            ActingParty::Grantee => {
                let grantee = self.user_allowed.find_user(found)?;
                caller.require_acts_for(grantee.id, "Only user_allowed or staff can create this request.")?;
                (self.user_target.find_user(found)?, grantee)
            }
            ActingParty::Target => {
                let target = self.user_target.find_user(found)?;
                caller.require_acts_for(target.id, "Only user_target or staff can give this permission.")?;
                (target, self.user_allowed.find_user(found)?)
            }
        };
        let unresolved =
            || HexoError::UnresolvedReference { kind: ResourceKind::Bundle, given: self.bundle.input };
        let bundle = self.bundle.parsed.and_then(|id| found.bundle(id)).cloned().ok_or_else(unresolved)?;
        let terms = Terms::new(target.id, grantee.id, bundle.id).map_err(|SameUser| {
            HexoError::invalid_field(kind, "user_target", "Choose a user other than user_allowed.")
        })?;
        Ok(ResolvedTerms { terms, target, grantee, bundle })
    }
}

/// Counts a lookup of users by the caller, at least one of them unlinked or unknown. Fails if the
/// caller exceeds the limit. An unlinked user counts the same whether they exist or not.
pub(super) async fn record_lookup(
    caller: &Caller,
    unlinked: bool,
    unknown: bool,
    state: &AppState,
) -> Result<(), HexoError> {
    let reference = match (unlinked, unknown) {
        (true, _) => UserReference::Unlinked,
        (false, true) => UserReference::Unknown,
        (false, false) => UserReference::Known,
    };
    Ok(state.record_user_lookup(&caller.user, reference, &caller.audit_context).await?)
}

impl Reference<UserRef> {
    /// The user, if they exist and are active.
    pub(super) fn find_user(&self, found: &LookupResults) -> Result<User, HexoError> {
        let user = self.parsed.as_ref().and_then(|name| found.user(name)).filter(|user| user.active);
        user.cloned().ok_or_else(|| HexoError::UnresolvedReference {
            kind: ResourceKind::User,
            given: self.input.clone(),
        })
    }
}
