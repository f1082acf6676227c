//! What arguments are read as, where the domain's types cannot say it alone.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use uuid::Uuid;

use crate::domain::permission::{InvalidRole, Role};
use crate::domain::token::{ApiKeyId, Token, TokenKind};
use crate::domain::validated_text::{InvalidText, validate_optional};
use crate::store::api_keys::Scope;

/// How much of a list to show.
#[derive(Args)]
pub struct ListLimit {
    /// Show at most this many entries, newest first
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    pub limit: i64,
}

/// Not an API key, nor the id of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an API key or its ID")]
pub struct InvalidKeyId;

/// A key's id, or the key itself: a key that leaked tells nobody its id.
pub fn key_id(text: &str) -> Result<ApiKeyId, InvalidKeyId> {
    let id = match Token::parse(TokenKind::ApiKey, text) {
        Ok(key) => key.id(),
        Err(_) => Uuid::try_parse(text).map_err(|_| InvalidKeyId)?,
    };
    Ok(ApiKeyId(id))
}

/// A name that people give to something: at most 100 characters on one line.
pub fn short_text(text: &str) -> Result<String, InvalidText> {
    validate_optional(text, 100)
}

/// A role by its name; help lists them all.
pub fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::name))
        .try_map(|name| -> Result<Role, InvalidRole> { name.parse() })
}

/// A scope by its name; help lists them all.
pub fn scope() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::Introspect.name()).map(|_| Scope::Introspect)
}
