//! Authorization and revocation of presented export tokens.

use super::registry::{CommandError, Registry, RegistryError};
use crate::domain::audit::AuditContext;
use crate::domain::export_token::{AccessError, AccessQuery, ExportToken, ExportTokenRef};
use crate::domain::rights::Mask;
use crate::domain::token::{ExportId, Token, TokenKind};
use crate::domain::user::UserId;
use crate::entropy;
use crate::store::lookup::{LookupKey, LookupResults};

/// An authorized token.
#[derive(Clone, Debug)]
pub struct AuthorizedToken {
    pub token: ExportToken,
    /// The rights that the token grants now.
    pub rights: Mask,
}

impl Registry {
    /// Authorizes a presented token by its state in the database after this call began,
    /// and counts the use if it is authorized. Without an `access` query an active token
    /// is authorized.
    ///
    /// Text that is not a token is looked up by a random id, so that it takes as long as
    /// an inactive token.
    pub async fn authorize_export_token(
        &self,
        presented: &str,
        access: Option<&AccessQuery>,
    ) -> Result<AuthorizedToken, CommandError<AccessError>> {
        let parsed = Token::parse(TokenKind::Export, presented).ok();
        let id = ExportId(parsed.as_ref().map_or_else(entropy::uuid, Token::id));
        let results = self.look_up(LookupKey::ExportToken(id)).await?;
        let authorized = self.authorize_found(&results, parsed.as_ref(), access);
        self.counts.count_access(authorized.is_ok());
        let (token, rights) = authorized.map_err(CommandError::Rejected)?;
        Ok(AuthorizedToken { token: token.clone(), rights })
    }

    /// Authorizes a parsed token by the results of its lookup, and counts the use if it is
    /// authorized.
    pub(super) fn authorize_found<'a>(
        &self,
        results: &'a LookupResults,
        parsed: Option<&Token>,
        access: Option<&AccessQuery>,
    ) -> Result<(&'a ExportToken, Mask), AccessError> {
        let matching = parsed.and_then(|token| {
            let found = results.export_token(ExportId(token.id()));
            found.filter(|(known, _)| known.digest.matches(&token.digest()))
        });
        let (known, now) = matching.ok_or(AccessError::Inactive)?;
        let rights = match access {
            Some(access) => known.token.authorize(known.privilege, access, now)?,
            None => known.token.effective_rights(known.privilege, now).ok_or(AccessError::Inactive)?,
        };
        self.usage.record_use(known.token.id, now);
        Ok((&known.token, rights))
    }

    /// Revokes a token of the user, named by the token or by its id; `None` if the user
    /// has no such token. Text that names no token takes as long as an unknown token.
    pub async fn revoke_presented_token(
        &self,
        presented: &str,
        by: UserId,
        audit_context: AuditContext,
    ) -> Result<Option<ExportToken>, RegistryError> {
        let nonexistent = || ExportTokenRef { id: ExportId(entropy::uuid()), digest: None };
        let which = ExportTokenRef::parse(presented).unwrap_or_else(nonexistent);
        self.revoke_export(which, by, audit_context).await
    }
}
