//! The gate: who shows an export token, and may they?

use super::registry::{Registry, RegistryError};
use crate::domain::audit::AuditContext;
use crate::domain::export_token::{AccessError, AccessQuery, ExportToken, ExportTokenRef};
use crate::domain::permission::Mask;
use crate::domain::token::{ExportId, Token, TokenKind};
use crate::domain::user::UserId;
use crate::entropy;
use crate::store::lookup::LookupKey;

/// A token that opened.
#[derive(Clone, Debug)]
pub struct AuthorizedToken {
    /// The token, without its secret.
    pub token: ExportToken,
    /// The rights that it has now.
    pub rights: Mask,
}

impl Registry {
    /// Judges a token that somebody shows, by what the database holds after this
    /// call began, and counts the use when it is allowed. Without a `wanted` use
    /// it is enough that the token lives.
    ///
    /// Whatever is not an export token of ours is as good as a dead one: what has not
    /// even its form is looked for too, by an id that nobody has, and takes as long.
    pub async fn authorize_export_token(
        &self,
        presented: &str,
        access: Option<&AccessQuery>,
    ) -> Result<Result<AuthorizedToken, AccessError>, RegistryError> {
        let parsed = Token::parse(TokenKind::Export, presented).ok();
        let id = ExportId(parsed.as_ref().map_or_else(entropy::uuid, Token::id));
        let results = self.look_up(LookupKey::ExportToken(id)).await?;
        let matching = parsed.and_then(|shown| {
            results.export_token(id).filter(|(known, _)| known.digest.matches(&shown.digest()))
        });
        let Some((known, now)) = matching else { return Ok(Err(AccessError::Inactive)) };
        let rights = match access {
            Some(wanted) => known.token.authorize(known.privilege, wanted, now),
            None => known.token.effective_rights(known.privilege, now).ok_or(AccessError::Inactive),
        };
        Ok(rights.map(|rights| {
            self.record_use(known.token.id, now);
            AuthorizedToken { token: known.token.clone(), rights }
        }))
    }

    /// Revokes a token of the caller's that they show, or whose id they name; `None` when
    /// there is none such. That nobody has it takes as long to be found out, whatever is
    /// shown.
    pub async fn revoke_presented_token(
        &self,
        presented: &str,
        by: UserId,
        origin: AuditContext,
    ) -> Result<Option<ExportToken>, RegistryError> {
        let nonexistent = || ExportTokenRef { id: ExportId(entropy::uuid()), digest: None };
        self.revoke_export(ExportTokenRef::parse(presented).unwrap_or_else(nonexistent), by, origin).await
    }
}
