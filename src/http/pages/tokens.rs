//! `/tokens`: the export tokens that somebody has made.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, ServiceConfig};
use minijinja::{Value, context};
use utoipa::{OpenApi, ToSchema};

use super::error::{PageError, see_other};
use super::listing::{Part, Wrong, done, number};
use super::post::{Csrf, Fields, Post};
use super::visit::Visit;
use super::{Html, qr, view};
use crate::domain::clock::Timestamp;
use crate::domain::export::{ExpiryHours, ExportRef, ExportStatus, ExportToken, NewExport};
use crate::domain::hub::{HubId, NodeId};
use crate::domain::permission::{Mask, Right};
use crate::domain::text::clean;
use crate::domain::user::UserId;
use crate::http::Services;
use crate::http::openapi::refusals::{AnyBody, May};
use crate::http::problem::Problem;
use crate::http::routing::get;
use crate::store::exports::{self, ExportFilter, ListedExport};
use crate::store::hubs;

/// The most hubs to choose from.
const HUBS: i64 = 500;
/// Hours to choose from; 0 is for ever.
const HOURS: [i64; 6] = [1, 24, 168, 720, 8_760, 0];

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(view::resource("/tokens", "GET, HEAD").route(get().to(show)))
        .service(
            view::resource("/tokens/new", "GET, HEAD, POST")
                .route(get().to(blank))
                .route(web::post().to(create)),
        )
        .service(view::resource("/tokens/{id}/revoke", "POST").route(web::post().to(revoke)));
}

#[derive(OpenApi)]
#[openapi(paths(show, blank, create, revoke))]
pub(super) struct Document;

/// The export tokens of the one who is signed in.
#[utoipa::path(
    get,
    path = "/tokens",
    operation_id = "tokens_page",
    security(()),
    params(
        ("tokens" = Option<String>, Query, nullable = false, description = "Number of rows to skip."),
        ("done" = Option<String>, Query, nullable = false, description = "The result of the last action."),
    ),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        May<Html, 503>,
    ),
)]
async fn show(services: Data<Services>, visit: Visit) -> Result<HttpResponse, PageError> {
    let me = visit.user()?.user.id;
    let part = Part::of(&visit, "tokens");
    let page = part.page();
    let filter = ExportFilter {
        creator: Some(me),
        statuses: ExportStatus::ALL.to_vec(),
        before: None,
        limit: page.limit,
        offset: page.offset,
    };
    let found = services.directory.read(move |conn| {
        let now = conn.now()?;
        Ok((exports::list(conn, &filter, now)?, exports::count(conn, me, now)?, now))
    });
    let (listed, (total, _), now) = found.await?;
    let context = context! {
        done => done(&visit, "done", &["token-revoked"]),
        tokens => listed.iter().map(|listed| row(listed, &visit, now)).collect::<Vec<Value>>(),
        part => part.links(total),
    };
    Ok(visit.show("tokens", context))
}

fn row(listed: &ListedExport, visit: &Visit, now: Timestamp) -> Value {
    context! {
        status => listed.token.status(now).name(),
        uses => listed.uses,
        used => listed.last_used_at.map(|at| at.micros()),
        ..facts(&listed.token, visit)
    }
}

/// What a token is for.
fn facts(token: &ExportToken, visit: &Visit) -> Value {
    context! {
        id => token.id.to_string(),
        hub => token.hub.as_str(),
        node => token.node.as_str(),
        rights => token.mask.rights().map(|right| word(right, visit)).collect::<Vec<_>>(),
        since => token.created_at.micros(),
        until => token.expires_at.map(|at| at.micros()),
    }
}

fn word(right: Right, visit: &Visit) -> String {
    visit.language.say(&format!("token-right-{}", right.name()))
}

/// The form that makes a token.
#[utoipa::path(
    get,
    path = "/tokens/new",
    operation_id = "new_token_page",
    security(()),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        May<Html, 503>,
    ),
)]
async fn blank(services: Data<Services>, visit: Visit) -> Result<HttpResponse, PageError> {
    let me = visit.user()?.user.id;
    let draft = Draft { rights: vec![Right::Read], hours: 24, ..Draft::default() };
    form(&services, &visit, me, &draft, None).await
}

/// The form, as it is documented.
#[derive(ToSchema)]
#[schema(as = page::NewToken)]
#[expect(dead_code, reason = "read by `create`; this is what it looks like")]
struct NewTokenForm {
    /// What shows that the form was ours.
    csrf: String,
    #[schema(min_length = 1, max_length = 64)]
    hub: String,
    #[schema(min_length = 1, max_length = 255)]
    node: String,
    /// The names of the rights, one at least.
    right: Vec<String>,
    /// Hours that the token lives; 0 is for ever.
    #[schema(minimum = 0, maximum = 8760)]
    hours: i64,
}

