//! The static files of the pages: the style sheet, a script that they work without, and the
//! icon.

use std::fmt::Write;
use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Path;
use sha2::{Digest, Sha256};

use super::error::PageError;
use super::responses::HtmlErrors;
use crate::http::error::ApiError;
use crate::http::openapi::error_responses::Errors;
use crate::http::routing::{Endpoint, endpoints};

struct Asset {
    name: &'static str,
    content_type: &'static str,
    body: &'static str,
}

const ASSETS: [Asset; 3] = [
    Asset {
        name: "style.css",
        content_type: "text/css; charset=utf-8",
        body: include_str!("assets/style.css"),
    },
    Asset {
        name: "enhance.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("assets/enhance.js"),
    },
    Asset { name: "icon.svg", content_type: "image/svg+xml", body: include_str!("assets/icon.svg") },
];

/// A digest of all files. It changes with every version of one of them.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let digest = ASSETS.iter().fold(Sha256::new(), |digest, asset| digest.chain_update(asset.body));
    digest.finalize().iter().take(6).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
});

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![serve]
}

/// The URL of a file. It differs between versions, so that browsers can cache it forever.
pub(super) fn asset_url(name: &str) -> String {
    format!("/assets/{name}?{}", *VERSION)
}

/// Returns a static file.
#[utoipa::path(
    get,
    path = "/assets/{file}",
    operation_id = "get_asset",
    security(()),
    params(("file" = String, Path, description = "The file's name.")),
    responses(
        (status = 200, description = "The file.", body = String, content_type = "text/css"),
        Errors<HtmlErrors, 404>,
    ),
)]
async fn serve(name: Path<String>) -> Result<HttpResponse, PageError> {
    let asset = ASSETS.iter().find(|asset| asset.name == *name).ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok()
        .content_type(asset.content_type)
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(asset.body))
}
