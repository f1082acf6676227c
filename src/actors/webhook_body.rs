//! The body of a delivery, which is made from the audit entry at each attempt.

use serde::Serialize;
use uuid::Uuid;

use crate::domain::audit::AuditSubjectRef;
use crate::domain::webhook::{TEST_EVENT, WebhookId, payload};
use crate::store::webhook_deliveries::Event;

/// The `data` of an event of the audit log. The fields are those of the entry in the API.
#[derive(Serialize)]
struct EntryData<'a> {
    id: String,
    resource_uri: String,
    actor: Option<String>,
    subject: &'a str,
    subject_uri: Option<String>,
    /// The permission that an approval has led to.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<String>,
}

/// The `data` of a test.
#[derive(Serialize)]
struct TestData {
    webhook: Option<String>,
}

/// The event's id, and the body for one webhook. `api` is the path of the API with the base path, such as `/api/`.
pub(super) fn id_and_body(
    event: &Event,
    webhook: WebhookId,
    api: &str,
) -> (Uuid, Result<String, serde_json::Error>) {
    match event {
        Event::Test { id, at } => {
            let data = TestData { webhook: AuditSubjectRef::Webhook(webhook).path(api) };
            (*id, payload(TEST_EVENT, *at, &data))
        }
        Event::Entry { entry, permission } => {
            let permission = permission.map(AuditSubjectRef::BundlePermission);
            let data = EntryData {
                id: entry.id.to_string(),
                resource_uri: format!("{api}audit/{}/", entry.id),
                actor: entry.actor.and_then(|user| AuditSubjectRef::User(user).path(api)),
                subject: &entry.subject,
                subject_uri: AuditSubjectRef::parse(&entry.subject).path(api),
                permission: permission.and_then(|permission| permission.path(api)),
            };
            (entry.id, payload(&entry.action, entry.at, &data))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::AuditAction;
    use crate::domain::bundle_permission::BundlePermissionId;
    use crate::domain::timestamp::Timestamp;
    use crate::domain::user::UserId;
    use crate::store::audit_log::AuditEntry;

    #[test]
    fn a_body_has_ids_and_uris_and_nothing_about_the_client() {
        let (id, at) = (Uuid::from_u128(7), Timestamp::from_micros(1_893_456_000_000_000));
        let entry = AuditEntry {
            id,
            at,
            actor: Some(UserId(3)),
            action: "request.approved".to_owned(),
            subject: "request:12".to_owned(),
            ip: Some("192.0.2.1".to_owned()),
            user_agent: Some("Mozilla".to_owned()),
            affected_users: [Some(UserId(4)), None],
        };
        let event = Event::Entry { entry, permission: Some(BundlePermissionId(12)) };
        let (sent_id, body) = id_and_body(&event, WebhookId(1), "/consent/api/");
        assert_eq!(sent_id, id);
        assert_eq!(
            body.unwrap(),
            r#"{"type":"request.approved","timestamp":"2030-01-01T00:00:00Z","data":{"id":"00000000-0000-0000-0000-000000000007","resource_uri":"/consent/api/audit/00000000-0000-0000-0000-000000000007/","actor":"/consent/api/user/3/","subject":"request:12","subject_uri":"/consent/api/bundle_permission_request/12/","permission":"/consent/api/bundle_permission/12/"}}"#
        );
        let (_, body) = id_and_body(&Event::Test { id, at }, WebhookId(9), "/api/");
        assert_eq!(
            body.unwrap(),
            r#"{"type":"webhook.test","timestamp":"2030-01-01T00:00:00Z","data":{"webhook":"/api/webhook/9/"}}"#
        );
    }

    #[test]
    fn the_longest_body_has_less_than_20_kilobytes() {
        let (id, at) = (Uuid::from_u128(u128::MAX), Timestamp::from_micros(253_402_300_799_999_999));
        // The longest subject is the role of a user in a hub, whose name has 64 characters.
        let name = "\u{10ffff}".repeat(64);
        let action = AuditAction::ALL.iter().map(|action| action.name()).max_by_key(|name| name.len());
        let entry = AuditEntry {
            id,
            at,
            actor: Some(UserId(i64::MAX)),
            action: action.unwrap().to_owned(),
            subject: format!("hub:{name}/user:{}", i64::MAX),
            ip: None,
            user_agent: None,
            affected_users: [None, None],
        };
        let event = Event::Entry { entry, permission: Some(BundlePermissionId(i64::MAX)) };
        // A long base path.
        let api = format!("/{}/api/", "x".repeat(2_000));
        let (_, body) = id_and_body(&event, WebhookId(i64::MAX), &api);
        let length = body.unwrap().len();
        assert!((4_000..20_000).contains(&length), "{length}");
    }
}
