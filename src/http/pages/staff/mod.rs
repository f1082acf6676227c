//! `/staff`: the administration pages. Users who are not staff get 404.

mod bundles;
mod chart;
mod form_field;
mod hubs;
mod mail;
mod overview;
mod permissions;
mod user;
mod users;

use crate::http::routing::Endpoint;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let pages = [
        overview::endpoints(),
        users::endpoints(),
        user::endpoints(),
        hubs::endpoints(),
        bundles::endpoints(),
        permissions::endpoints(),
        mail::endpoints(),
    ];
    pages.into_iter().flatten().collect()
}
