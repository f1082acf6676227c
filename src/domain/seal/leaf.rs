//! What a seal covers of an audit entry.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::merkle::{Hash, leaf_hash};
use crate::domain::timestamp::Timestamp;

/// The length of the salt of a commitment.
pub const SALT_BYTES: usize = 16;

/// The first byte of the content of a leaf.
const VERSION: u8 = 1;

/// An audit entry as it is stored. Its position is covered by the order of the leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    pub id: Uuid,
    pub at: Timestamp,
    pub actor: Option<i64>,
    pub action: String,
    pub subject: String,
    pub affected_users: [Option<i64>; 2],
    pub client: StoredClient,
}

/// The address and the client in an audit entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredClient {
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub salt: Option<Vec<u8>>,
    /// What replaces the others when they are erased.
    pub commitment: Option<Vec<u8>>,
}

impl StoredClient {
    /// A commitment to the address and the client: their HMAC-SHA-256 with the salt as the key. `None` if there is
    /// neither.
    ///
    /// The stored commitment counts only when everything else is erased. Otherwise a changed address could hide
    /// behind it.
    pub fn commitment(&self) -> Option<Vec<u8>> {
        if self.ip.is_none() && self.user_agent.is_none() && self.salt.is_none() {
            return self.commitment.clone();
        }
        let mut content = Vec::new();
        put_optional(&mut content, self.ip.as_deref().map(str::as_bytes));
        put_optional(&mut content, self.user_agent.as_deref().map(str::as_bytes));
        // HMAC accepts keys of every length.
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.salt.as_deref().unwrap_or_default());
        mac.ok().map(|mac| mac.chain_update(&content).finalize().into_bytes().to_vec())
    }
}

impl StoredEntry {
    /// The hash of the entry's leaf.
    pub fn leaf(&self) -> Hash {
        leaf_hash(&self.content())
    }

    /// All fields in this order. Each has a fixed length, or its length before it.
    fn content(&self) -> Vec<u8> {
        let mut content = vec![VERSION];
        content.extend(self.id.as_bytes());
        content.extend(self.at.micros().to_be_bytes());
        let [first, second] = self.affected_users;
        for user in [self.actor, first, second] {
            put_optional(&mut content, user.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        }
        put(&mut content, self.action.as_bytes());
        put(&mut content, self.subject.as_bytes());
        put_optional(&mut content, self.client.commitment().as_deref());
        content
    }
}

/// Appends the length as four bytes, then the bytes.
fn put(content: &mut Vec<u8>, bytes: &[u8]) {
    content.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    content.extend(bytes);
}

/// Appends 1 and the bytes, or 0.
fn put_optional(content: &mut Vec<u8>, bytes: Option<&[u8]>) {
    content.push(u8::from(bytes.is_some()));
    if let Some(bytes) = bytes {
        put(content, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> StoredEntry {
        StoredEntry {
            id: Uuid::from_u128(0x0192_7a3b),
            at: Timestamp::from_micros(1_893_456_000_000_001),
            actor: Some(3),
            action: "request.approved".to_owned(),
            subject: "request:12".to_owned(),
            affected_users: [Some(4), None],
            client: StoredClient {
                ip: Some("192.0.2.1".to_owned()),
                user_agent: Some("curl".to_owned()),
                salt: Some(vec![7; SALT_BYTES]),
                commitment: None,
            },
        }
    }

    #[test]
    fn every_field_changes_the_leaf() {
        let changes: [fn(&mut StoredEntry); 12] = [
            |entry| entry.id = Uuid::nil(),
            |entry| entry.at = Timestamp::from_micros(1_893_456_000_000_000),
            |entry| entry.actor = None,
            |entry| entry.actor = Some(4),
            |entry| entry.action = "request.declined".to_owned(),
            |entry| entry.subject = "request:1".to_owned(),
            |entry| entry.affected_users = [None, Some(4)],
            |entry| entry.affected_users = [Some(4), Some(4)],
            |entry| entry.client.ip = None,
            |entry| entry.client.user_agent = Some("curl ".to_owned()),
            |entry| entry.client.salt = None,
            |entry| entry.client = StoredClient::default(),
        ];
        for (nth, change) in changes.iter().enumerate() {
            let mut changed = entry();
            change(&mut changed);
            assert_ne!(changed.leaf(), entry().leaf(), "change {nth}");
        }
    }

    #[test]
    fn a_text_cannot_move_into_the_next_field() {
        let mut moved = entry();
        (moved.action, moved.subject) = ("request.approvedr".to_owned(), "equest:12".to_owned());
        assert_ne!(moved.leaf(), entry().leaf());
        moved = entry();
        (moved.client.ip, moved.client.user_agent) = (Some("192.0.2.1c".to_owned()), Some("url".to_owned()));
        assert_ne!(moved.leaf(), entry().leaf());
    }

    #[test]
    fn erasing_the_client_keeps_the_leaf() {
        let commitment = entry().client.commitment();
        let erased = StoredClient { commitment, ..StoredClient::default() };
        assert_eq!(StoredEntry { client: erased.clone(), ..entry() }.leaf(), entry().leaf());
        let other = StoredClient { ip: Some("192.0.2.2".to_owned()), ..erased };
        assert_ne!(StoredEntry { client: other, ..entry() }.leaf(), entry().leaf());
    }

    #[test]
    fn the_content_never_changes() {
        let content: String = entry().content().iter().map(|byte| format!("{byte:02x}")).collect();
        // Version, id, time, three users, action, subject, commitment.
        let expected = "01 0000000000000000000000000192 7a3b 0006ba1694472001 01 00000008 0000000000000003 \
                        01 00000008 0000000000000004 00 00000010 726571756573742e617070726f766564 \
                        0000000a 726571756573743a3132 \
                        01 00000020 f115870919df5a7e4485bc645852049746448036f63894d5269b44048415ac8e";
        assert_eq!(content, expected.replace(' ', ""));
    }
}
