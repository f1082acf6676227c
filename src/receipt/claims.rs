//! What a receipt says, as a pure function of what is stored: the same row always gives the same
//! receipt.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::statement::{Statement, StatementFacts};
use crate::config::Controller;
use crate::domain::approval::Purpose;
use crate::domain::rights::Mask;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{User, UserId};

/// The version of the record's structure.
const SCHEMA_VERSION: &str = "countersign consent record 1";

/// Which receipt of a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptEvent {
    /// The permission began.
    Given,
    /// It was revoked, given up, or replaced by another one.
    Withdrawn,
    /// Its time is over.
    Expired,
}

impl ReceiptEvent {
    /// Finds an event by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Given, Self::Withdrawn, Self::Expired].into_iter().find(|event| event.name() == name)
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }
}

/// How a permission began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// The target approved the request on our page, which showed this statement.
    Page { statement: &'a str },
    /// The target approved the request through the API.
    Api,
    /// Nobody asked: the target or staff granted it.
    Direct,
}

/// How and when a permission ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptEnd {
    pub at: Timestamp,
    pub event: ReceiptEvent,
    pub replaced: bool,
}

/// What a permission's row, its parties and its bundle say.
#[derive(Clone, Copy, Debug)]
pub struct ReceiptFacts<'a> {
    pub number: i64,
    pub target: &'a User,
    /// What was asked for, by the user who received the permission.
    pub asked: StatementFacts<'a>,
    /// Who asked, or granted: staff on behalf of a party, or the party.
    pub asked_by: UserId,
    pub asked_at: Timestamp,
    pub origin: Origin<'a>,
    pub decided_at: Timestamp,
    pub granted: Mask,
    pub expires_at: Option<Timestamp>,
    pub end: Option<ReceiptEnd>,
}

