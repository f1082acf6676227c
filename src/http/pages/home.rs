//! `/`: what somebody finds who is signed in.

use actix_web::HttpResponse;
use actix_web::web::Data;
use minijinja::{Value, context};
use utoipa::OpenApi;

use super::Html;
use super::error::{PageError, encoded};
use super::listing::{Part, done};
use super::redeem::asked;
use super::visit::Visit;
use crate::domain::clock::Timestamp;
use crate::domain::request::PermissionRequest;
use crate::domain::user::UserId;
use crate::http::Services;
use crate::http::openapi::refusals::May;
use crate::store::cast::Cast;
use crate::store::grants::{self, GrantFilter};
use crate::store::requests::{self, Side};
use crate::store::{Conn, Page, QueryResult, exports, keys};

#[derive(OpenApi)]
#[openapi(paths(show))]
pub(super) struct Document;

/// What waits for whoever is signed in.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "home_page",
    security(()),
    params(
        ("waiting" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
        ("done" = Option<String>, Query, nullable = false, description = "The result of the last action."),
    ),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        May<Html, 503>,
    ),
)]
pub(super) async fn show(services: Data<Services>, visit: Visit) -> Result<HttpResponse, PageError> {
    let me = visit.user()?.user.id;
    let part = Part::of(&visit, "waiting");
    let page = part.page();
    let found = services.directory.read(move |conn| {
        let now = conn.now()?;
        let waiting = requests::live_of_side(conn, Side::Target, me, page, now)?;
        let cast = Cast::of(conn, waiting.rows.iter().map(|request| request.terms))?;
        Ok((waiting, cast, Counts::of(conn, me, now)?))
    });
    let (waiting, cast, counts) = found.await?;
    let cards: Vec<Value> =
        waiting.rows.iter().filter_map(|request| card(request, &cast, &services)).collect();
    let context = context! {
        done => done(&visit, "done", &["declined", "blocked"]),
        cards,
        part => part.links(waiting.total),
        counts => counts.told(),
    };
    Ok(visit.show("home", context))
}

/// A request that waits for its target, with the link that its mail has.
fn card(request: &PermissionRequest, cast: &Cast, services: &Services) -> Option<Value> {
    let scene = cast.scene(request.terms)?;
    let token = services.keyring.redeem_token(request.redeem_id).reveal();
    Some(context! {
        id => request.id.0,
        since => request.created_at.micros(),
        link => format!("/redeem?token={}", encoded(&token)),
        until => request.expires_at.micros(),
        asked => asked(scene.allowed, scene.bundle),
    })
}

/// How much there is of everything.
struct Counts {
    asked: i64,
    given: i64,
    received: i64,
    tokens: i64,
    keys: i64,
}

impl Counts {
    fn of(conn: &mut Conn, me: UserId, now: Timestamp) -> QueryResult<Self> {
        const NO_ROWS: Page = Page { limit: 0, offset: 0 };
        let given = GrantFilter { targets: Some(vec![me.0]), ..GrantFilter::default() };
        let received = GrantFilter { allowed: Some(vec![me.0]), ..GrantFilter::default() };
        Ok(Self {
            asked: requests::live_of_side(conn, Side::Allowed, me, NO_ROWS, now)?.total,
            given: grants::of_party(conn, me, &given, NO_ROWS)?.total,
            received: grants::of_party(conn, me, &received, NO_ROWS)?.total,
            tokens: exports::count(conn, me, now)?.1,
            keys: keys::count_live(conn, me)?,
        })
    }

    fn told(&self) -> Value {
        let Self { asked, given, received, tokens, keys } = self;
        context! { asked, given, received, tokens, keys }
    }
}
