//! The responses of pages, as the OpenAPI document describes them.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema};

use crate::http::openapi::error_responses::{BodyErrors, ErrorSchemas, Errors};

type Responses = BTreeMap<String, RefOr<Response>>;

/// The errors of pages: HTML pages.
pub enum HtmlErrors {}

impl ErrorSchemas for HtmlErrors {
    const API_NAME: &'static str = "page";
    const MEDIA_TYPE: &'static str = "text/html";
    type Body = String;
    type BadRequestBody = String;
}

/// A page for signed-in users, or a redirect to the sign-in page.
pub struct SignedInPage;

/// The errors of every form.
pub struct FormErrors;

/// A page for administrators.
pub struct StaffPage;

/// The result of a form for administrators.
pub struct StaffForm;

impl IntoResponses for SignedInPage {
    fn responses() -> Responses {
        let page = ContentBuilder::new().schema(Some(String::schema())).build();
        let page = ResponseBuilder::new().description("The page.").content("text/html", page).build();
        let sign_in =
            ResponseBuilder::new().description("Not signed in. Redirects to the sign-in page.").build();
        let mut responses = Errors::<HtmlErrors, 503>::responses();
        responses.extend([("200".to_owned(), page.into()), ("303".to_owned(), sign_in.into())]);
        responses
    }
}

impl IntoResponses for StaffPage {
    fn responses() -> Responses {
        let mut responses = SignedInPage::responses();
        responses.extend(Errors::<HtmlErrors, 400>::responses());
        responses.extend(Errors::<HtmlErrors, 404>::responses());
        responses
    }
}

impl IntoResponses for StaffForm {
    fn responses() -> Responses {
        let done = ResponseBuilder::new().description("Done. Redirects to the list, or to the sign-in page.");
        let mut responses = FormErrors::responses();
        responses.extend(Errors::<HtmlErrors, 404>::responses());
        responses.insert("303".to_owned(), done.build().into());
        responses
    }
}

impl IntoResponses for FormErrors {
    fn responses() -> Responses {
        let mut responses = BodyErrors::<HtmlErrors>::responses();
        responses.extend(Errors::<HtmlErrors, 403>::responses());
        responses.extend(Errors::<HtmlErrors, 429>::responses());
        responses.extend(Errors::<HtmlErrors, 503>::responses());
        responses
    }
}
