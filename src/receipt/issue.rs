//! Issues receipts: loads the row of a permission, and signs what it says.

use std::sync::Arc;

use super::claims::{Origin, ReceiptEnd, ReceiptEvent, ReceiptFacts};
use super::statement::StatementFacts;
use super::{Receipt, TYP};
use crate::config::Controller;
use crate::domain::bundle::Bundle;
use crate::domain::bundle_permission::{BundlePermissionId, EndCause};
use crate::domain::decisions_mail::{DecidedRequest, DecisionsMail};
use crate::domain::jws::SigningKey;
use crate::domain::permission_request::{PermissionRequest, RequestId, RequestOutcome};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::Keyring;
use crate::domain::user::{User, UserId};
use crate::store::participants::Participants;
use crate::store::signing_keys::{self, SealedUnderOtherSecret};
use crate::store::{AsyncStore, StoreError, requests};

/// Why no receipt was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] SealedUnderOtherSecret),
}

/// Issues receipts with the secret and the settings of a server.
#[derive(Clone, Debug)]
pub struct ReceiptIssuer {
    keyring: Arc<Keyring>,
    public_url: String,
    controller: Controller,
}

impl ReceiptIssuer {
    /// An issuer for the server with this URL.
    pub fn new(keyring: Arc<Keyring>, public_url: &str, controller: Controller) -> Self {
        Self { keyring, public_url: public_url.to_owned(), controller }
    }

    /// The receipt of a permission for one of its parties: of this event, or the latest one. `None`
    /// if the user is not a party to a permission with this number, or the event has not happened.
    pub async fn issue(
        &self,
        store: &AsyncStore,
        id: BundlePermissionId,
        party: UserId,
        event: Option<ReceiptEvent>,
    ) -> Result<Option<Receipt>, IssueError> {
        let loaded = store.read(move |conn| {
            let request = requests::by_ids(conn, &[RequestId(id.0)])?.pop();
            let Some(request) = request.filter(|request| request.terms.has_party(party)) else {
                return Ok(None);
            };
            let participants = Participants::load_as_of(conn, std::iter::once(&request))?;
            Ok(Some((request, participants, conn.now()?)))
        });
        let Some((request, participants, now)) = loaded.await? else { return Ok(None) };
        let parties = participants.parties(request.terms).zip(participants.bundle_of(&request));
        let facts = parties
            .and_then(|(parties, bundle)| facts(&request, parties.target, parties.grantee, bundle, now));
        let Some(facts) = facts else { return Ok(None) };
        let event = event.unwrap_or(facts.latest_event());
        let key = self.key(store).await?;
        Ok(self.sign(&facts, event, &key))
    }

    /// The receipts that the requester gets of the permissions in a mail.
    pub async fn issue_given(
        &self,
        store: &AsyncStore,
        mail: &DecisionsMail,
        requester: &User,
    ) -> Result<Vec<Receipt>, IssueError> {
        let facts: Vec<ReceiptFacts<'_>> = mail
            .requests
            .iter()
            .filter_map(|DecidedRequest { request, target, bundle }| {
                facts(request, target, requester, bundle, mail.now)
            })
            .collect();
        if facts.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.key(store).await?;
        Ok(facts.iter().filter_map(|facts| self.sign(facts, ReceiptEvent::Given, &key)).collect())
    }

    /// `None`: the event has not happened.
    fn sign(&self, facts: &ReceiptFacts<'_>, event: ReceiptEvent, key: &SigningKey) -> Option<Receipt> {
        let claims = facts.claims(event, &self.public_url, &self.controller)?;
        let file_name = format!("receipt-{}.jwt", facts.number);
        Some(Receipt { file_name, text: key.sign(TYP, &claims) })
    }

    /// The current key. Creates it for the first receipt.
    async fn key(&self, store: &AsyncStore) -> Result<SigningKey, IssueError> {
        let keyring = Arc::clone(&self.keyring);
        if let Some(key) = store.read(move |conn| signing_keys::current(conn, &keyring)).await? {
            return Ok(key?);
        }
        let keyring = Arc::clone(&self.keyring);
        let created = store.write(move |conn| {
            let now = conn.now()?;
            signing_keys::create_first(conn, &keyring, now)?;
            signing_keys::current(conn, &keyring)
        });
        let missing = || StoreError::Unavailable("the signing key was not created".to_owned());
        Ok(created.await?.ok_or_else(missing)??)
    }
}

/// What the row says. `None` if it granted no permission.
fn facts<'a>(
    request: &'a PermissionRequest,
    target: &'a User,
    requester: &'a User,
    bundle: &'a Bundle,
    now: Timestamp,
) -> Option<ReceiptFacts<'a>> {
    let closed = request.closed.as_ref()?;
    let granted = closed.granted?;
    let end = granted.end(now).map(|end| ReceiptEnd {
        at: end.at,
        event: match end.cause {
            EndCause::Revoked | EndCause::Replaced => ReceiptEvent::Withdrawn,
            EndCause::Expired => ReceiptEvent::Expired,
        },
        replaced: end.cause == EndCause::Replaced,
    });
    Some(ReceiptFacts {
        number: request.id.0,
        target,
        asked: StatementFacts { requester, bundle, purpose: request.purpose.as_ref(), asked: request.asked },
        asked_by: request.asked_by,
        asked_at: request.created_at,
        origin: match (closed.outcome, closed.statement.as_deref()) {
            (RequestOutcome::GrantedDirectly, _) => Origin::Direct,
            (_, Some(statement)) => Origin::Page { statement },
            (_, None) => Origin::Api,
        },
        decided_at: closed.closed_at,
        granted: granted.permission,
        expires_at: granted.expires_at,
        end,
    })
}
