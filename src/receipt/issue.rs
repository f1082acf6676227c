//! Issues receipts: loads the row of a permission, and signs what it says.

use std::sync::Arc;

use super::claims::{Origin, ReceiptEnd, ReceiptEvent, ReceiptFacts};
use super::statement::StatementFacts;
use super::{Receipt, TYP};
use crate::config::Controller;
use crate::domain::bundle_permission::{BundlePermissionId, EndCause};
use crate::domain::jws::SigningKey;
use crate::domain::permission_request::{PermissionRequest, RequestId, RequestOutcome};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::Keyring;
use crate::domain::user::UserId;
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
        let claims = facts(&request, &participants, now).and_then(|facts| {
            facts.claims(event.unwrap_or(facts.latest_event()), &self.public_url, &self.controller)
        });
        let Some(claims) = claims else { return Ok(None) };
        let text = self.key(store).await?.sign(TYP, &claims);
        Ok(Some(Receipt { file_name: format!("receipt-{id}.jwt"), text }))
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
    participants: &'a Participants,
    now: Timestamp,
) -> Option<ReceiptFacts<'a>> {
    let closed = request.closed.as_ref()?;
    let granted = closed.granted?;
    let parties = participants.parties(request.terms)?;
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
        target: parties.target,
        asked: StatementFacts {
            requester: parties.grantee,
            bundle: participants.bundle_of(request)?,
            purpose: request.purpose.as_ref(),
            asked: request.asked,
        },
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
