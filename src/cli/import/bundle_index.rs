//! Finds bundles by their IDs or names.

use std::collections::HashMap;

use crate::domain::bundle::Bundle;

/// Why a `bundle` field is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BundleLookupError {
    #[error("bundle {0} not found; run `countersign bundle list` to see all bundles")]
    Unknown(String),
    #[error("several bundles have the name {0}; use the ID, run `countersign bundle list` to see it")]
    Ambiguous(String),
}

/// All bundles of the database.
pub(super) struct BundleIndex {
    by_id: HashMap<i64, Bundle>,
    /// The ID; `None` if several bundles have the name.
    ids_by_name: HashMap<String, Option<i64>>,
}

impl BundleIndex {
    pub(super) fn new(bundles: Vec<Bundle>) -> Self {
        let mut ids_by_name = HashMap::new();
        for bundle in &bundles {
            ids_by_name
                .entry(bundle.name.as_str().to_owned())
                .and_modify(|only| *only = None)
                .or_insert(Some(bundle.id.0));
        }
        Self { by_id: bundles.into_iter().map(|bundle| (bundle.id.0, bundle)).collect(), ids_by_name }
    }

    /// Finds a bundle by its ID or name. Digits are an ID, even if a bundle has that name.
    pub(super) fn find(&self, text: &str) -> Result<&Bundle, BundleLookupError> {
        let unknown = || BundleLookupError::Unknown(text.to_owned());
        let id = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            text.parse().map_err(|_| unknown())?
        } else {
            match self.ids_by_name.get(text) {
                Some(Some(id)) => *id,
                Some(None) => return Err(BundleLookupError::Ambiguous(text.to_owned())),
                None => return Err(unknown()),
            }
        };
        self.by_id.get(&id).ok_or_else(unknown)
    }
}
