//! Naming somebody who may not be there: who has done so too often is told nothing of
//! whom they name, whatever they use to do it.

use super::Services;
use super::problem::Problem;
use crate::domain::event::Origin;
use crate::domain::user::User;

impl Services {
    /// Counts that a user has named others, one of them, if `astray`, nobody; refuses
    /// who may not be told what came of it.
    pub async fn count_reference(&self, by: &User, astray: bool, origin: &Origin) -> Result<(), Problem> {
        let limits = self.config.limits.asking.of(by);
        if limits.astray.is_some() {
            self.registry.refer(by.id, astray, limits, origin.clone()).await??;
        }
        Ok(())
    }
}
