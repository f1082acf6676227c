//! Names, URIs and numbers that every resource uses.

use std::fmt::Display;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse};

use super::error::HandlerResult;
use crate::http::base_path::with_base_path;
use crate::http::error::ApiError;
pub(super) use crate::http::reference::parse_decimal;

/// The maximum number of objects in a page, of ids in a set and of values in a filter.
pub(super) const MAX_ITEMS: usize = 1_000;

/// 204 for an object that was deleted, 404 if there was none.
pub(super) fn deleted(was_found: bool) -> HandlerResult {
    if was_found { Ok(HttpResponse::NoContent().finish()) } else { Err(ApiError::NotFound.into()) }
}

/// The path prefix of a request. URIs in the response start with the same prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApiPrefix {
    /// `/api/`
    Unversioned,
    /// `/api/v1/`
    V1,
}

impl ApiPrefix {
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Unversioned => "/api/",
            Self::V1 => "/api/v1/",
        }
    }

    /// The path of a resource's list.
    pub(super) fn list_path(self, kind: ResourceKind) -> String {
        format!("{}{}/", self.path(), kind.name())
    }

    /// The path of one object.
    pub(super) fn detail_path(self, kind: ResourceKind, id: impl Display) -> String {
        // A list has many of these, and `format!` would enlarge each step by step.
        [self.path(), kind.name(), "/", &id.to_string(), "/"].concat()
    }

    /// The path of a resource's schema.
    pub(super) fn schema_path(self, kind: ResourceKind) -> String {
        format!("{}{}/schema/", self.path(), kind.name())
    }

    /// The URI of a resource's list.
    pub(super) fn list_uri(self, kind: ResourceKind) -> String {
        with_base_path(&self.list_path(kind))
    }

    /// The URI of one object.
    pub(super) fn detail_uri(self, kind: ResourceKind, id: impl Display) -> String {
        with_base_path(&self.detail_path(kind, id))
    }

    /// The URI of a resource's schema.
    pub(super) fn schema_uri(self, kind: ResourceKind) -> String {
        with_base_path(&self.schema_path(kind))
    }
}

impl FromRequest for ApiPrefix {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(request.app_data().copied().unwrap_or(Self::Unversioned)))
    }
}

/// The resources, by their names in URIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResourceKind {
    Account,
    Audit,
    Block,
    Bundle,
    BundlePermission,
    BundlePermissionRequest,
    User,
    Webhook,
}

impl ResourceKind {
    pub(super) const ALL: [Self; 8] = [
        Self::Account,
        Self::Audit,
        Self::Block,
        Self::Bundle,
        Self::BundlePermission,
        Self::BundlePermissionRequest,
        Self::User,
        Self::Webhook,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Audit => "audit",
            Self::Block => "block",
            Self::Bundle => "bundle",
            Self::BundlePermission => "bundle_permission",
            Self::BundlePermissionRequest => "bundle_permission_request",
            Self::User => "user",
            Self::Webhook => "webhook",
        }
    }
}
