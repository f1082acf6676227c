//! The operator's probes.

use actix_web::web::ServiceConfig;

/// Puts the probes in place.
pub fn routes(_app: &mut ServiceConfig) {}
