//! `application/x-www-form-urlencoded`, in queries and bodies. Invalid UTF-8 is an error, not
//! replaced: two different byte strings must not become one name.

use std::str::Utf8Error;

use percent_encoding::percent_decode;

/// A decoded name or value.
pub type Decoded = Result<String, Utf8Error>;

/// Returns the pairs of a form, in order. A pair without `=` has an empty value.
pub fn pairs(form: &[u8]) -> impl Iterator<Item = (Decoded, Decoded)> {
    segments(form).map(|piece| {
        let mut parts = piece.splitn(2, |byte| *byte == b'=');
        let mut next = || decode(parts.next().unwrap_or_default());
        (next(), next())
    })
}

/// Returns the parts between the ampersands that are not empty.
pub fn segments(form: &[u8]) -> impl Iterator<Item = &[u8]> {
    form.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty())
}

/// Decodes `+` and `%xx`.
pub fn decode(text: &[u8]) -> Decoded {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).decode_utf8().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> Vec<(String, String)> {
        pairs(form.as_bytes()).map(|(name, value)| (name.unwrap(), value.unwrap())).collect()
    }

    #[test]
    fn pairs_are_parsed_in_order() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read("a=1&b=x+y%26z&&c&a=2=3&"),
            [pair("a", "1"), pair("b", "x y&z"), pair("c", ""), pair("a", "2=3"),]
        );
        assert_eq!(read(""), []);
        assert_eq!(read("%=%zz"), [pair("%", "%zz")]);
    }

    #[test]
    fn invalid_utf_8_is_an_error() {
        let all: Vec<_> = pairs(b"a=%ff&b=1").collect();
        assert!(all[0].1.is_err());
        assert_eq!(all[1].1.as_deref(), Ok("1"));
    }
}
