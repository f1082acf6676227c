//! The parameters of a call, from all sources that Drumee's clients use.
//!
//! The sources are headers (`x-param-hub-id`), the query and the body, in this order; a later
//! value replaces an earlier one, also within a source. `null` counts as absent. A value keeps
//! its JSON type, so that a number like `1.9` is rejected as an integer and not rounded.

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::{FromRequest, HttpRequest};
use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use super::error::MfsError;
use crate::http::error::ApiError;
use crate::http::extract::body::{ExtractFuture, extract_from_body, media_type, parse_json};
use crate::http::extract::form;

/// The prefix of parameter headers.
const HEADER_PREFIX: &str = "x-param-";

/// The parameters of a call. They may contain a token, so they have no `Debug`.
#[derive(Default)]
pub struct Parameters(Map<String, Value>);

/// The value is not an integer of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnInteger;

impl FromRequest for Parameters {
    type Error = actix_web::Error;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        extract_from_body(request, payload, Self::from_parts)
    }
}

impl Parameters {
    fn from_parts(request: &HttpRequest, body: &[u8]) -> Result<Self, ApiError> {
        let mut parameters = Self::default();
        parameters.merge(from_headers(request.headers())?);
        parameters.merge(from_query(request.query_string().as_bytes())?);
        parameters.merge(from_body(body, media_type(request).as_deref())?);
        Ok(parameters)
    }

    fn merge(&mut self, later: Map<String, Value>) {
        self.0.extend(later.into_iter().filter(|(_, value)| !value.is_null()));
    }

    /// Whether a parameter is present and not empty.
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.as_str() != Some(""))
    }

    /// Returns a string. An empty string counts as absent; an integer counts as its digits, since
    /// clients send ids as JSON numbers too.
    pub fn text(&self, name: &'static str) -> Result<Option<String>, MfsError> {
        let text = match self.0.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => match number.as_i64() {
                Some(number) => number.to_string(),
                None => return Err(MfsError::invalid_parameter(name, "must be a string")),
            },
            Some(_) => return Err(MfsError::invalid_parameter(name, "must be a string")),
        };
        if text.contains('\0') {
            return Err(MfsError::invalid_parameter(name, "must not contain U+0000"));
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// Returns an integer: a JSON number, or decimal digits in a string.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, NotAnInteger> {
        let number = match self.0.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            // `parse` accepts a plus sign.
            Some(Value::String(text)) if !text.starts_with('+') => text.parse().ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or(NotAnInteger)
    }
}

/// Parses the headers. `x-param-hub-id` and `x-param-hub_id` are the same parameter. Values are
/// percent-decoded, as in Drumee.
fn from_headers(headers: &HeaderMap) -> Result<Map<String, Value>, ApiError> {
    let named = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(HEADER_PREFIX)?.replace('-', "_");
        Some((name, value))
    });
    named.map(|(name, value)| Ok((name, Value::String(header_text(value)?)))).collect()
}

/// Decodes a header value. Browsers send ISO 8859-1, other clients UTF-8.
fn header_text(value: &HeaderValue) -> Result<String, ApiError> {
    let text = match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    };
    let decoded = percent_decode(text.as_bytes()).decode_utf8().map(String::from);
    decoded.map_err(|_| ApiError::BadRequest("The x-param headers must be valid UTF-8.".to_owned()))
}

/// Parses the query: `k=v` pairs, or a URL-encoded JSON object, as Drumee's SDK sends it, perhaps
/// followed by `=` or `&`.
fn from_query(query: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let mut parameters = Map::new();
    for piece in form::segments(query) {
        if piece.starts_with(b"{") || piece.to_ascii_uppercase().starts_with(b"%7B") {
            let json =
                form::decode(piece.strip_suffix(b"=").unwrap_or(piece)).map_err(|_| not_utf8("query"))?;
            parameters.extend(from_json(json.as_bytes(), "query")?);
        } else {
            parameters.extend(from_form(piece, "query")?);
        }
    }
    Ok(parameters)
}

fn from_body(body: &[u8], content_type: Option<&str>) -> Result<Map<String, Value>, ApiError> {
    match content_type {
        _ if body.is_empty() => Ok(Map::new()),
        Some("application/json") => from_json(body, "body"),
        Some("application/x-www-form-urlencoded") => from_form(body, "body"),
        _ => Err(ApiError::UnsupportedMediaType),
    }
}

fn from_form(form: &[u8], source: &str) -> Result<Map<String, Value>, ApiError> {
    let pair = |(name, value): (form::Decoded, form::Decoded)| Ok((name?, Value::String(value?)));
    let pairs: Result<_, std::str::Utf8Error> = form::pairs(form).map(pair).collect();
    pairs.map_err(|_| not_utf8(source))
}

