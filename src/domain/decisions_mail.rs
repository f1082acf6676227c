//! The mail about decided requests to their requester.

use super::bundle::Bundle;
use super::permission_request::PermissionRequest;
use super::timestamp::Timestamp;
use super::user::User;

/// Decided requests.
#[derive(Clone, Debug)]
pub struct DecisionsMail {
    pub requests: Vec<DecidedRequest>,
    /// The number of further requests.
    pub more: usize,
    /// The time as of which the requests were loaded.
    pub now: Timestamp,
}

/// A decided request, its target, and its bundle as it was then.
#[derive(Clone, Debug)]
pub struct DecidedRequest {
    pub request: PermissionRequest,
    pub target: User,
    pub bundle: Bundle,
}
