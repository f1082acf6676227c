//! The body of a new request.

use url::Url;
use utoipa::ToSchema;

use super::common::ResourceKind;
use super::error::HexoError;
use super::fields::JsonFields;
use super::terms::TermsInput;
use crate::config::Config;
use crate::domain::approval::{MIN_PERMISSION_TTL_SECONDS, NewAsk, Purpose, ReturnTo};
use crate::domain::creation_key::{CreationKey, Fingerprint};
use crate::domain::permission_request::NewPermissionRequest;
use crate::domain::rights::Mask;
use crate::domain::terms::Terms;
use crate::domain::user::UserId;
use crate::domain::validated_text::IdempotencyKey;
use crate::http::openapi::schemas;

const KIND: ResourceKind = ResourceKind::BundlePermissionRequest;
/// Keeps the redeem link on one line of a mail, and leaves room for the parameters of a return URL.
const MAX_URL_BYTES: usize = 900;
const MAX_STATE_CHARS: usize = 512;
/// The parameters that are added to a return URL.
const RETURN_PARAMETERS: [&str; 3] = ["state", "request", "status"];

/// A new request.
#[derive(ToSchema)]
#[schema(as = hexo::NewRequest)]
pub(super) struct NewRequestBody {
    #[schema(inline)]
    #[serde(flatten)]
    pub terms: TermsInput,
    /// The lifetime of the request in seconds. The server's configuration limits it.
    #[schema(schema_with = schemas::ttl_seconds, required = false)]
    ttl: Option<i64>,
    /// The page that the mail links to. The configuration lists the allowed origins.
    #[schema(max_length = 900)]
    redeem_url: Option<String>,
    /// Why the requester asks.
    #[schema(value_type = Option<String>, max_length = 500)]
    purpose: Option<Purpose>,
    /// The rights that are asked for, within those of the bundle. Default: all.
    #[schema(schema_with = schemas::rights, required = false)]
    permission: Option<Mask>,
    /// The rights without which the permission is useless to the requester, within `permission`.
    #[schema(schema_with = schemas::rights_or_none, required = false)]
    minimum: Option<Mask>,
    /// How long the permission should last, in seconds from the approval. Null: until revoked.
    #[schema(schema_with = schemas::permission_ttl_seconds, required = false)]
    permission_ttl: Option<i64>,
    /// Where the page leads the target after the decision. The configuration lists the allowed
    /// origins.
    #[schema(max_length = 900)]
    return_url: Option<String>,
    /// An opaque value that is added to `return_url`, printable ASCII.
    #[schema(max_length = 512)]
    state: Option<String>,
}

impl NewRequestBody {
    pub(super) fn parse(fields: &JsonFields, config: &Config) -> Result<Self, HexoError> {
        let terms = TermsInput::parse(KIND, fields, &config.public_url)?;
        let minimum = if fields.is_zero("minimum") { None } else { fields.mask(KIND, "minimum")? };
        let return_url = fields.non_blank_text(KIND, "return_url", |text| parse_return_url(text, config))?;
        let state = fields.non_blank_text(KIND, "state", parse_state)?;
        if state.is_some() && return_url.is_none() {
            return Err(HexoError::invalid_field(KIND, "state", "Provide a return_url with a state."));
        }
        Ok(Self {
            terms,
            ttl: parse_ttl(fields, config)?,
            redeem_url: fields.non_blank_text(KIND, "redeem_url", |text| parse_redeem_url(text, config))?,
            purpose: fields.non_blank_text(KIND, "purpose", Purpose::new)?,
            permission: fields.mask(KIND, "permission")?,
            minimum,
            permission_ttl: parse_permission_ttl(fields, config)?,
            return_url,
            state,
        })
    }

    /// The request between these users, with the defaults of the configuration.
    pub(super) fn into_request(
        self,
        terms: Terms,
        asked_by: UserId,
        idempotency_key: Option<IdempotencyKey>,
        config: &Config,
    ) -> NewPermissionRequest {
        let fingerprint = self.fingerprint(terms);
        NewPermissionRequest {
            terms,
            asked_by,
            asked: NewAsk {
                permission: self.permission,
                minimum: self.minimum,
                ttl_seconds: self.permission_ttl.or(config.permissions.max_ttl),
            },
            purpose: self.purpose,
            return_to: self.return_url.map(|url| ReturnTo { url, state: self.state }),
            lifetime_seconds: self.ttl.unwrap_or(config.requests.default_ttl),
            redeem_page: self.redeem_url,
            creation_key: idempotency_key.map(|key| CreationKey { key, fingerprint }),
        }
    }

