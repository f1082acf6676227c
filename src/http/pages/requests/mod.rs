//! `/requests`: the permission requests that the signed-in user created, their history, and
//! the users whose requests they do not accept.

mod actions;
mod list;
mod new_request;
mod timeline;

use crate::http::routing::{Endpoint, endpoints};

pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints![
        list::show,
        actions::close,
        actions::resend,
        actions::block,
        actions::unblock,
        new_request::show,
        new_request::create,
        timeline::show,
    ]
}
