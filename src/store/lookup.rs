//! Look-ups: what many callers ask for at once, each by a key, answered by one
//! query of each kind. Nothing is remembered: what is told was read after it was
//! asked.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::result::Error;

use super::bundles;
use super::cast::{Cast, Scene};
use super::exports::{self, KnownExport};
use super::keys::{self, KnownKey};
use super::{Store, StoreError, staged, users};
use crate::domain::bundle::{Bundle, BundleId};
use crate::domain::clock::Timestamp;
use crate::domain::request::PermissionRequest;
use crate::domain::token::{ApiKeyId, ExportId, RedeemId};
use crate::domain::user::{Email, User, UserId};
use crate::faults;

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Question {
    /// An export token, with what it takes to judge a use of it.
    Export(ExportId),
    /// A request, with whom it names.
    Request(RedeemId),
    /// An API key that has not been revoked, with its user.
    Key(ApiKeyId),
    /// Users and a bundle.
    Names(Vec<UserName>, Option<BundleId>),
}

/// How a user is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserName {
    /// By number.
    Id(UserId),
    /// By address.
    Email(Email),
}

/// The answers to several questions.
#[derive(Debug, Default)]
pub struct Findings {
    exports: HashMap<ExportId, KnownExport>,
    requests: HashMap<RedeemId, PermissionRequest>,
    keys: HashMap<ApiKeyId, KnownKey>,
    cast: Cast,
    emails: HashMap<Email, UserId>,
    now: Option<Timestamp>,
}

impl Findings {
    /// An export token, and the moment to judge it by.
    pub fn export(&self, id: ExportId) -> Option<(&KnownExport, Timestamp)> {
        self.exports.get(&id).zip(self.now)
    }

    /// A request that waits for this user to decide, whom it names, and the
    /// moment to judge it by.
    pub fn request(
        &self,
        id: RedeemId,
        target: UserId,
    ) -> Option<(&PermissionRequest, Scene<'_>, Timestamp)> {
        let now = self.now?;
        let request = self.requests.get(&id).filter(|request| request.awaits(target, now))?;
        Some((request, self.cast.scene(request.terms)?, now))
    }

    /// An API key.
    pub fn key(&self, id: ApiKeyId) -> Option<&KnownKey> {
        self.keys.get(&id)
    }

    /// A user.
    pub fn user(&self, name: &UserName) -> Option<&User> {
        match name {
            UserName::Id(id) => self.cast.user(*id),
            UserName::Email(email) => self.cast.user(*self.emails.get(email)?),
        }
    }

    /// A bundle.
    pub fn bundle(&self, id: BundleId) -> Option<&Bundle> {
        self.cast.bundle(id)
    }
}

/// How long after they were asked questions that could not be answered together are
/// tried apart: nobody waits for longer than two seconds.
const PATIENCE: Duration = Duration::from_millis(1_000);

/// Answers questions, all at once or half by half: a bad one fails alone. The answers
/// are in the order of the questions; there is none where the database gave none.
pub fn answer(store: &Store, questions: &[Question]) -> Vec<Option<Arc<Findings>>> {
    answer_until(store, questions, Instant::now() + PATIENCE)
}

fn answer_until(store: &Store, questions: &[Question], deadline: Instant) -> Vec<Option<Arc<Findings>>> {
    let found = catch_unwind(AssertUnwindSafe(|| find(store, questions)));
    let refused = match found.unwrap_or(Err(StoreError::Refused(Error::RollbackTransaction))) {
        Ok(found) => return vec![Some(Arc::new(found)); questions.len()],
        Err(error) => error,
    };
    let apart = matches!(refused, StoreError::Refused(_)) && questions.len() > 1;
    let apart = apart && !faults::planted("lookup.together");
    if !apart || Instant::now() >= deadline {
        tracing::warn!(error = %refused, questions = questions.len(), "lookup failed");
        return vec![None; questions.len()];
    }
    let (first, second) = questions.split_at(questions.len() / 2);
    let mut answers = answer_until(store, first, deadline);
    answers.extend(answer_until(store, second, deadline));
    answers
}

/// Answers questions together, or none of them.
pub fn find(store: &Store, questions: &[Question]) -> Result<Findings, StoreError> {
    let (mut exports, mut requests, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ids, mut emails, mut things) = (Vec::new(), Vec::new(), Vec::new());
    for question in questions {
        match question {
            Question::Export(id) => exports.push(*id),
            Question::Request(id) => requests.push(*id),
            Question::Key(id) => keys.push(*id),
            Question::Names(names, bundle) => {
                things.extend(*bundle);
                for name in names {
                    match name {
                        UserName::Id(id) => ids.push(*id),
                        UserName::Email(email) => emails.push(email.clone()),
                    }
                }
            }
        }
    }
    store.keyed().read(|conn| {
        faults::planted("lookup.panic");
        let mut found = Findings::default();
        if !exports.is_empty() {
            for (export, at) in exports::known(conn, &exports)? {
                found.now = Some(at);
                found.exports.insert(export.token.id, export);
            }
        }
        if !requests.is_empty() {
            let staged = staged::load(conn, &requests, false)?;
            found.now = staged.now.or(found.now);
            found.cast = staged.cast;
            found.requests =
                staged.requests.into_iter().map(|request| (request.redeem_id, request)).collect();
        }
        if !keys.is_empty() {
            found.keys = keys::live(conn, &keys)?.into_iter().collect();
        }
        if !ids.is_empty() {
            users::by_ids(conn, &ids)?.into_iter().for_each(|user| found.cast.add_user(user));
        }
        if !emails.is_empty() {
            for user in users::by_emails(conn, &emails)? {
                found.emails.insert(user.email.clone(), user.id);
                found.cast.add_user(user);
            }
        }
        if !things.is_empty() {
            bundles::by_ids(conn, &things)?.into_iter().for_each(|bundle| found.cast.add_bundle(bundle));
        }
        Ok(found)
    })
}
