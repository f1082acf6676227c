//! Keys of rows whose state may be in doubt.

use crate::domain::block::Block;
use crate::domain::bundle_permission::BundlePermissionId;
use crate::domain::permission_request::RequestId;
use crate::domain::terms::Terms;
use crate::domain::token::{ExportId, RedeemId};

/// The key of the row that a command changes, as the caller named it. While the
/// outcome of a batch is unknown, the registry rejects commands with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowKey {
    /// An export token.
    Export(ExportId),
    /// A request, by its token.
    Redeem(RedeemId),
    /// A request, by its id.
    Request(RequestId),
    /// A permission.
    Permission(BundlePermissionId),
    /// The pending request or the permission with these terms.
    Terms(Terms),
    /// A block.
    Block(Block),
}
