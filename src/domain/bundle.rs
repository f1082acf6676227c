//! Bundles: named sets of rights that a user can grant to another.

use std::fmt;

use super::rights::Mask;
use super::validated_text::{InvalidText, sanitize_for_display, text_type, validate_optional};

/// The number of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId(pub i64);

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_type!(
    /// The name of a bundle.
    BundleName,
    100
);

/// The description of a bundle: at most 1,000 characters on one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Accepts 0 to 1,000 characters without control characters.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        validate_optional(text, 1_000).map(Self)
    }

    /// Takes the text in the database, which was validated when it was written.
    pub(crate) fn from_db(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A named set of rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    pub id: BundleId,
    pub name: BundleName,
    pub description: Description,
    pub permission: Mask,
}

impl Bundle {
    /// The name for display, or the number if the name has no visible characters.
    pub fn display_name(&self) -> String {
        Some(sanitize_for_display(self.name.as_str()))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| format!("# {}", self.id))
    }

    /// The description for display. May be empty.
    pub fn display_description(&self) -> String {
        sanitize_for_display(self.description.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_name_omits_invisible_characters() {
        let mut bundle = Bundle {
            id: BundleId(7),
            name: BundleName::new("\u{202e}peelS").unwrap(),
            description: Description::new("How\u{200b} long").unwrap(),
            permission: Mask::new(2).unwrap(),
        };
        assert_eq!(
            (bundle.display_name(), bundle.display_description()),
            ("peelS".into(), "How long".into())
        );
        bundle.name = BundleName::new("\u{2800}").unwrap();
        assert_eq!(bundle.display_name(), "# 7");
    }

    #[test]
    fn a_description_is_one_line_of_at_most_1000_characters() {
        for text in ["", "How long you sleep", &"x".repeat(1_000)] {
            assert_eq!(Description::new(text).unwrap().as_str(), text);
            assert_eq!(Description::from_db(text.to_owned()).as_str(), text);
        }
        assert_eq!(Description::new("two\nlines"), Err(InvalidText::ControlCharacter));
        assert_eq!(Description::new(&"x".repeat(1_001)), Err(InvalidText::TooLong(1_000)));
    }
}
