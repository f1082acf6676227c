//! The reference server: what actix-web and the pool give without an actor. The
//! bench runs itself with an argument to be it.

use std::net::TcpListener;

use actix_web::web::{self, Data, Path};
use actix_web::{App, HttpResponse, HttpServer};
use countersign::domain::event::Origin;
use countersign::domain::token::RedeemId;
use countersign::domain::user::UserId;
use countersign::store::ledger::{self, Deed, Operation, Verdict};
use countersign::store::{Clock, Store};
use serde_json::json;
use uuid::Uuid;

use super::requests::CLIENT;

/// The argument that makes a bench the reference server. What follows it are the
/// database's URL and the most connections to it.
pub const ARGUMENT: &str = "reference-server";

/// Whether this process is to be the reference server.
pub fn was_asked_for() -> bool {
    std::env::args().nth(1).as_deref() == Some(ARGUMENT)
}

/// Serves at `BIND` until it is killed.
pub fn serve() {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    let [url, connections] = arguments.as_slice() else { panic!("a URL and a number, not {arguments:?}") };
    let store = Store::connect(&url.parse().unwrap(), connections.parse().unwrap(), Clock::Database).unwrap();
    let store = Data::new(store);
    let listener = TcpListener::bind(std::env::var("BIND").unwrap()).unwrap();
    let server = move || {
        App::new()
            .app_data(store.clone())
            .route("/healthz", web::get().to(HttpResponse::Ok))
            .route("/redeem/{id}/{by}", web::put().to(redeem))
    };
    let server = HttpServer::new(server).listen(listener).unwrap();
    actix_web::rt::System::new().block_on(server.run()).unwrap();
}

/// Redeems in a transaction of its own: the server's own code, with a batch of
/// one and no actor.
async fn redeem(path: Path<(String, i64)>, store: Data<Store>) -> HttpResponse {
    let (id, by) = path.into_inner();
    let (id, by) = (Uuid::parse_str(&id).unwrap(), UserId(by));
    let origin = Origin { actor: Some(by), address: None, client: Some(CLIENT.to_owned()) };
    let operation = Operation::new(Deed::Redeem { id: RedeemId(id), by, once: None }, origin);
    let done = web::block(move || ledger::commit(&store, &[operation])).await;
    match done.ok().and_then(|mut verdicts| verdicts.pop()) {
        Some(Ok(Verdict::Redeemed(Ok((grant, _))))) => HttpResponse::Ok().json(json!({ "id": grant.id.0 })),
        other => HttpResponse::InternalServerError().body(format!("{other:?}")),
    }
}
