//! Who asks whom for what, as a body says it: `user_allowed`, `user_target` and
//! `bundle`, looked up together.
//!
//! What is wrong is said in an order that tells the least: first what the body
//! alone shows; then whether its author may act for the one who acts; only then
//! whether there are such another user and such a bundle. And whoever has named too
//! many who are not there is told nothing of whom they name.

use utoipa::ToSchema;

use super::Kind;
use super::error::HexoError;
use super::fields::Fields;
use super::reference::{self, Reference};
use crate::config::PublicUrl;
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::grant::{SameUser, Terms};
use crate::domain::user::User;
use crate::http::Services;
use crate::http::auth::Caller;
use crate::http::openapi::schemas;
use crate::store::cast::Scene;
use crate::store::lookup::{Findings, Question, UserName};

/// Who is to have what of whom, as it is documented.
#[derive(ToSchema)]
#[schema(as = hexo::Terms)]
#[expect(dead_code, reason = "read by `Wish`; this is what it looks like")]
pub(super) struct TermsFields {
    /// A bundle: its URI or its id.
    #[schema(schema_with = schemas::reference)]
    bundle: String,
    /// Who receives: a URI, an id or an email.
    #[schema(schema_with = schemas::reference)]
    user_allowed: String,
    /// Who gives: a URI, an id or an email.
    #[schema(schema_with = schemas::reference)]
    user_target: String,
}

/// Terms by their references.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    bundle: Reference<BundleId>,
    allowed: Reference<UserName>,
    target: Reference<UserName>,
}

/// Which party to the terms makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    /// Who receives, asks.
    Allowed,
    /// Who gives.
    Target,
}

/// Terms, with all whom they name.
#[derive(Clone, Debug)]
pub(super) struct Parties {
    /// The terms.
    pub terms: Terms,
    target: User,
    allowed: User,
    bundle: Bundle,
}

impl Parties {
    /// All whom the terms name.
    pub(super) fn scene(&self) -> Scene<'_> {
        Scene { target: &self.target, allowed: &self.allowed, bundle: &self.bundle }
    }
}

impl Wish {
    /// Reads the three fields, all of them required.
    pub(super) fn read(kind: Kind, fields: &Fields, here: &PublicUrl) -> Result<Self, HexoError> {
        let user = |text: &str| reference::user(text, here);
        let bundle = fields.required("bundle")?;
        let allowed = fields.required("user_allowed")?;
        let target = fields.required("user_target")?;
        Ok(Self {
            bundle: Reference::read(kind, "bundle", bundle, |text| reference::bundle(text, here))?,
            allowed: Reference::read(kind, "user_allowed", allowed, user)?,
            target: Reference::read(kind, "user_target", target, user)?,
        })
    }

    /// Looks up all three at once.
    pub(super) async fn resolve(
        self,
        kind: Kind,
        author: Author,
        caller: &Caller,
        services: &Services,
    ) -> Result<Parties, HexoError> {
        let users = [&self.allowed, &self.target].into_iter().filter_map(|user| user.names.clone()).collect();
        let found = services.registry.look_up(Question::Names(users, self.bundle.names)).await?;
        let parties = self.cast(kind, author, caller, &found);
        // Asking is looked at together with what is asked.
        if author == Author::Target || parties.is_err() {
            refer(caller, matches!(parties, Err(HexoError::Unresolved { kind: Kind::User, .. })), services)
                .await?;
        }
        parties
    }

    fn cast(
        self,
        kind: Kind,
        author: Author,
        caller: &Caller,
        found: &Findings,
    ) -> Result<Parties, HexoError> {
        let (target, allowed) = match author {
            Author::Allowed => {
                let allowed = self.allowed.pick(found)?;
                caller.must_act_for(allowed.id, "Only user_allowed or staff can create this request.")?;
                (self.target.pick(found)?, allowed)
            }
            Author::Target => {
                let target = self.target.pick(found)?;
                caller.must_act_for(target.id, "Only user_target or staff can give this permission.")?;
                (target, self.allowed.pick(found)?)
            }
        };
        let unresolved = || HexoError::Unresolved { kind: Kind::Bundle, given: self.bundle.given };
        let bundle = self.bundle.names.and_then(|id| found.bundle(id)).cloned().ok_or_else(unresolved)?;
        let terms = Terms::between(target.id, allowed.id, bundle.id).map_err(|SameUser| {
            HexoError::invalid(kind, "user_target", "Choose a user other than user_allowed.")
        })?;
        Ok(Parties { terms, target, allowed, bundle })
    }
}

/// Counts that a caller has named users, one of them, if `astray`, nobody; refuses who
/// may not be told what came of it.
pub(super) async fn refer(caller: &Caller, astray: bool, services: &Services) -> Result<(), HexoError> {
    Ok(services.count_reference(&caller.user, astray, &caller.origin).await?)
}

impl Reference<UserName> {
    /// The user that it names, if they are there and active.
    pub(super) fn pick(&self, found: &Findings) -> Result<User, HexoError> {
        let user = self.names.as_ref().and_then(|name| found.user(name)).filter(|user| user.active);
        user.cloned().ok_or_else(|| HexoError::Unresolved { kind: Kind::User, given: self.given.clone() })
    }
}
