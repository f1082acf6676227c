//! QR codes, as the path of an SVG: what is shown on one screen is read by another.

use std::fmt::Write;

use minijinja::{Value, context};
use qrcode::{Color, EcLevel, QrCode};

/// Modules of white around a code (ISO/IEC 18004, 9.1).
const MARGIN: usize = 4;

/// A text as a square of `size` modules and the `path` of the dark ones; `None` when it
/// is too long for a code.
pub fn code(text: &str) -> Option<Value> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (nth, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let _ = write!(path, "M{} {}h1v1h-1z", nth % width + MARGIN, nth / width + MARGIN);
        }
    }
    Some(context! { size => width + 2 * MARGIN, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_small_square_and_a_book_is_none() {
        let token = code(&format!("cse_{}", "x".repeat(44))).unwrap();
        assert_eq!(token.get_attr("size").unwrap().as_usize(), Some(41));
        let path = token.get_attr("path").unwrap().to_string();
        // The first row of the first finder pattern.
        assert!(path.starts_with("M4 4h1v1h-1zM5 4h1v1h-1zM6 4h1v1h-1z"), "{path}");
        assert!(code(&"x".repeat(4_000)).is_none());
    }
}
