//! `/`: the requests that wait for the signed-in user, and an overview of their account.

use actix_web::HttpResponse;
use actix_web::web::Data;
use minijinja::{Value, context};

use super::context::PageContext;
use super::error::PageError;
use super::pager::Pager;
use super::redeem::{redeem_path, request_summary};
use super::responses::SignedInPage;
use crate::domain::permission_request::PermissionRequest;
use crate::domain::token::Keyring;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::accounts;
use crate::store::participants::Participants;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![show]
}

/// Shows the requests that wait for the signed-in user.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "home_page",
    security(()),
    params(
        ("pending" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
        ("flash" = Option<String>, Query, nullable = false, description = "The result of the last action."),
    ),
    responses(SignedInPage),
)]
async fn show(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    let me = ctx.require_user()?.user.id;
    let pager = Pager::new(&ctx, "pending");
    let overview = accounts::overview(&state.store, me, pager.page()).await?;
    let card = |request| request_card(request, &overview.participants, &state.keyring);
    let context = context! {
        flash => ctx.flash("flash", &["declined", "blocked"]),
        cards => overview.pending_requests.rows.iter().filter_map(card).collect::<Vec<Value>>(),
        pagination => pager.links(overview.pending_requests.total),
        counts => context! {
            pending => overview.requested,
            granted => overview.granted,
            received => overview.received,
            tokens => overview.active_tokens,
            keys => overview.active_keys,
        },
    };
    Ok(ctx.render_ok("home", context))
}

/// A pending request, with the same link as in its mail.
fn request_card(
    request: &PermissionRequest,
    participants: &Participants,
    keyring: &Keyring,
) -> Option<Value> {
    let parties = participants.parties(request.terms)?;
    Some(context! {
        id => request.id.0,
        since => request.created_at.micros(),
        link => redeem_path(request, keyring),
        until => request.expires_at.micros(),
        request_summary => request_summary(parties.grantee, parties.bundle, request.asked.permission),
    })
}
