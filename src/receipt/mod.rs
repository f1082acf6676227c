//! Receipts of consents: signed documents that both parties of a permission can keep, and verify
//! without this server.
//!
//! A receipt is composed and signed when it is asked for, from the row of the permission, so that
//! redeeming a request costs nothing more. The same row gives the same receipt.

mod claims;
mod issue;
mod statement;

use serde_json::Value;

use crate::domain::jws::{self, InvalidJws, Jwk, JwkSet};
use crate::store::{Conn, QueryResult, signing_keys};

pub use claims::ReceiptEvent;
pub use issue::{IssueError, ReceiptIssuer};
pub use statement::{Statement, StatementFacts, UnknownStatement};

/// The type in the header of a receipt.
const TYP: &str = "consent-receipt+jwt";
/// The media type of a receipt.
pub const MEDIA_TYPE: &str = "application/consent-receipt+jwt";

/// A signed receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The name of a file with it: `receipt-<number>.jwt`.
    pub file_name: String,
    /// The compact JWS.
    pub text: String,
}

/// The public keys with which receipts are verified, the current one first.
pub fn public_keys(conn: &mut Conn) -> QueryResult<JwkSet> {
    let keys = signing_keys::public_keys(conn)?;
    Ok(JwkSet { keys: keys.iter().map(Jwk::new).collect() })
}

/// Verifies a receipt, without this server. Returns its claims.
pub fn verify(text: &str, keys: &JwkSet) -> Result<Value, InvalidJws> {
    jws::verify(text.trim(), TYP, keys)
}