fn from_json(json: &[u8], source: &str) -> Result<Map<String, Value>, ApiError> {
    match parse_json(json) {
        Ok(Value::Object(parameters)) => Ok(parameters),
        Ok(_) => Err(ApiError::BadRequest(format!("The {source} must be a JSON object."))),
        Err(_) => Err(ApiError::BadRequest(format!("The {source} must be valid JSON."))),
    }
}

fn not_utf8(source: &str) -> ApiError {
    ApiError::BadRequest(format!("The {source} must be valid UTF-8."))
}

/// For [`crate::fuzzing::parameters`]: a string is neither empty nor contains U+0000.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let sources = [
        from_query(bytes),
        from_body(bytes, Some("application/json")),
        from_body(bytes, Some("application/x-www-form-urlencoded")),
    ];
    let mut parameters = Parameters::default();
    for source in sources.into_iter().flatten() {
        parameters.merge(source);
    }
    if let Ok(Ok(text)) = HeaderValue::from_bytes(bytes).map(|value| header_text(&value)) {
        parameters.merge(Map::from_iter([("nid".to_owned(), Value::String(text))]));
    }
    for name in ["hub_id", "nid", "token", "permission"] {
        if let Ok(Some(text)) = parameters.text(name) {
            assert!(!text.is_empty() && !text.contains('\0') && parameters.has(name));
        }
        let _ = parameters.integer(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderName;
    use proptest::prelude::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_query_is_pairs_or_a_json_object() {
        let expected = object(json!({ "hub_id": "h", "nid": "a b" }));
        assert_eq!(from_query(b"hub_id=h&nid=a+b&"), Ok(expected.clone()));
        for query in [
            "%7B%22hub_id%22%3A%22h%22%2C%22nid%22%3A%22a%20b%22%7D",
            "%7b%22hub_id%22:%22h%22,%22nid%22:%22a+b%22%7d&",
            "{\"hub_id\":\"h\",\"nid\":\"a%20b\"}=&",
        ] {
            assert_eq!(from_query(query.as_bytes()), Ok(expected.clone()), "{query}");
        }
        for query in ["", "&", "&&"] {
            assert_eq!(from_query(query.as_bytes()), Ok(Map::new()));
        }
        for query in ["{", "%7B%22a%22", "%7B%ff%7D", "hub_id=%ff", "%7B%7D%7B%7D"] {
            assert!(matches!(from_query(query.as_bytes()), Err(ApiError::BadRequest(_))), "{query}");
        }
    }

    #[test]
    fn header_names_take_hyphens_and_values_take_percent_signs_and_iso_8859_1() {
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &[u8]| {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        };
        put("x-param-hub-id", b"h%20%C3%A9");
        put("x-param-nid", b"\xe9t\xe9");
        put("x-param-device_id", "é".as_bytes());
        put("content-type", b"application/json");
        let expected = object(json!({ "hub_id": "h é", "nid": "été", "device_id": "é" }));
        assert_eq!(from_headers(&headers), Ok(expected));
    }

    #[test]
    fn only_whole_numbers_are_integers() {
        let integer = |value: Value| Parameters(object(json!({ "n": value }))).integer("n");
        for (value, number) in [
            (json!(24), 24),
            (json!("24"), 24),
            (json!(0), 0),
            (json!("-1"), -1),
            (json!(i64::MIN), i64::MIN),
        ] {
            assert_eq!(integer(value.clone()), Ok(Some(number)), "{value}");
        }
        for value in [
            json!(1.9),
            json!(24.0),
            json!(1e3),
            json!(u64::MAX),
            json!("1.9"),
            json!("1e3"),
            json!("abc"),
            json!(""),
            json!(" 1"),
            json!("+1"),
            json!("0x1"),
            json!("9223372036854775808"),
            json!("1\0"),
            json!("١"),
            json!([1]),
            json!({}),
            json!(true),
        ] {
            assert_eq!(integer(value.clone()), Err(NotAnInteger), "{value}");
        }
        assert_eq!(Parameters::default().integer("n"), Ok(None));
    }

    #[test]
    fn null_replaces_nothing() {
        let mut parameters = Parameters(object(json!({ "nid": "n" })));
        parameters.merge(object(json!({ "nid": null, "hub_id": 7 })));
        assert_eq!(parameters.text("nid"), Ok(Some("n".to_owned())));
        assert_eq!(parameters.text("hub_id"), Ok(Some("7".to_owned())));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes: Vec<u8>, text in "[{}%&=\"a0]{0,30}") {
            let _ = from_query(&bytes);
            let _ = from_query(text.as_bytes());
            let _ = from_body(&bytes, Some("application/json"));
            let _ = from_body(&bytes, Some("application/x-www-form-urlencoded"));
        }
    }
}
