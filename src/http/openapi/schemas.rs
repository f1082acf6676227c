//! Schemas of what Rust's types do not tell.

use utoipa::openapi::schema::{AnyOfBuilder, Object, ObjectBuilder, Schema, SchemaType, Type};

/// `true`
pub fn literal_true() -> Schema {
    literal_bool(true)
}

/// `false`
pub fn literal_false() -> Schema {
    literal_bool(false)
}

fn literal_bool(value: bool) -> Schema {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([value])).into()
}

/// What names a user or a bundle: an id, or text that is one, a URI or an email.
pub fn uri_or_id() -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    AnyOfBuilder::new().item(text).item(ObjectBuilder::new().schema_type(Type::Integer)).into()
}

/// A mask of rights, in JSON or as digits.
pub fn mask() -> Schema {
    integer_or_digits(1, 63)
}

/// Seconds that a request may live, as far as its server's configuration allows.
pub fn ttl_seconds() -> Schema {
    integer_or_digits(60, i32::MAX)
}

/// A whole number, in JSON or as digits; null or blank is none.
pub fn integer_or_digits(minimum: i32, maximum: i32) -> Schema {
    let number =
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(minimum)).maximum(Some(maximum));
    let digits = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^-?[0-9]*$"));
    AnyOfBuilder::new().item(number).item(digits).item(null()).into()
}

fn null() -> Object {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::Null)).build()
}
