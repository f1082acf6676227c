//! Schemas of what Rust's types do not tell.

use utoipa::openapi::schema::{AnyOfBuilder, Object, ObjectBuilder, Schema, SchemaType, Type};

/// `true`
pub fn yes() -> Schema {
    only(true)
}

/// `false`
pub fn no() -> Schema {
    only(false)
}

fn only(value: bool) -> Schema {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([value])).into()
}

/// What names a user or a bundle: an id, or text that is one, a URI or an email.
pub fn reference() -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    AnyOfBuilder::new().item(text).item(ObjectBuilder::new().schema_type(Type::Integer)).into()
}

/// A mask of rights, in JSON or as digits.
pub fn mask() -> Schema {
    whole(1, 63)
}

/// Seconds that a request may live, as far as its server's configuration allows.
pub fn lifetime() -> Schema {
    whole(60, i32::MAX)
}

/// A whole number, in JSON or as digits; null or blank is none.
pub fn whole(least: i32, most: i32) -> Schema {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most));
    let digits = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^-?[0-9]*$"));
    AnyOfBuilder::new().item(number).item(digits).item(null()).into()
}

fn null() -> Object {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::Null)).build()
}
