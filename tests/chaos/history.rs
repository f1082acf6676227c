//! What clients saw: who tried what on which token, when, and what they were told.

use std::path::PathBuf;

use countersign::store::system_now;
use serde_json::{Value, json};

/// Something that is tried on a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAction {
    /// `PUT` of a redeem token by its target.
    Redeem,
    /// The same by somebody who has no business with it.
    RedeemAsStranger,
    /// `DELETE` of a redeem token by its target.
    Decline,
    /// `DELETE` of a request's number by who asked.
    Withdraw,
    /// `POST` of the same request once more: the older one makes room.
    CreateAgain,
    /// `GET` of a redeem token by its target.
    View,
    /// `GET /authz` with an export token.
    Authorize,
    /// `mfs_api.revoke` of an export token by its creator.
    Revoke,
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, and this came back: what must be the same under the same key.
    Done(String),
    /// No: the token is over, or what is asked for stands already.
    Rejected,
    /// That nothing was done; or nothing was sent, because nobody listened.
    NotExecuted,
    /// Nothing, or that the outcome is unknown.
    Unknown,
    /// What nobody should be told.
    Unexpected(u16, String),
}

/// One try: from when it was sent to when its answer was there, in microseconds
/// of the clock that the database goes by.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    /// Its own, and told to the server as `User-Agent`: the audit trail names it.
    pub id: u64,
    /// The client.
    pub client: usize,
    /// The replica that was asked.
    pub replica: usize,
    pub action: TokenAction,
    /// The `Idempotency-Key` that it came with.
    pub idempotency_key: Option<String>,
    pub invoked: i64,
    pub returned: i64,
    pub outcome: Outcome,
}

impl HistoryEntry {
    /// When it can have taken effect at the latest: for ever after, when nobody
    /// has said whether it did.
    pub fn latest_effect(&self) -> i64 {
        if self.outcome == Outcome::Unknown { i64::MAX } else { self.returned }
    }

    /// Whether it can have been done.
    pub fn may_have_succeeded(&self) -> bool {
        matches!(self.outcome, Outcome::Done(_) | Outcome::Unknown)
    }

    fn to_json(&self, token: usize) -> Value {
        let (answer, said) = match &self.outcome {
            Outcome::Done(said) => ("ok", said.clone()),
            Outcome::Rejected => ("refused", String::new()),
            Outcome::NotExecuted => ("fail", String::new()),
            Outcome::Unknown => ("unknown", String::new()),
            Outcome::Unexpected(status, said) => ("odd", format!("{status} {said}")),
        };
        json!({
            "token": token, "id": self.id, "process": self.client, "replica": self.replica,
            "act": format!("{:?}", self.action), "key": self.idempotency_key,
            "invoked": self.invoked, "returned": self.returned, "answer": answer, "said": said,
        })
    }
}

/// The moment, as the database on this machine has it too.
pub fn now_micros() -> i64 {
    system_now().micros()
}

/// Writes histories down for whoever looks for what went wrong: a line of JSON an
/// entry. Where to.
pub fn save_histories<'a>(
    name: &str,
    histories: impl Iterator<Item = (usize, &'a [HistoryEntry])>,
) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(format!("{name}.jsonl"));
    let lines = histories.flat_map(|(token, entries)| entries.iter().map(move |entry| entry.to_json(token)));
    std::fs::write(&path, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    path
}
