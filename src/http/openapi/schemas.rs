//! Schemas that Rust types do not express.

use utoipa::openapi::schema::{
    AnyOfBuilder, ArrayBuilder, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};

use crate::domain::approval::MIN_PERMISSION_TTL_SECONDS;
use crate::domain::rights::{Mask, Right};

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

/// A reference to a user or a bundle: an id, a resource URI or an email address.
pub fn uri_or_id() -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    AnyOfBuilder::new().item(text).item(ObjectBuilder::new().schema_type(Type::Integer)).into()
}

/// A mask of rights in a response.
pub fn mask_bits() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
        .minimum(Some(1))
        .maximum(Some(Mask::MAX.bits()))
        .into()
}

/// A mask of rights in a request: a number, or its digits in a string.
pub fn mask() -> Schema {
    integer_or_digits(1, Mask::MAX.bits().into())
}

/// Rights in a request: a mask, or a list of names.
pub fn rights() -> Schema {
    mask_or_names(1)
}

/// Rights in a request: a mask, or a list of names; 0 and an empty list are none.
pub fn rights_or_none() -> Schema {
    mask_or_names(0)
}

fn mask_or_names(minimum: i32) -> Schema {
    let names = Right::ALL.map(Right::name);
    let name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    let names = ArrayBuilder::new().items(name).min_items(Some(minimum as usize));
    AnyOfBuilder::new().item(integer_or_digits(minimum, Mask::MAX.bits().into())).item(names).into()
}

/// How long a permission should last, in seconds. The configuration may set a lower maximum.
pub fn permission_ttl_seconds() -> Schema {
    integer_or_digits(MIN_PERMISSION_TTL_SECONDS as i32, i32::MAX)
}

/// A number of seconds.
pub fn seconds() -> Schema {
    integer_or_digits(1, i32::MAX)
}

/// The lifetime of a permission request in seconds. The configuration may set a lower maximum.
pub fn ttl_seconds() -> Schema {
    integer_or_digits(60, i32::MAX)
}

/// A whole number: a JSON number, or its digits in a string. Null and an empty string count as
/// absent.
pub fn integer_or_digits(minimum: i32, maximum: i32) -> Schema {
    let number =
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(minimum)).maximum(Some(maximum));
    let digits = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^-?[0-9]*$"));
    AnyOfBuilder::new().item(number).item(digits).item(null()).into()
}

fn null() -> Object {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::Null)).build()
}
