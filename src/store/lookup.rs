//! Batched lookups: the keys of many callers are resolved by one query of each kind.
//! Nothing is cached: results are read after the lookup was requested.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::result::Error;

use super::access::{self, AccessQuestion};
use super::api_keys::{self, ApiKeyAuth};
use super::connection::Store;
use super::error::StoreError;
use super::export_tokens::{self, ExportTokenAuth};
use super::participants::{Participants, RequestParties};
use super::{named_parties, requests_with_parties};
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::permission_request::PermissionRequest;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{ApiKeyId, ExportId, RedeemId};
use crate::domain::user::{Email, User, UserId};
use crate::failpoints;

/// What a caller looks up.
#[derive(Clone, Debug)]
pub enum LookupKey {
    /// An export token, with its creator's privilege.
    ExportToken(ExportId),
    /// A request, with its users and bundle.
    Request(RedeemId),
    /// An API key that has not been revoked, with its user.
    ApiKey(ApiKeyId),
    UsersAndBundle(Vec<UserRef>, Option<BundleId>),
    /// Export tokens, and questions about permissions.
    Access {
        exports: Vec<ExportId>,
        questions: Vec<AccessQuestion>,
    },
}

/// How a caller names a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UserRef {
    Id(UserId),
    Email(Email),
}

/// The results of several lookups.
#[derive(Debug, Default)]
pub struct LookupResults {
    export_tokens: HashMap<ExportId, ExportTokenAuth>,
    requests: HashMap<RedeemId, PermissionRequest>,
    api_keys: HashMap<ApiKeyId, ApiKeyAuth>,
    participants: Participants,
    ids_by_email: HashMap<Email, UserId>,
    granted: HashSet<AccessQuestion>,
    read_at: Option<Timestamp>,
}

impl LookupResults {
    /// An export token, and the time to judge it by.
    pub fn export_token(&self, id: ExportId) -> Option<(&ExportTokenAuth, Timestamp)> {
        self.export_tokens.get(&id).zip(self.read_at)
    }

    /// A request that is pending for this target and whose requester is active, its users and
    /// bundle, and the time to judge it by.
    pub fn request(
        &self,
        id: RedeemId,
        target: UserId,
    ) -> Option<(&PermissionRequest, RequestParties<'_>, Timestamp)> {
        let now = self.read_at?;
        let request = self.requests.get(&id).filter(|request| request.is_pending_for(target, now))?;
        let parties = self.participants.parties(request.terms).filter(|parties| parties.grantee.active)?;
        Some((request, parties, now))
    }

    /// An API key that has not been revoked.
    pub fn api_key(&self, id: ApiKeyId) -> Option<&ApiKeyAuth> {
        self.api_keys.get(&id)
    }

    /// A user.
    pub fn user(&self, name: &UserRef) -> Option<&User> {
        match name {
            UserRef::Id(id) => self.participants.user(*id),
            UserRef::Email(email) => self.participants.user(*self.ids_by_email.get(email)?),
        }
    }

    /// Whether a permission gives the access.
    pub fn is_granted(&self, question: &AccessQuestion) -> bool {
        self.granted.contains(question)
    }

    /// A bundle.
    pub fn bundle(&self, id: BundleId) -> Option<&Bundle> {
        self.participants.bundle(id)
    }
}

/// How long after its start a failed batch can be split: its callers wait at most two
/// seconds.
const RETRY_BUDGET: Duration = Duration::from_millis(1_000);

/// Resolves keys, together or split in halves: a key that cannot be resolved fails alone.
/// The results are in the order of the keys; `None` if the database gave no answer.
pub fn resolve(store: &Store, keys: &[LookupKey]) -> Vec<Option<Arc<LookupResults>>> {
    resolve_until(store, keys, Instant::now() + RETRY_BUDGET)
}

fn resolve_until(store: &Store, keys: &[LookupKey], deadline: Instant) -> Vec<Option<Arc<LookupResults>>> {
    let results = catch_unwind(AssertUnwindSafe(|| resolve_together(store, keys)));
    let failure = match results.unwrap_or(Err(StoreError::QueryFailed(Error::RollbackTransaction))) {
        Ok(results) => return vec![Some(Arc::new(results)); keys.len()],
        Err(error) => error,
    };
    let can_split = matches!(failure, StoreError::QueryFailed(_)) && keys.len() > 1;
    if !can_split || Instant::now() >= deadline {
        tracing::warn!(error = %failure, keys = keys.len(), "lookup failed");
        return vec![None; keys.len()];
    }
    let (first, second) = keys.split_at(keys.len() / 2);
    let mut results = resolve_until(store, first, deadline);
    results.extend(resolve_until(store, second, deadline));
    results
}

/// Resolves all keys, or none.
pub fn resolve_together(store: &Store, lookup_keys: &[LookupKey]) -> Result<LookupResults, StoreError> {
    let (mut exports, mut requests, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let (mut user_ids, mut emails, mut bundle_ids) = (Vec::new(), Vec::new(), Vec::new());
    let mut access_questions = HashSet::new();
    for key in lookup_keys {
        match key {
            LookupKey::ExportToken(id) => exports.push(*id),
            LookupKey::Request(id) => requests.push(*id),
            LookupKey::ApiKey(id) => keys.push(*id),
            LookupKey::Access { exports: ids, questions } => {
                exports.extend(ids);
                access_questions.extend(questions);
            }
            LookupKey::UsersAndBundle(users, bundle) => {
                bundle_ids.extend(*bundle);
                for user in users {
                    match user {
                        UserRef::Id(id) => user_ids.push(*id),
                        UserRef::Email(email) => emails.push(email.clone()),
                    }
                }
            }
        }
    }
    exports.sort_unstable();
    exports.dedup();
    store.with_point_lookup_pool().read(|conn| {
        failpoints::fail_point("lookup.panic");
        let mut results = LookupResults::default();
        if !exports.is_empty() {
            for (export, at) in export_tokens::load_for_auth(conn, &exports)? {
                results.read_at = Some(at);
                results.export_tokens.insert(export.token.id, export);
            }
        }
        if !requests.is_empty() {
            let loaded = requests_with_parties::load(conn, &requests, false)?;
            results.read_at = loaded.read_at.or(results.read_at);
            results.participants = loaded.participants;
            results.requests =
                loaded.requests.into_iter().map(|request| (request.redeem_id, request)).collect();
        }
        if !keys.is_empty() {
            results.api_keys = api_keys::active_by_ids(conn, &keys)?.into_iter().collect();
        }
        if !(user_ids.is_empty() && emails.is_empty() && bundle_ids.is_empty()) {
            let (users, bundles) = named_parties::load(conn, &user_ids, &emails, &bundle_ids)?;
            for user in users {
                results.ids_by_email.insert(user.email.clone(), user.id);
                results.participants.add_user(user);
            }
            bundles.into_iter().for_each(|bundle| results.participants.add_bundle(bundle));
        }
        if !access_questions.is_empty() {
            results.granted = access::granted(conn, &access_questions)?;
        }
        Ok(results)
    })
}
