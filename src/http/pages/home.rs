//! `/`: what somebody finds who is signed in.

use actix_web::HttpResponse;
use actix_web::web::Data;
use minijinja::{Value, context};
use utoipa::OpenApi;

use super::HtmlErrors;
use super::context::PageContext;
use super::error::{PageError, query_encode};
use super::pager::{Pager, flash};
use super::redeem::request_summary;
use crate::domain::permission_request::PermissionRequest;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::http::openapi::error_responses::Errors;
use crate::http::state::AppState;
use crate::store::participants::Participants;
use crate::store::permissions::{self, PermissionFilter};
use crate::store::requests::{self, Side};
use crate::store::{Conn, LimitOffset, QueryResult, api_keys, export_tokens};

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
        ("pending" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
        ("flash" = Option<String>, Query, nullable = false, description = "The result of the last action."),
    ),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        Errors<HtmlErrors, 503>,
    ),
)]
pub(super) async fn show(services: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    let me = ctx.require_user()?.user.id;
    let pagination = Pager::new(&ctx, "pending");
    let page = pagination.page();
    let found = services.store.read(move |conn| {
        let now = conn.now()?;
        let pending_requests = requests::pending_of_side(conn, Side::Target, me, page, now)?;
        let participants =
            Participants::load(conn, pending_requests.rows.iter().map(|request| request.terms))?;
        Ok((pending_requests, participants, HomeCounts::load(conn, me, now)?))
    });
    let (pending_requests, participants, counts) = found.await?;
    let cards: Vec<Value> = pending_requests
        .rows
        .iter()
        .filter_map(|request| request_card(request, &participants, &services))
        .collect();
    let context = context! {
        flash => flash(&ctx, "flash", &["declined", "blocked"]),
        cards,
        pagination => pagination.links(pending_requests.total),
        counts => counts.to_context(),
    };
    Ok(ctx.render_ok("home", context))
}

/// A request that waits for its target, with the link that its mail has.
fn request_card(
    request: &PermissionRequest,
    participants: &Participants,
    services: &AppState,
) -> Option<Value> {
    let parties = participants.parties(request.terms)?;
    let token = services.keyring.redeem_token(request.redeem_id).expose();
    Some(context! {
        id => request.id.0,
        since => request.created_at.micros(),
        link => format!("/redeem?token={}", query_encode(&token)),
        until => request.expires_at.micros(),
        request_summary => request_summary(parties.grantee, parties.bundle),
    })
}

/// How much there is of everything.
struct HomeCounts {
    pending: i64,
    granted: i64,
    received: i64,
    tokens: i64,
    keys: i64,
}

impl HomeCounts {
    fn load(conn: &mut Conn, me: UserId, now: Timestamp) -> QueryResult<Self> {
        const NO_ROWS: LimitOffset = LimitOffset { limit: 0, offset: 0 };
        let granted = PermissionFilter { targets: Some(vec![me.0]), ..PermissionFilter::default() };
        let received = PermissionFilter { grantees: Some(vec![me.0]), ..PermissionFilter::default() };
        Ok(Self {
            pending: requests::pending_of_side(conn, Side::Grantee, me, NO_ROWS, now)?.total,
            granted: permissions::list_for_party(conn, me, &granted, NO_ROWS)?.total,
            received: permissions::list_for_party(conn, me, &received, NO_ROWS)?.total,
            tokens: export_tokens::count_by_creator(conn, me, now)?.1,
            keys: api_keys::count_active(conn, me)?,
        })
    }

    fn to_context(&self) -> Value {
        let Self { pending, granted, received, tokens, keys } = self;
        context! { pending, granted, received, tokens, keys }
    }
}
