//! Who asks whom for what, as a body says it: `user_allowed`, `user_target` and
//! `bundle`, looked up together.
//!
//! What is wrong is said in an order that tells the least: first what the body
//! alone shows; then whether its author may act for the one who acts; only then
//! whether there are such another user and such a bundle. And whoever has named too
//! many who are not there is told nothing of whom they name.

use utoipa::ToSchema;

use super::ResourceKind;
use super::error::HexoError;
use super::fields::JsonFields;
use super::reference::{self, Reference};
use crate::config::PublicUrl;
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::terms::{SameUser, Terms};
use crate::domain::user::User;
use crate::http::extract::authenticated::Caller;
use crate::http::openapi::schemas;
use crate::http::state::AppState;
use crate::store::lookup::{LookupKey, LookupResults, UserRef};
use crate::store::participants::RequestParties;

/// Who is to have what of whom, as it is documented.
#[derive(ToSchema)]
#[schema(as = hexo::NewPermission)]
#[expect(dead_code, reason = "parsed by `TermsInput`; declared for the OpenAPI schema")]
pub(super) struct TermsSchema {
    /// A bundle: its URI or its id.
    #[schema(schema_with = schemas::uri_or_id)]
    bundle: String,
    /// Who receives: a URI, an id or an email.
    #[schema(schema_with = schemas::uri_or_id)]
    user_allowed: String,
    /// Who gives: a URI, an id or an email.
    #[schema(schema_with = schemas::uri_or_id)]
    user_target: String,
}

/// Terms by their references.
#[derive(Clone, Debug)]
pub(super) struct TermsInput {
    bundle: Reference<BundleId>,
    grantee: Reference<UserRef>,
    target: Reference<UserRef>,
}

/// Which party to the terms makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActingParty {
    /// Who receives, asks.
    Grantee,
    /// Who gives.
    Target,
}

/// Terms, with all whom they name.
#[derive(Clone, Debug)]
pub(super) struct ResolvedTerms {
    /// The terms.
    pub terms: Terms,
    target: User,
    grantee: User,
    bundle: Bundle,
}

impl ResolvedTerms {
    /// All whom the terms name.
    pub(super) fn parties(&self) -> RequestParties<'_> {
        RequestParties { target: &self.target, grantee: &self.grantee, bundle: &self.bundle }
    }
}

impl TermsInput {
    /// Reads the three fields, all of them required.
    pub(super) fn parse(
        kind: ResourceKind,
        fields: &JsonFields,
        public_url: &PublicUrl,
    ) -> Result<Self, HexoError> {
        let user = |text: &str| reference::parse_user(text, public_url);
        let bundle = fields.required("bundle")?;
        let grantee = fields.required("user_allowed")?;
        let target = fields.required("user_target")?;
        Ok(Self {
            bundle: Reference::from_json(kind, "bundle", bundle, |text| {
                reference::parse_bundle(text, public_url)
            })?,
            grantee: Reference::from_json(kind, "user_allowed", grantee, user)?,
            target: Reference::from_json(kind, "user_target", target, user)?,
        })
    }

    /// Looks up all three at once.
    pub(super) async fn resolve(
        self,
        kind: ResourceKind,
        acting_party: ActingParty,
        caller: &Caller,
        state: &AppState,
    ) -> Result<ResolvedTerms, HexoError> {
        let users =
            [&self.grantee, &self.target].into_iter().filter_map(|user| user.parsed.clone()).collect();
        let found = state.registry.look_up(LookupKey::UsersAndBundle(users, self.bundle.parsed)).await?;
        let resolved = self.resolve_parties(kind, acting_party, caller, &found);
        // Asking is looked at together with what is asked.
        if acting_party == ActingParty::Target || resolved.is_err() {
            record_lookup(
                caller,
                matches!(resolved, Err(HexoError::UnresolvedReference { kind: ResourceKind::User, .. })),
                state,
            )
            .await?;
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
                let grantee = self.grantee.find_user(found)?;
                caller.require_acts_for(grantee.id, "Only user_allowed or staff can create this request.")?;
                (self.target.find_user(found)?, grantee)
            }
            ActingParty::Target => {
                let target = self.target.find_user(found)?;
                caller.require_acts_for(target.id, "Only user_target or staff can give this permission.")?;
                (target, self.grantee.find_user(found)?)
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

/// Counts that a caller has named users, one of them, if `astray`, nobody; refuses who
/// may not be told what came of it.
pub(super) async fn record_lookup(caller: &Caller, unknown: bool, state: &AppState) -> Result<(), HexoError> {
    Ok(state.record_user_lookup(&caller.user, unknown, &caller.audit_context).await?)
}

impl Reference<UserRef> {
    /// The user that it names, if they are there and active.
    pub(super) fn find_user(&self, found: &LookupResults) -> Result<User, HexoError> {
        let user = self.parsed.as_ref().and_then(|name| found.user(name)).filter(|user| user.active);
        user.cloned().ok_or_else(|| HexoError::UnresolvedReference {
            kind: ResourceKind::User,
            given: self.input.clone(),
        })
    }
}
