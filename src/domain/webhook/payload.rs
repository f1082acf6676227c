//! The body of a delivery.

use serde::Serialize;

use crate::domain::audit::AuditAction;
use crate::domain::timestamp::Timestamp;

/// The type of the event that the owner of a webhook queues to test it.
pub const TEST_EVENT: &str = "webhook.test";

/// The name of a type of events: an audit action, or [`TEST_EVENT`].
pub fn event_type(name: &str) -> Option<&'static str> {
    let action = || AuditAction::from_name(name).map(AuditAction::name);
    if name == TEST_EVENT { Some(TEST_EVENT) } else { action() }
}

/// The body of the deliveries of an event, in JSON. `data` has ids and URIs; no token, secret or address.
pub fn payload(event_type: &str, at: Timestamp, data: &impl Serialize) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Payload<'a, D> {
        r#type: &'a str,
        timestamp: String,
        data: &'a D,
    }
    serde_json::to_string(&Payload { r#type: event_type, timestamp: at.rfc3339(), data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_event_is_no_audit_action() {
        assert_eq!(AuditAction::from_name(TEST_EVENT), None);
    }

    #[test]
    fn the_body_has_type_time_and_data() {
        let at = Timestamp::from_micros(1_893_456_000_000_000);
        let body = payload("request.approved", at, &serde_json::json!({"request": "/x/1/"}));
        assert_eq!(
            body.unwrap(),
            r#"{"type":"request.approved","timestamp":"2030-01-01T00:00:00Z","data":{"request":"/x/1/"}}"#
        );
    }
}
