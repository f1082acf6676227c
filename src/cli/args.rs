//! Value parsers for arguments that no domain type parses.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use uuid::Uuid;

use crate::domain::rights::{InvalidRole, Role};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{ApiKeyId, Token, TokenKind};
use crate::domain::validated_text::{InvalidText, validate_optional};
use crate::domain::webhook::{EventFilter, InvalidEventFilter};
use crate::store::api_keys::Scope;

/// The arguments of a list command.
#[derive(Args)]
pub struct ListLimit {
    /// Show at most this many entries, newest first
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    pub limit: i64,
}

/// The argument is neither an API key nor the ID of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an API key or its ID")]
pub struct InvalidKeyId;

/// Parses the ID of an API key, or the key itself: the operator can revoke a leaked key without
/// knowing its ID.
pub fn key_id(text: &str) -> Result<ApiKeyId, InvalidKeyId> {
    let id = match Token::parse(TokenKind::ApiKey, text) {
        Ok(key) => key.id(),
        Err(_) => Uuid::try_parse(text).map_err(|_| InvalidKeyId)?,
    };
    Ok(ApiKeyId(id))
}

/// Parses a name of at most 100 characters on one line.
pub fn short_text(text: &str) -> Result<String, InvalidText> {
    validate_optional(text, 100)
}

/// Parses audit actions, or prefixes of them, with commas between them.
pub fn event_filter(text: &str) -> Result<EventFilter, InvalidEventFilter> {
    EventFilter::new(text.split(','))
}

/// The argument is not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a time such as 2030-01-31T00:00:00Z")]
pub struct InvalidTime;

/// Parses a time in RFC 3339.
pub fn timestamp(text: &str) -> Result<Timestamp, InvalidTime> {
    Timestamp::from_rfc3339(text).ok_or(InvalidTime)
}

/// Parses a role. The help lists all roles.
pub fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::name))
        .try_map(|name| -> Result<Role, InvalidRole> { name.parse() })
}

/// Parses a scope. The help lists all scopes.
pub fn scope() -> impl TypedValueParser<Value = Scope> {
    let with_name = |name: &str| Scope::RESTRICTED.into_iter().find(|scope| scope.name() == Some(name));
    PossibleValuesParser::new(Scope::RESTRICTED.into_iter().filter_map(Scope::name))
        .map(move |name| with_name(&name).unwrap_or(Scope::Check))
}
