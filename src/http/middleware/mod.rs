//! What happens to a request before and after its handler. [`request`] wraps the app,
//! [`handler`] wraps each resource.

pub mod admission;
pub mod cors;
pub mod cross_site;
pub mod handler;
pub mod path;
pub mod request;
pub mod response_delay;
pub mod upgrade;
