//! Validated strings.

/// Why a string was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// It is empty.
    #[error("must not be empty")]
    Empty,
    /// It has more than this many characters.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// It contains a forbidden control character. U+0000 is always forbidden.
    #[error("must not contain control characters")]
    ControlCharacter,
}

/// Accepts a string of 1 to `max_chars` characters, none of them `forbidden`.
pub(crate) fn validate(
    text: &str,
    max_chars: usize,
    forbidden: fn(char) -> bool,
) -> Result<String, InvalidText> {
    if text.is_empty() {
        return Err(InvalidText::Empty);
    }
    if text.chars().count() > max_chars {
        return Err(InvalidText::TooLong(max_chars));
    }
    if text.chars().any(forbidden) {
        return Err(InvalidText::ControlCharacter);
    }
    Ok(text.to_owned())
}

/// Accepts a string of 0 to `max_chars` characters without control characters.
pub(crate) fn validate_optional(text: &str, max_chars: usize) -> Result<String, InvalidText> {
    if text.is_empty() {
        return Ok(String::new());
    }
    validate(text, max_chars, char::is_control)
}

/// The text for display: one line, without control characters, invisible characters and
/// directional marks. Directional marks can reorder the text on the screen, and invisible or
/// blank characters make different names look the same. Empty if nothing visible remains.
pub(crate) fn sanitize_for_display(text: &str) -> String {
    let is_invisible = |c: char| {
        matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}')
            || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
            || matches!(c, '\u{e0000}'..='\u{e0fff}')
    };
    let blank = |c: char| match c {
        '\u{2800}' | '\u{3164}' | '\u{ffa0}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    let line: String = text.chars().filter(|c| !is_invisible(*c)).map(blank).collect();
    // Joiners and variation selectors are invisible without a letter.
    let joins = |c: char| matches!(c, ' ' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().all(joins) { String::new() } else { line }
}

/// Declares a newtype of a validated, non-empty string. `Name, max_chars` rejects control
/// characters; `Name, max_chars, opaque` rejects only U+0000.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $max_chars:expr) => {
        text_type!($(#[$doc])* $name, $max_chars, char::is_control);
    };
    ($(#[$doc:meta])* $name:ident, $max_chars:expr, opaque) => {
        text_type!($(#[$doc])* $name, $max_chars, |c| c == '\0');
    };
    ($(#[$doc:meta])* $name:ident, $max_chars:expr, $forbidden:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Validates the text: not empty, not too long, no forbidden characters.
            pub fn new(text: &str) -> Result<Self, $crate::domain::validated_text::InvalidText> {
                $crate::domain::validated_text::validate(text, $max_chars, $forbidden).map(Self)
            }

            /// Takes the text in the database, which was validated when it was written.
            pub(crate) fn from_db(text: String) -> Self {
                Self(text)
            }

            /// The string.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(crate) use text_type;

text_type!(
    /// An `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), which the caller chooses
    /// for one operation and sends again with each retry.
    IdempotencyKey,
    255
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_accepted_unchanged_or_rejected() {
        let longest = "ü".repeat(255);
        for text in ["a", "a key", &longest] {
            assert_eq!(IdempotencyKey::new(text).unwrap().as_str(), text);
            assert_eq!(IdempotencyKey::new(text).unwrap(), IdempotencyKey::from_db(text.to_owned()));
        }
        assert_eq!(IdempotencyKey::new(""), Err(InvalidText::Empty));
        assert_eq!(IdempotencyKey::new(&"a".repeat(256)), Err(InvalidText::TooLong(255)));
        assert_eq!(IdempotencyKey::new("two\nlines"), Err(InvalidText::ControlCharacter));
        assert_eq!(validate_optional("", 1), Ok(String::new()));
        assert_eq!(validate_optional("ab", 2), Ok("ab".to_owned()));
        assert_eq!(validate_optional("a\n", 2), Err(InvalidText::ControlCharacter));
    }

    #[test]
    fn display_text_is_one_line_without_invisible_characters() {
        for (text, shown) in [
            ("Ada Lovelace", "Ada Lovelace"),
            ("  two \t blanks\n", "two blanks"),
            ("\u{202e}elpmaxe\u{2066}", "elpmaxe"),
            ("A\u{200b}da\u{feff}\u{180e}\u{ad}\u{e0041}", "Ada"),
            ("Ada\u{3164}Lovelace\u{2800}", "Ada Lovelace"),
            ("\u{3164}\u{115f}\u{1160}\u{ffa0}\u{2800}\u{180e}", ""),
            ("\u{200d} \u{200c}\u{fe0f}", ""),
            ("می\u{200c}خواهم", "می\u{200c}خواهم"),
            ("שרה", "שרה"),
        ] {
            assert_eq!(sanitize_for_display(text), shown, "{text:?}");
        }
    }
}
