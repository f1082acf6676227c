//! The body of a delivery.

use serde::Serialize;

use crate::domain::audit::AuditAction;
use crate::domain::timestamp::Timestamp;

/// The body of the deliveries of an event, in JSON. `data` has ids and URIs; no token, secret or address.
pub fn payload(
    action: AuditAction,
    at: Timestamp,
    data: &impl Serialize,
) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Payload<'a, D> {
        r#type: &'static str,
        timestamp: String,
        data: &'a D,
    }
    serde_json::to_string(&Payload { r#type: action.name(), timestamp: at.rfc3339(), data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_type_time_and_data() {
        let at = Timestamp::from_micros(1_893_456_000_000_000);
        let body = payload(AuditAction::RequestApproved, at, &serde_json::json!({"request": "/x/1/"}));
        assert_eq!(
            body.unwrap(),
            r#"{"type":"request.approved","timestamp":"2030-01-01T00:00:00Z","data":{"request":"/x/1/"}}"#
        );
    }
}
