//! Forms that create something keep their input while the visitor signs in again: it is in the address of the page with
//! the form.

use super::context::PageContext;
use super::error::PageError;
use super::form::{Form, FormFields};
use super::url::query_encode;
use crate::services::sessions::SignedIn;

/// The longest value in an address, percent-encoded, and the longest of all values together. Proxies limit the length
/// of a redirect: nginx to 4 KiB. There it is encoded once more.
const MAX_ENCODED_VALUE: usize = 1_500;
const MAX_ENCODED_VALUES: usize = 1_900;

impl Form {
    /// The signed-in user. Other visitors are sent to the sign-in page, and then to the page with this form, where
    /// these fields are filled in. Longer ones should come last: what is too long is cut.
    pub fn require_user_or_keep(&self, page: &str, fields: &[&str]) -> Result<&SignedIn, PageError> {
        self.require_user(&self.fields.page_url(page, fields))
    }

    /// [`Self::require_user_or_keep`] for administrators. For other users the page does not exist.
    pub fn require_staff_or_keep(&self, page: &str, fields: &[&str]) -> Result<&SignedIn, PageError> {
        self.ctx.require_staff_or_return_to(&self.fields.page_url(page, fields))
    }
}

impl FormFields {
    /// The fields of a link that fills in a form. `None` if it has none of these.
    pub fn of_link(ctx: &PageContext, names: &[&str]) -> Option<Self> {
        let (_, query) = ctx.current_url.split_once('?')?;
        let fields = Self::parse(query.as_bytes()).ok()?;
        names.iter().any(|name| fields.optional(name).is_some()).then_some(fields)
    }

    /// The page with the form, filled in with these fields.
    fn page_url(&self, page: &str, names: &[&str]) -> String {
        let (mut url, mut separator, mut left) = (page.to_owned(), '?', MAX_ENCODED_VALUES);
        for name in names {
            for value in self.get_all(name) {
                let value = encode_start(value, left.min(MAX_ENCODED_VALUE));
                if !value.is_empty() {
                    left -= value.len();
                    url.push_str(&format!("{separator}{name}={value}"));
                    separator = '&';
                }
            }
        }
        url
    }
}

/// Encodes as much of the beginning of a text as fits.
fn encode_start(text: &str, max_length: usize) -> String {
    let mut encoded = String::new();
    for character in text.chars() {
        let next = query_encode(character.encode_utf8(&mut [0; 4]));
        if encoded.len() + next.len() > max_length {
            break;
        }
        encoded.push_str(&next);
    }
    encoded
}