impl ReceiptFacts<'_> {
    /// The event of the latest receipt.
    pub fn latest_event(&self) -> ReceiptEvent {
        self.end.map_or(ReceiptEvent::Given, |end| end.event)
    }

    /// The claims of the receipt of this event. `None`: the event has not happened.
    pub fn claims(&self, event: ReceiptEvent, public_url: &str, controller: &Controller) -> Option<Value> {
        let end = match event {
            ReceiptEvent::Given => None,
            ReceiptEvent::Withdrawn | ReceiptEvent::Expired => {
                Some(self.end.filter(|end| end.event == event)?)
            }
        };
        let uris = Uris { public_url };
        let record_id = format!("{public_url}/api/bundle_permission/{}/", self.number);
        let (target, recipient) = (uris.user(self.target.id), uris.user(self.asked.requester.id));
        let mut events = vec![self.beginning(&uris)];
        events.extend(end.map(|end| self.ending(end, &uris)));
        Some(json!({
            "iss": public_url,
            "sub": target,
            "aud": recipient,
            "jti": format!("{record_id}receipt/?event_type={}", event.name()),
            "iat": end.map_or(self.decided_at, |end| end.at).seconds(),
            "record": {
                "schema_version": SCHEMA_VERSION,
                "record_id": record_id,
                "pii_principal_id": target,
                "pii_processing": {
                    "privacy_notice": self.notice(controller),
                    "purposes": [self.purpose(&uris)],
                },
                "parties": self.parties(&uris, controller),
                "events": events,
            },
        }))
    }

    /// Whether the target decided, and not staff on their behalf.
    fn is_by_target(&self) -> bool {
        self.origin != Origin::Direct || self.asked_by == self.target.id
    }

    /// The text that the target saw.
    fn notice(&self, controller: &Controller) -> Value {
        let shown = match self.origin {
            Origin::Page { statement } => {
                let known: Option<Statement> = statement.parse().ok();
                let text = known.map(|known| known.text(&self.asked));
                json!({
                    "shown": true,
                    "version": statement,
                    "language": known.map(|known| known.language().tag()),
                    "sha256": text.as_deref().map(sha256_hex),
                    "text": text,
                })
            }
            Origin::Api => json!({
                "shown": false,
                "detail": "The target decided through the API. Only the application knows what it showed.",
            }),
            Origin::Direct if self.is_by_target() => json!({
                "shown": false,
                "detail": "The target granted the permission without a request.",
            }),
            Origin::Direct => json!({
                "shown": false,
                "detail": "An administrator granted the permission. The target was not asked.",
            }),
        };
        let policy_url = controller.policy_url.as_ref().map(|url| url.as_str());
        merge(shown, json!({ "policy_url": policy_url }))
    }

    fn purpose(&self, uris: &Uris<'_>) -> Value {
        let StatementFacts { requester, bundle, purpose, asked } = self.asked;
        let request = json!({
            "time": self.asked_at.rfc3339(),
            "entity_id": uris.user(self.asked_by),
            "rights": rights(asked.permission),
            "minimum": asked.minimum.map(rights),
            "duration": asked.ttl_seconds.map(iso_duration),
        });
        json!({
            "purpose": purpose.map(Purpose::as_str),
            "lawful_basis": self.is_by_target().then_some("consent"),
            "service": {
                "id": format!("{}/api/bundle/{}/", uris.public_url, bundle.id),
                "name": bundle.name.as_str(),
                "description": bundle.description.as_str(),
            },
            "request": (self.origin != Origin::Direct).then_some(request),
            "processing_method": rights(self.granted),
            "pii_controllers": [uris.public_url],
            "recipient_third_parties": [uris.user(requester.id)],
            "withdrawal_method": format!("{}/access", uris.public_url),
        })
    }

    fn parties(&self, uris: &Uris<'_>, controller: &Controller) -> Vec<Value> {
        let person = |user: &User, role: &str| json!({ "party_id": uris.user(user.id), "party_role": role, "party_email": user.email.as_str() });
        let requester = self.asked.requester;
        let mut parties = vec![person(self.target, "pii_principal"), person(requester, "recipient")];
        if self.asked_by != self.target.id && self.asked_by != requester.id {
            parties.push(json!({ "party_id": uris.user(self.asked_by), "party_role": "administrator" }));
        }
        parties.push(json!({
            "party_id": uris.public_url,
            "party_role": "pii_controller",
            "party_name": controller.name,
            "party_address": controller.address,
            "party_contact": controller.contact.as_ref().map(|url| url.as_str()),
            "party_url": controller.policy_url.as_ref().map(|url| url.as_str()),
        }));
        parties
    }

    fn beginning(&self, uris: &Uris<'_>) -> Value {
        let (by, method) = match self.origin {
            Origin::Page { .. } => (self.target.id, "page"),
            Origin::Api => (self.target.id, "api"),
            Origin::Direct => (self.asked_by, "direct"),
        };
        json!({
            "event_type": ReceiptEvent::Given.name(),
            "event_time": self.decided_at.rfc3339(),
            "entity_id": uris.user(by),
            "method": method,
            "validity_duration": self.expires_at.map(|end| iso_duration(self.decided_at.seconds_until(end))),
            "valid_until": self.expires_at.map(Timestamp::rfc3339),
        })
    }

    /// The row does not say who revoked the permission; the audit log does.
    fn ending(&self, end: ReceiptEnd, uris: &Uris<'_>) -> Value {
        let detail = match (end.event, end.replaced) {
            (ReceiptEvent::Expired, _) => "The time of the permission was over.",
            (_, true) => "Another permission for the same bundle between the same parties replaced it.",
            (_, false) => "One of the parties or the operator ended the permission.",
        };
        let by = match end.event {
            ReceiptEvent::Expired => Some(uris.public_url.to_owned()),
            _ => end.replaced.then(|| uris.user(self.target.id)),
        };
        json!({
            "event_type": end.event.name(),
            "event_time": end.at.rfc3339(),
            "entity_id": by,
            "detail": detail,
        })
    }
}

/// The URIs in receipts, which are absolute: a receipt is read elsewhere.
struct Uris<'a> {
    public_url: &'a str,
}

impl Uris<'_> {
    fn user(&self, id: UserId) -> String {
        format!("{}/api/user/{id}/", self.public_url)
    }
}

fn rights(mask: Mask) -> Vec<&'static str> {
    mask.rights().map(|right| right.name()).collect()
}

/// A duration of ISO 8601.
fn iso_duration(seconds: i64) -> String {
    if seconds % 86_400 == 0 { format!("P{}D", seconds / 86_400) } else { format!("PT{seconds}S") }
}

fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An object with the members of both.
fn merge(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::approval::AskedPermission;
    use crate::domain::bundle::{Bundle, BundleId, BundleName, Description};
    use crate::domain::user::{Email, PersonName};

    const URL: &str = "https://host.test/consent";
    const DECIDED_AT: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

    fn user(id: i64, email: &str) -> User {
        User {
            id: UserId(id),
            email: Email::new(email).unwrap(),
            first_name: PersonName::default(),
            last_name: PersonName::default(),
            active: true,
            staff: false,
        }
    }

    /// The claims of an event of a permission that was changed by `change`.
    fn claims(event: ReceiptEvent, change: impl Fn(&mut ReceiptFacts<'_>)) -> Option<Value> {
        let (target, requester) = (user(3, "grace@example.org"), user(9, "ada@example.org"));
        let bundle = Bundle {
            id: BundleId(5),
            name: BundleName::new("Sleep").unwrap(),
            description: Description::new("How you sleep").unwrap(),
            permission: Mask::new(14).unwrap(),
        };
        let purpose = Purpose::new("A study").unwrap();
        let mut facts = ReceiptFacts {
            number: 7,
            target: &target,
            asked: StatementFacts {
                requester: &requester,
                bundle: &bundle,
                purpose: Some(&purpose),
                asked: AskedPermission {
                    permission: Mask::new(6).unwrap(),
                    minimum: Some(Mask::READ),
                    ttl_seconds: Some(30 * 86_400),
                },
            },
            asked_by: UserId(9),
            asked_at: DECIDED_AT.plus_seconds(-3_600),
            origin: Origin::Page { statement: "en/1" },
            decided_at: DECIDED_AT,
            granted: Mask::READ,
            expires_at: Some(DECIDED_AT.plus_seconds(86_400)),
            end: None,
        };
        change(&mut facts);
        let controller = Controller {
            name: Some("Our Institute".to_owned()),
            address: None,
            contact: Some("mailto:privacy@example.org".parse().unwrap()),
            policy_url: Some("https://example.org/privacy".parse().unwrap()),
        };
        facts.claims(event, URL, &controller)
    }

    fn ended(event: ReceiptEvent, replaced: bool) -> Option<ReceiptEnd> {
        Some(ReceiptEnd { at: DECIDED_AT.plus_seconds(60), event, replaced })
    }

    #[test]
    fn a_receipt_says_who_asked_for_what_and_what_was_decided_when_and_how() {
        let claims = claims(ReceiptEvent::Given, |_| {}).unwrap();
        let notice = &claims["record"]["pii_processing"]["privacy_notice"];
        let text = notice["text"].as_str().unwrap();
        assert!(text.starts_with("ada@example.org asks you for a permission: “Sleep”.\n"), "{text}");
        let user = |id: i64| format!("https://host.test/consent/api/user/{id}/");
        let expected = json!({
            "iss": URL,
            "sub": user(3),
            "aud": user(9),
            "jti": "https://host.test/consent/api/bundle_permission/7/receipt/?event_type=given",
            "iat": 1_893_456_000,
            "record": {
                "schema_version": "countersign consent record 1",
                "record_id": "https://host.test/consent/api/bundle_permission/7/",
                "pii_principal_id": user(3),
                "pii_processing": {
                    "privacy_notice": {
                        "shown": true,
                        "version": "en/1",
                        "language": "en",
                        "text": text,
                        "sha256": sha256_hex(text),
                        "policy_url": "https://example.org/privacy",
                    },
                    "purposes": [{
                        "purpose": "A study",
                        "lawful_basis": "consent",
                        "service": {
                            "id": "https://host.test/consent/api/bundle/5/",
                            "name": "Sleep",
                            "description": "How you sleep",
                        },
                        "request": {
                            "time": "2029-12-31T23:00:00Z",
                            "entity_id": user(9),
                            "rights": ["read", "get"],
                            "minimum": ["read"],
                            "duration": "P30D",
                        },
                        "processing_method": ["read"],
                        "pii_controllers": [URL],
                        "recipient_third_parties": [user(9)],
                        "withdrawal_method": "https://host.test/consent/access",
                    }],
                },
                "parties": [
                    { "party_id": user(3), "party_role": "pii_principal", "party_email": "grace@example.org" },
                    { "party_id": user(9), "party_role": "recipient", "party_email": "ada@example.org" },
                    {
                        "party_id": URL,
                        "party_role": "pii_controller",
                        "party_name": "Our Institute",
                        "party_address": null,
                        "party_contact": "mailto:privacy@example.org",
                        "party_url": "https://example.org/privacy",
                    },
                ],
                "events": [{
                    "event_type": "given",
                    "event_time": "2030-01-01T00:00:00Z",
                    "entity_id": user(3),
                    "method": "page",
                    "validity_duration": "P1D",
                    "valid_until": "2030-01-02T00:00:00Z",
                }],
            },
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn a_second_receipt_says_how_the_permission_ended() {
        for (event, replaced, by) in [
            (ReceiptEvent::Expired, false, json!(URL)),
            (ReceiptEvent::Withdrawn, false, Value::Null),
            (ReceiptEvent::Withdrawn, true, json!("https://host.test/consent/api/user/3/")),
        ] {
            let claims_of = |of| claims(of, |facts| facts.end = ended(event, replaced));
            let second = claims_of(event).unwrap();
            assert_eq!(second["iat"], 1_893_456_060);
            assert!(second["jti"].as_str().unwrap().ends_with(&format!("?event_type={}", event.name())));
            let events = second["record"]["events"].as_array().unwrap();
            let given = claims(ReceiptEvent::Given, |_| {}).unwrap();
            assert_eq!(events[0], given["record"]["events"][0]);
            assert_eq!((&events[1]["event_type"], &events[1]["entity_id"]), (&json!(event.name()), &by));
            assert_eq!(events[1]["event_time"], "2030-01-01T00:01:00Z");
            assert_eq!(events[1]["detail"].as_str().unwrap().contains("replaced"), replaced);
            assert_eq!(claims_of(ReceiptEvent::Given), Some(given), "the first receipt stays the same");
            let other =
                [ReceiptEvent::Withdrawn, ReceiptEvent::Expired].into_iter().find(|other| *other != event);
            assert_eq!(claims_of(other.unwrap()), None);
        }
        assert_eq!(claims(ReceiptEvent::Withdrawn, |_| {}), None);
    }

    #[test]
    fn a_receipt_does_not_claim_that_a_text_was_shown_or_that_the_target_was_asked() {
        let of = |origin, asked_by| {
            claims(ReceiptEvent::Given, |facts| {
                (facts.origin, facts.asked_by) = (origin, UserId(asked_by));
            })
            .unwrap()
        };
        for (origin, by, method, basis, decided_by) in [
            (Origin::Api, 9, "api", json!("consent"), 3),
            (Origin::Direct, 3, "direct", json!("consent"), 3),
            (Origin::Direct, 1, "direct", Value::Null, 1),
        ] {
            let claims = of(origin, by);
            let record = &claims["record"];
            let (notice, purpose) =
                (&record["pii_processing"]["privacy_notice"], &record["pii_processing"]["purposes"][0]);
            assert_eq!((&notice["shown"], &notice["text"]), (&json!(false), &Value::Null));
            assert_eq!(purpose["lawful_basis"], basis);
            assert_eq!(purpose["request"].is_null(), origin == Origin::Direct);
            let event = &record["events"][0];
            assert_eq!(event["method"], method);
            assert_eq!(event["entity_id"], format!("{URL}/api/user/{decided_by}/"));
            let administrator = record["parties"].as_array().unwrap().iter();
            let administrators = administrator.filter(|party| party["party_role"] == "administrator").count();
            assert_eq!(administrators, usize::from(by == 1));
        }
        // Staff asked on behalf of the requester; the target decided.
        let claims = of(Origin::Api, 1);
        assert_eq!(claims["record"]["parties"][2]["party_role"], "administrator");
        assert_eq!(claims["record"]["pii_processing"]["purposes"][0]["lawful_basis"], "consent");
    }

    #[test]
    fn the_statement_of_a_later_version_is_named_without_its_text() {
        let claims =
            claims(ReceiptEvent::Given, |facts| facts.origin = Origin::Page { statement: "fr/9" }).unwrap();
        let notice = &claims["record"]["pii_processing"]["privacy_notice"];
        assert_eq!((&notice["shown"], &notice["version"]), (&json!(true), &json!("fr/9")));
        assert!(notice["text"].is_null() && notice["sha256"].is_null() && notice["language"].is_null());
    }

    #[test]
    fn a_permission_without_an_end_has_no_duration() {
        let claims = claims(ReceiptEvent::Given, |facts| facts.expires_at = None).unwrap();
        let event = &claims["record"]["events"][0];
        assert!(event["validity_duration"].is_null() && event["valid_until"].is_null());
        assert_eq!(claims.get("exp"), None, "a receipt stays true");
    }
}
