//! JSON values that borrow their strings from the body. A batch has thousands of them.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::http::error::ApiError;

/// A JSON value, as far as requests use it.
#[derive(Debug)]
pub(super) enum Json<'a> {
    Null,
    Integer(i64),
    Text(Cow<'a, str>),
    Array(Vec<Self>),
    Object(Object<'a>),
    /// A boolean, or a number that is not an integer of 64 bits.
    Other,
}

/// The members of an object, in their order.
#[derive(Debug, Default)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Json<'a> {
    /// Parses a body, with or without a byte order mark (RFC 8259, 8.1).
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        let json = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
        serde_json::from_slice(json).map_err(|error| {
            ApiError::BadRequest(if error.is_data() {
                "U+0000 is not allowed in a string.".to_owned()
            } else {
                "The request body is not valid JSON.".to_owned()
            })
        })
    }
}

impl Json<'_> {
    /// Writes the value, so that two values are written alike if they are equal. The order of
    /// members makes no difference.
    pub(super) fn write_canonical(&self, write: &mut impl FnMut(&[u8])) {
        match self {
            Self::Null | Self::Other => write(b"n"),
            Self::Integer(value) => write_text(b"i", &value.to_string(), write),
            Self::Text(value) => write_text(b"t", value, write),
            Self::Array(values) => {
                write_text(b"a", &values.len().to_string(), write);
                values.iter().for_each(|value| value.write_canonical(write));
            }
            Self::Object(Object(members)) => {
                write_text(b"o", &members.len().to_string(), write);
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by(|(one, _), (other, _)| one.cmp(other));
                for (name, value) in members {
                    write_text(b"t", name, write);
                    value.write_canonical(write);
                }
            }
        }
    }
}

fn write_text(kind: &[u8], text: &str, write: &mut impl FnMut(&[u8])) {
    write(kind);
    write(&text.len().to_be_bytes());
    write(text.as_bytes());
}

impl<'a> Object<'a> {
    /// The value of a member. Null counts as absent. A member that is present twice is an error:
    /// two parsers could see different requests (RFC 7493, 2.3).
    pub(super) fn get(&self, name: &str) -> Result<Option<&Json<'a>>, String> {
        let mut values = self.0.iter().filter(|(member, _)| member == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (None | Some(Json::Null), None) => Ok(None),
            (value, None) => Ok(value),
            (_, Some(_)) => Err(format!("`{name}` is there twice.")),
        }
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl JsonVisitor {
    fn text<E: Error>(text: Cow<'_, str>) -> Result<Cow<'_, str>, E> {
        if text.contains('\0') { Err(E::custom("U+0000")) } else { Ok(text) }
    }
}

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(value).map_or(Json::Other, Json::Integer))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Json<'de>, E> {
        Self::text(Cow::Borrowed(text)).map(Json::Text)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json<'de>, E> {
        Self::text(Cow::Owned(text.to_owned())).map(Json::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json<'de>, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element()? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let mut object = Vec::new();
        while let Some(MemberName(name)) = members.next_key()? {
            object.push((Self::text(name)?, members.next_value()?));
        }
        Ok(Json::Object(Object(object)))
    }
}

/// The name of a member: borrowed, unless it has escapes.
#[derive(Deserialize)]
struct MemberName<'a>(#[serde(borrow)] Cow<'a, str>);
