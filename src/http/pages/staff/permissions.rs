//! `/staff/permissions`: the active permissions of all users.

use actix_web::HttpResponse;
use actix_web::web::Data;
use minijinja::{Value, context};

use crate::domain::bundle_permission::BundlePermission;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Email;
use crate::http::pages::context::PageContext;
use crate::http::pages::error::PageError;
use crate::http::pages::pager::Pager;
use crate::http::pages::responses::StaffPage;
use crate::http::routing::{Endpoint, endpoints};
use crate::http::state::AppState;
use crate::services::filters::TermsQuery;
use crate::services::permissions;
use crate::store::lookup::UserRef;
use crate::store::participants::RequestParties;

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![list]
}

/// Lists active permissions, for staff.
#[utoipa::path(
    get,
    path = "/staff/permissions",
    operation_id = "staff_permissions_page",
    security(()),
    params(
        ("q" = Option<String>, Query, nullable = false, description = "The email address of the user whose data it is."),
        ("offset" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
    ),
    responses(StaffPage),
)]
async fn list(state: Data<AppState>, ctx: PageContext) -> Result<HttpResponse, PageError> {
    ctx.require_staff()?;
    let q = ctx.query_param("q").unwrap_or_default();
    let pager = Pager::new(&ctx, "offset");
    let target = match q.trim() {
        "" => Vec::new(),
        // An invalid address matches no user.
        text => vec![Email::new(text).map(UserRef::Email).into_iter().collect()],
    };
    let query = TermsQuery { targets: target, ..TermsQuery::default() };
    let (total, listed) = permissions::list(&state.store, None, query, pager.page()).await?;
    let rows: Vec<Value> = listed.iter().map(|(permission, parties)| row(permission, parties)).collect();
    Ok(ctx.render_ok(
        "staff-permissions",
        context! { rows, q, pagination => pager.links(total), flash => None::<String> },
    ))
}

fn row(
    permission: &BundlePermission,
    RequestParties { target, grantee, bundle }: RequestParties<'_>,
) -> Value {
    context! {
        id => permission.id.0,
        target => target.display_name(),
        target_email => target.email.as_str(),
        grantee => grantee.display_name(),
        grantee_email => grantee.email.as_str(),
        bundle => bundle.display_name(),
        rights => permission.permission.bits(),
        since => permission.granted_at.micros(),
        until => permission.expires_at.map(Timestamp::micros),
    }
}