/// Makes an export token: the one answer that ever shows it.
#[utoipa::path(
    post,
    path = "/tokens/new",
    operation_id = "new_token",
    security(()),
    request_body(content = NewTokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token. It is shown only once.", body = String, content_type = "text/html"),
        (status = 303, description = "Not signed in. Redirects to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 503>,
    ),
)]
async fn create(services: Data<Services>, post: Post) -> Result<HttpResponse, PageError> {
    let me = post.user("/tokens")?.user.id;
    let Post { visit, fields } = post;
    let draft = Draft::of(&fields)?;
    let wrong = match draft.order(me) {
        Ok(new) => match services.registry.create_export(new, visit.origin.clone()).await? {
            Ok((export, token)) => {
                let secret = token.reveal();
                let context = context! { token => facts(&export, &visit), qr => qr::code(&secret), secret };
                return Ok(visit.show("token", context));
            }
            Err(_) => Wrong::forbidden("hub", "token-wrong-hub"),
        },
        Err(wrong) => wrong,
    };
    form(&services, &visit, me, &draft, Some(wrong)).await
}

/// The form, filled in so far.
#[derive(Debug, Default)]
struct Draft {
    hub: String,
    node: String,
    rights: Vec<Right>,
    hours: i64,
}

impl Draft {
    fn of(fields: &Fields) -> Result<Self, Problem> {
        let refused = || Problem::BadRequest("The form contains a value that was not offered.".to_owned());
        let right = |name: &str| Right::ALL.into_iter().find(|right| right.name() == name);
        Ok(Self {
            hub: fields.one("hub")?.to_owned(),
            node: fields.one("node")?.to_owned(),
            rights: fields.all("right").map(right).collect::<Option<_>>().ok_or_else(refused)?,
            hours: number(fields.one("hours")?).map_err(|_| refused())?,
        })
    }

    fn order(&self, creator: UserId) -> Result<NewExport, Wrong> {
        let hub = HubId::new(&self.hub).map_err(|_| Wrong::new("hub", "token-wrong-hub"))?;
        let node = NodeId::new(&self.node).map_err(|_| Wrong::new("node", "token-wrong-node"))?;
        let bits = self.rights.iter().fold(0, |bits, right| bits | *right as i64);
        let mask = Mask::new(bits).map_err(|_| Wrong::new("right", "token-wrong-rights"))?;
        let expiry = ExpiryHours::new(self.hours).map_err(|_| Wrong::new("hours", "token-wrong-hours"))?;
        Ok(NewExport { creator, hub, node, mask, expiry })
    }
}

/// The form, with what was wrong the last time: the hubs that they administer, and no
/// rights beyond what they hold in any of these.
async fn form(
    services: &Services,
    visit: &Visit,
    me: UserId,
    draft: &Draft,
    wrong: Option<Wrong>,
) -> Result<HttpResponse, PageError> {
    let own = services.directory.read(move |conn| hubs::administered_by(conn, me, HUBS)).await?;
    let highest = own.iter().map(|(.., role)| *role).max();
    let hubs = own.iter().map(|(id, name, _)| {
        context! { id => id.as_str(), name => clean(name), chosen => id.as_str() == draft.hub }
    });
    let rights = highest.into_iter().flat_map(|role| role.privilege().rights()).map(|right| {
        let (name, ticked) = (right.name(), draft.rights.contains(&right));
        context! { name, ticked, words => word(right, visit) }
    });
    let hours = HOURS.into_iter().map(|hours| context! { hours, chosen => hours == draft.hours });
    let context = context! {
        hubs => hubs.collect::<Vec<Value>>(),
        rights => rights.collect::<Vec<Value>>(),
        hours => hours.collect::<Vec<Value>>(),
        node => &draft.node,
        wrong => Wrong::told(wrong),
    };
    let status = wrong.map_or(StatusCode::OK, |wrong| wrong.status);
    Ok(visit.page(status, "token-form", context))
}

/// Revokes an export token, as who has made it. Once more does no harm.
#[utoipa::path(
    post,
    path = "/tokens/{id}/revoke",
    operation_id = "revoke_token_by_page",
    security(()),
    params(("id" = String, Path, description = "The token's id.")),
    request_body(content = Csrf, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Revoked. Redirects to the list, or to the sign-in page."),
        AnyBody<Html>,
        May<Html, 403>,
        May<Html, 404>,
        May<Html, 503>,
    ),
)]
async fn revoke(services: Data<Services>, id: Path<String>, post: Post) -> Result<HttpResponse, PageError> {
    let me = post.user("/tokens")?.user.id;
    let which = ExportRef::parse(&id).filter(|which| which.digest.is_none()).ok_or(Problem::NotFound)?;
    match services.registry.revoke_export(which, me, post.visit.origin).await? {
        Some(_) => Ok(see_other("/tokens?done=token-revoked")),
        None => Err(Problem::NotFound.into()),
    }
}
