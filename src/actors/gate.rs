//! The gate: who shows an export token, and may they?

use super::registry::{Registry, RegistryError};
use crate::domain::event::Origin;
use crate::domain::export::{ExportRef, ExportToken, Use, UseRefusal};
use crate::domain::permission::Mask;
use crate::domain::token::{ExportId, Kind, Token};
use crate::domain::user::UserId;
use crate::entropy;
use crate::store::lookup::Question;

/// A token that opened.
#[derive(Clone, Debug)]
pub struct Opened {
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
    pub async fn use_export(
        &self,
        shown: &str,
        wanted: Option<&Use>,
    ) -> Result<Result<Opened, UseRefusal>, RegistryError> {
        let shown = Token::parse(Kind::Export, shown).ok();
        let id = ExportId(shown.as_ref().map_or_else(entropy::uuid, Token::id));
        let found = self.look_up(Question::Export(id)).await?;
        let known = shown
            .and_then(|shown| found.export(id).filter(|(known, _)| known.digest.matches(&shown.digest())));
        let Some((known, now)) = known else { return Ok(Err(UseRefusal::Dead)) };
        let rights = match wanted {
            Some(wanted) => known.token.permits(known.privilege, wanted, now),
            None => known.token.effective(known.privilege, now).ok_or(UseRefusal::Dead),
        };
        Ok(rights.map(|rights| {
            self.count_use(known.token.id, now);
            Opened { token: known.token.clone(), rights }
        }))
    }

    /// Revokes a token of the caller's that they show, or whose id they name; `None` when
    /// there is none such. That nobody has it takes as long to be found out, whatever is
    /// shown.
    pub async fn revoke_shown(
        &self,
        shown: &str,
        by: UserId,
        origin: Origin,
    ) -> Result<Option<ExportToken>, RegistryError> {
        let nobodys = || ExportRef { id: ExportId(entropy::uuid()), digest: None };
        self.revoke_export(ExportRef::parse(shown).unwrap_or_else(nobodys), by, origin).await
    }
}
