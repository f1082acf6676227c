//! A file server that asks countersign whether an export token gives access to a file.
//!
//! ```sh
//! COUNTERSIGN_URL=http://127.0.0.1:8080 cargo run --example resource_server
//! curl -H 'Authorization: Bearer <export token>' http://127.0.0.1:8090/observatory/photos/2030.jpg
//! ```

use std::error::Error;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use reqwest::Client;

/// Asks countersign about tokens.
pub struct Countersign {
    url: String,
    client: Client,
}

impl Countersign {
    /// A client of the countersign server with this URL.
    pub fn new(url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), client: Client::new() }
    }

    /// Whether the token of `request` gives the right to read a file: 204 if it does, 401 if there is
    /// no active token, 403 if the token is for something else.
    async fn authorize(&self, request: &HttpRequest, hub: &str, folder: &str, file: &str) -> StatusCode {
        // A token for the folder is a token for every file in it. Query parameters are encoded, so
        // that a name cannot add a parameter.
        let query = [("hub_id", hub), ("nid", file), ("nid", folder), ("right", "read")];
        let mut check = self.client.get(format!("{}/authz", self.url)).query(&query);
        if let Some(token) = request.headers().get("authorization") {
            check = check.header("authorization", token.as_bytes());
        }
        match check.send().await.map(|response| response.status().as_u16()) {
            Ok(204) => StatusCode::NO_CONTENT,
            Ok(401) => StatusCode::UNAUTHORIZED,
            Ok(403) => StatusCode::FORBIDDEN,
            // If countersign does not answer, the file is not served.
            Ok(_) | Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

async fn read_file(
    request: HttpRequest,
    path: Path<(String, String, String)>,
    countersign: Data<Countersign>,
) -> HttpResponse {
    let (hub, folder, file) = path.into_inner();
    match countersign.authorize(&request, &hub, &folder, &file).await {
        StatusCode::NO_CONTENT => HttpResponse::Ok().body(format!("The content of {file}.\n")),
        refused => HttpResponse::new(refused),
    }
}

/// The routes of the file server.
pub fn routes(app: &mut ServiceConfig) {
    app.route("/{hub}/{folder}/{file}", web::get().to(read_file));
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("COUNTERSIGN_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let countersign = Data::new(Countersign::new(&url));
    let server = HttpServer::new(move || App::new().app_data(countersign.clone()).configure(routes));
    Ok(server.bind("127.0.0.1:8090")?.run().await?)
}
