//! The reference server: actix-web and the connection pool without an actor. A bench starts its
//! own program with an argument as the reference server.
//!
//! It authenticates no caller and writes no log, which gives it an advantage over countersign.

use std::net::TcpListener;
use std::sync::Mutex;

use actix_web::web::{self, Data, Path};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use countersign::domain::audit::AuditContext;
use countersign::domain::bundle::BundleId;
use countersign::domain::export_token::{ExpiryHours, NewExportToken};
use countersign::domain::hub::{HubId, NodeId};
use countersign::domain::permission_request::NewPermissionRequest;
use countersign::domain::rights::Mask;
use countersign::domain::terms::Terms;
use countersign::domain::token::{ExportId, RedeemId};
use countersign::domain::user::UserId;
use countersign::store::ledger::{self, Command, CreateExport, CreateRequest, Decide, Operation};
use countersign::store::lookup::{self, LookupKey};
use countersign::store::{Clock, Store, requests};
use serde_json::json;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::fixtures;
use super::requests::USER_AGENT;

/// The argument that makes a bench the reference server. The database URL and the maximum number
/// of connections follow it.
pub const REFERENCE_ARGUMENT: &str = "reference-server";

/// Whether this process is the reference server.
pub fn is_reference_process() -> bool {
    std::env::args().nth(1).as_deref() == Some(REFERENCE_ARGUMENT)
}

/// Serves on `BIND` until it is killed.
pub fn serve() {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    let [url, connections] = arguments.as_slice() else { panic!("a URL and a number, not {arguments:?}") };
    let pool = Data::new(StorePool::open(url, connections.parse().unwrap()));
    let listener = TcpListener::bind(std::env::var("BIND").unwrap()).unwrap();
    let server = move || {
        App::new()
            .app_data(pool.clone())
            .route("/healthz", web::get().to(HttpResponse::Ok))
            // Bare handlers.
            .route("/bare/authz", web::get().to(bare_authz))
            .route("/bare/introspect", web::post().to(bare_introspection))
            .route("/bare/request", web::get().to(bare_request))
            // One SELECT through the pool.
            .route("/select/export/{id}", web::get().to(select_export))
            .route("/select/request/{id}", web::get().to(select_request))
            // One transaction through the pool.
            .route("/commit/redeem/{id}/{by}", web::put().to(redeem))
            .route("/commit/ask/{target}/{allowed}", web::post().to(create_request))
            .route("/commit/export/{creator}", web::post().to(create_export))
    };
    let server = HttpServer::new(server).listen(listener).unwrap();
    actix_web::rt::System::new().block_on(server.run()).unwrap();
}

/// A pool with this number of connections. A [`Store`] has few connections for the ledger, which
/// runs one batch at a time, so the pool has several stores. Waiting for a connection has no
/// timeout.
struct StorePool {
    permits: Semaphore,
    idle: Mutex<Vec<Store>>,
}

/// The connections of a store for the ledger, and as many for other queries.
const CONNECTIONS_PER_STORE: usize = 3;

impl StorePool {
    fn open(url: &str, connections: usize) -> Self {
        let size = 2 * CONNECTIONS_PER_STORE as u32;
        let open = || Store::connect(&url.parse().unwrap(), size, Clock::Database).unwrap();
        let stores = (0..connections.div_ceil(CONNECTIONS_PER_STORE)).map(|_| open());
        let free = stores.flat_map(|store| std::iter::repeat_n(store, CONNECTIONS_PER_STORE));
        Self { permits: Semaphore::new(connections), idle: Mutex::new(free.collect()) }
    }

    /// Runs a closure with a store, off the event loop.
    async fn with_store<T: Send + 'static>(&self, work: impl FnOnce(&Store) -> T + Send + 'static) -> T {
        let _turn = self.permits.acquire().await.unwrap();
        let store = self.idle.lock().unwrap().pop().unwrap();
        let (store, done) = web::block(move || {
            let done = work(&store);
            (store, done)
        })
        .await
        .unwrap();
        self.idle.lock().unwrap().push(store);
        done
    }
}

async fn bare_authz() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header(("X-Countersign-Token-Id", "01939f6e-5b7c-7a3e-9d1f-0123456789ab"))
        .insert_header(("X-Countersign-Permission", "2"))
        .finish()
}

async fn bare_introspection(_: web::Bytes) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "active": true,
        "token_type": "export",
        "scope": "read",
        "permission": 2,
        "hub_id": "hub1",
        "nid": "node1",
        "sub": "/api/user/1/",
        "iat": 1_732_200_000,
        "exp": 1_732_804_800,
        "jti": "01939f6e-5b7c-7a3e-9d1f-0123456789ab",
    }))
}