    /// The fingerprint of what the client sent, by its meaning: one user has several names.
    fn fingerprint(&self, Terms { target, grantee, bundle }: Terms) -> Fingerprint {
        Fingerprint::of(&[
            Some(target.to_string()),
            Some(grantee.to_string()),
            Some(bundle.to_string()),
            self.ttl.map(|seconds| seconds.to_string()),
            self.redeem_url.clone(),
            self.purpose.as_ref().map(|purpose| purpose.as_str().to_owned()),
            self.permission.map(|mask| mask.bits().to_string()),
            self.minimum.map(|mask| mask.bits().to_string()),
            self.permission_ttl.map(|seconds| seconds.to_string()),
            self.return_url.clone(),
            self.state.clone(),
        ])
    }
}

fn parse_ttl(fields: &JsonFields, config: &Config) -> Result<Option<i64>, HexoError> {
    let ttl = fields.integer(KIND, "ttl")?;
    config.requests.allowed_lifetime(ttl).map(|_| ttl).ok_or_else(|| {
        let max_ttl = config.requests.max_ttl;
        HexoError::invalid_field(
            KIND,
            "ttl",
            format!("Provide a whole number of seconds from 60 to {max_ttl}."),
        )
    })
}

fn parse_permission_ttl(fields: &JsonFields, config: &Config) -> Result<Option<i64>, HexoError> {
    let ttl = fields.integer(KIND, "permission_ttl")?;
    config.permissions.allowed_ttl(ttl).map(|_| ttl).ok_or_else(|| {
        let longest = config.permissions.longest_ttl();
        let reason =
            format!("Provide a whole number of seconds from {MIN_PERMISSION_TTL_SECONDS} to {longest}.");
        HexoError::invalid_field(KIND, "permission_ttl", reason)
    })
}

/// Why a state is rejected.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("must be at most {MAX_STATE_CHARS} printable ASCII characters")]
struct InvalidState;

fn parse_state(text: &str) -> Result<String, InvalidState> {
    let is_printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_printable && text.len() <= MAX_STATE_CHARS { Ok(text.to_owned()) } else { Err(InvalidState) }
}

/// Why a redeem URL is rejected.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("must be an http or https URL whose origin the operator allows, without a token, user or fragment")]
struct RedeemUrlNotAllowed;

/// Parses a redeem URL.
fn parse_redeem_url(text: &str, config: &Config) -> Result<String, RedeemUrlNotAllowed> {
    let url = parse_url(text).ok_or(RedeemUrlNotAllowed)?;
    let has_no_token = url.query_pairs().all(|(name, _)| name != "token");
    let is_valid = has_no_token && config.is_allowed_redeem_url(&url);
    if is_valid { Ok(url.into()) } else { Err(RedeemUrlNotAllowed) }
}

/// Why a return URL is rejected.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "must be an http or https URL whose origin the operator allows, without a user, a fragment or the \
     parameters `state`, `request` and `status`"
)]
struct ReturnUrlNotAllowed;

fn parse_return_url(text: &str, config: &Config) -> Result<String, ReturnUrlNotAllowed> {
    let url = parse_url(text).ok_or(ReturnUrlNotAllowed)?;
    let has_own_parameters = url.query_pairs().any(|(name, _)| RETURN_PARAMETERS.contains(&name.as_ref()));
    let is_valid = !has_own_parameters && config.is_allowed_return_url(&url);
    if is_valid { Ok(url.into()) } else { Err(ReturnUrlNotAllowed) }
}

/// Parses an absolute URL as a browser does. `None` if it has a user or a fragment, is too long, or
/// is written so that it is easily misread.
fn parse_url(text: &str) -> Option<Url> {
    let is_ambiguous = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    if !text.contains("://") || text.contains(is_ambiguous) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    let is_valid = matches!(url.scheme(), "http" | "https")
        && !has_user
        && url.fragment().is_none()
        && url.as_str().len() <= MAX_URL_BYTES;
    is_valid.then_some(url)
}
