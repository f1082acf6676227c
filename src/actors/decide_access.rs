//! Decisions on access by export tokens and by permissions: many by one lookup.

use std::sync::Arc;

use super::registry::{Registry, RegistryError};
use crate::domain::export_token::AccessQuery;
use crate::domain::token::{ExportId, Token, TokenKind};
use crate::entropy;
use crate::store::access::AccessQuestion;
use crate::store::lookup::LookupKey;

/// What a caller asks about.
#[derive(Debug)]
pub enum Evaluation {
    /// Whether an export token, which may not even be a token, allows an access.
    ExportToken { presented: String, access: AccessQuery },
    /// Whether a permission gives a right.
    Permission(AccessQuestion),
    /// What no token and no permission gives.
    Denied,
}

impl Evaluation {
    /// Whether it is about a token, whose state a denial must not reveal.
    pub const fn is_of_token(&self) -> bool {
        matches!(self, Self::ExportToken { .. })
    }
}

impl Registry {
    /// Decides evaluations in their order, by the state of the database after this call began, and
    /// counts the uses of export tokens that are allowed. Nothing is decided or counted after the
    /// first decision that equals `last`.
    pub async fn decide(
        &self,
        evaluations: &[Evaluation],
        last: Option<bool>,
    ) -> Result<Vec<bool>, RegistryError> {
        let (mut exports, mut questions) = (Vec::new(), Vec::new());
        let mut tokens = Vec::with_capacity(evaluations.len());
        for evaluation in evaluations {
            let token = match evaluation {
                Evaluation::ExportToken { presented, .. } => {
                    let token = Token::parse(TokenKind::Export, presented).ok();
                    // Text that is not a token takes as long as an inactive token.
                    exports.push(ExportId(token.as_ref().map_or_else(entropy::uuid, Token::id)));
                    token
                }
                Evaluation::Permission(question) => {
                    questions.push(question.clone());
                    None
                }
                Evaluation::Denied => None,
            };
            tokens.push(token);
        }
        let results = if exports.is_empty() && questions.is_empty() {
            Arc::default()
        } else {
            self.look_up(LookupKey::Access { exports, questions }).await?
        };
        let mut decisions = Vec::with_capacity(evaluations.len());
        for (evaluation, token) in evaluations.iter().zip(&tokens) {
            let decision = match evaluation {
                Evaluation::ExportToken { access, .. } => {
                    self.authorize_found(&results, token.as_ref(), Some(access)).is_ok()
                }
                Evaluation::Permission(question) => results.is_granted(question),
                Evaluation::Denied => false,
            };
            self.counts.count_access(decision);
            decisions.push(decision);
            if last == Some(decision) {
                break;
            }
        }
        Ok(decisions)
    }
}