async fn bare_request() -> HttpResponse {
    let user = |id: i64| {
        json!({
            "email": format!("person{id}@example.org"),
            "first_name": "Pat",
            "id": id,
            "last_name": format!("Person {id}"),
            "resource_uri": format!("/api/user/{id}/"),
            "username": format!("person{id}@example.org"),
        })
    };
    HttpResponse::Ok().json(json!({
        "bundle": {
            "description": "See what is there.",
            "id": 1,
            "name": "Read",
            "permission": 2,
            "resource_uri": "/api/bundle/1/",
        },
        "redeem_url": "http://127.0.0.1:8080/redeem?token=csr_0123456789012345678901234567890123456789abcd",
        "resource_uri": "/api/bundle_permission_request/1/",
        "ttl": 604_800,
        "user_allowed": user(1_001),
        "user_target": user(1),
    }))
}

/// Looks up an export token with its creator and the creator's role.
async fn select_export(path: Path<String>, pool: Data<StorePool>) -> HttpResponse {
    let id = ExportId(Uuid::parse_str(&path).unwrap());
    let found =
        pool.with_store(move |store| lookup::resolve_together(store, &[LookupKey::ExportToken(id)])).await;
    match found {
        Ok(found) if found.export_token(id).is_some() => HttpResponse::NoContent().finish(),
        other => internal_error(&other),
    }
}

/// Looks up a request without its parties.
async fn select_request(path: Path<String>, pool: Data<StorePool>) -> HttpResponse {
    let id = RedeemId(Uuid::parse_str(&path).unwrap());
    let found = pool.with_store(move |store| store.read(|conn| requests::by_redeem_id(conn, id))).await;
    match found {
        Ok(Some(_)) => HttpResponse::NoContent().finish(),
        other => internal_error(&other),
    }
}

async fn redeem(request: HttpRequest, path: Path<(String, i64)>, pool: Data<StorePool>) -> HttpResponse {
    let (id, by) = path.into_inner();
    let (id, by) = (RedeemId(Uuid::parse_str(&id).unwrap()), UserId(by));
    match commit(&request, &pool, by, Decide::as_asked(id, by, None)).await {
        Ok(Ok(Some((grant, _)))) => HttpResponse::Ok().json(json!({ "id": grant.id.0 })),
        other => internal_error(&other),
    }
}

async fn create_request(request: HttpRequest, path: Path<(i64, i64)>, pool: Data<StorePool>) -> HttpResponse {
    let (target, allowed) = path.into_inner();
    let (target, allowed) = (UserId(target), UserId(allowed));
    let terms = Terms { target, grantee: allowed, bundle: BundleId(fixtures::BUNDLE_ID) };
    let new = NewPermissionRequest::new(terms, allowed, Mask::READ, 604_800);
    match commit(&request, &pool, allowed, CreateRequest(new)).await {
        Ok(Ok(created)) => HttpResponse::Created().json(json!({ "id": created.request.id.0 })),
        other => internal_error(&other),
    }
}

async fn create_export(request: HttpRequest, path: Path<i64>, pool: Data<StorePool>) -> HttpResponse {
    let creator = UserId(path.into_inner());
    let new = NewExportToken {
        creator,
        hub: HubId::new(&fixtures::hub_id(creator.0)).unwrap(),
        node: NodeId::new("node1").unwrap(),
        mask: Mask::READ,
        expiry: ExpiryHours::DEFAULT,
    };
    match commit(&request, &pool, creator, CreateExport(new)).await {
        Ok(Ok((_, token))) => HttpResponse::Ok().json(json!({ "token": token.expose() })),
        other => internal_error(&other),
    }
}

/// A transaction of its own: the server's own code, with a batch of one and no
/// actor.
async fn commit<C: Command>(
    request: &HttpRequest,
    pool: &StorePool,
    by: UserId,
    command: C,
) -> Result<C::Reply, String> {
    let address = request.peer_addr().map(|peer| peer.ip());
    let origin = AuditContext { actor: Some(by), ip: address, user_agent: Some(USER_AGENT.to_owned()) };
    let operation = Operation::new(command, origin);
    let result = pool.with_store(move |store| ledger::commit_one(store, operation)).await;
    result.map_err(|error| error.to_string())
}

fn internal_error(what: &impl std::fmt::Debug) -> HttpResponse {
    HttpResponse::InternalServerError().body(format!("{what:?}"))
}
