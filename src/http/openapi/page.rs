//! `/docs`: Swagger UI. All of its files are embedded, and its page has no inline script.

use std::sync::Arc;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ContentType, X_FRAME_OPTIONS};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use utoipa_swagger_ui::{Config, serve};

use crate::http::base_path::base_path;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::plain_error::PlainApi;

/// Allows scripts, styles and requests of this origin, and data URIs for icons.
const DOCS_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Shows the API documentation.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "get_docs",
    security(()),
    responses((status = 200, description = "Swagger UI.", body = String, content_type = "text/html")),
)]
pub(super) async fn show() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, DOCS_CSP))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .body(include_str!("docs.html").replace("{{ base }}", &base_path()))
}

/// Returns a file of the documentation page.
///
/// The larger files are always compressed with gzip.
#[utoipa::path(
    get,
    path = "/docs/{file}",
    operation_id = "get_docs_file",
    security(()),
    params(("file" = String, Path, description = "`swagger-ui.css`, for example.")),
    responses(
        (status = 200, description = "A file.", content(
            (String = "text/css"),
            (String = "text/javascript"),
        )),
        Errors<PlainApi, 404>,
    ),
)]
pub(super) async fn file(request: HttpRequest, file: Path<String>) -> HttpResponse {
    match file.as_str() {
        "docs.js" => {
            HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(include_str!("docs.js"))
        }
        "swagger-ui.css" => swagger_file(&request, &file, "text/css; charset=utf-8"),
        "swagger-ui-bundle.js" => swagger_file(&request, &file, "text/javascript; charset=utf-8"),
        _ => ApiError::NotFound.to_response(&request),
    }
}

fn swagger_file(request: &HttpRequest, name: &str, content_type: &str) -> HttpResponse {
    match serve(name, Arc::new(Config::default())) {
        Ok(Some(file)) => {
            let mut response = HttpResponse::Ok();
            if file.gzpipped {
                response.insert_header((CONTENT_ENCODING, "gzip"));
            }
            response.content_type(content_type).body(file.bytes)
        }
        Ok(None) | Err(_) => ApiError::NotFound.to_response(request),
    }
}
