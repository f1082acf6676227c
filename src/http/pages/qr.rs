//! QR codes as SVG paths.

use std::fmt::Write;

use minijinja::{Value, context};
use qrcode::{Color, EcLevel, QrCode};

/// White modules around a code (ISO/IEC 18004, 9.1).
const QUIET_ZONE: usize = 4;

/// A text's code: its `size` in modules, and the `path` of the dark modules. `None` if the text
/// is too long.
pub fn qr_svg(text: &str) -> Option<Value> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (index, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let _ = write!(path, "M{} {}h1v1h-1z", index % width + QUIET_ZONE, index / width + QUIET_ZONE);
        }
    }
    Some(context! { size => width + 2 * QUIET_ZONE, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_encoded_and_long_texts_are_not() {
        let token = qr_svg(&format!("cse_{}", "x".repeat(44))).unwrap();
        assert_eq!(token.get_attr("size").unwrap().as_usize(), Some(41));
        let path = token.get_attr("path").unwrap().to_string();
        // The first row of the first finder pattern.
        assert!(path.starts_with("M4 4h1v1h-1zM5 4h1v1h-1zM6 4h1v1h-1z"), "{path}");
        assert!(qr_svg(&"x".repeat(4_000)).is_none());
    }
}
