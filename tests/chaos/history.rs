//! The histories of the clients: operations on tokens with their times and outcomes.

use std::path::PathBuf;

use countersign::store::system_now;
use serde_json::{Value, json};

/// An operation on a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAction {
    /// `PUT` of a redeem token by its target.
    Redeem,
    /// `PUT` of a redeem token by a user who is not the target.
    RedeemAsStranger,
    /// `DELETE` of a redeem token by its target.
    Decline,
    /// `DELETE` of a request id by the requester.
    Withdraw,
    /// `POST` of the same request again, which replaces the older one.
    CreateAgain,
    /// `GET` of a redeem token by its target.
    View,
    /// `GET /authz` with an export token.
    Authorize,
    /// `mfs_api.revoke` of an export token by its creator.
    Revoke,
}

/// What the target decides: with `PUT` or `DELETE`, or with a `POST` that says more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Terms {
    /// Approves as asked, or declines without a reason.
    #[default]
    AsAsked,
    /// Approves only reading, or declines with a reason.
    FewerRights,
    /// Approves for a year, or declines with a reason.
    ShorterTime,
}

impl Terms {
    /// Other terms than as asked for a third of the numbers.
    pub fn from_number(number: usize) -> Self {
        match number % 6 {
            0 => Self::FewerRights,
            1 => Self::ShorterTime,
            _ => Self::AsAsked,
        }
    }
}

/// The outcome of an operation, as its client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Executed. Contains the part of the response that must be the same for the same idempotency
    /// key.
    Done(String),
    /// Rejected: the token is closed, or the requested permission is already active.
    Rejected,
    /// Not executed, according to the response, or because nothing was sent.
    NotExecuted,
    /// No response, or one that says that the outcome is unknown.
    Unknown,
    /// A response that no operation may get.
    Unexpected(u16, String),
}

/// An operation. The times are in microseconds of the database's clock.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    /// A unique id. The client sends it as `User-Agent`, which the audit log contains.
    pub id: u64,
    pub client: usize,
    pub replica: usize,
    pub action: TokenAction,
    pub terms: Terms,
    pub idempotency_key: Option<String>,
    pub invoked: i64,
    pub returned: i64,
    pub outcome: Outcome,
}

impl HistoryEntry {
    /// The latest time at which the operation can have taken effect. Unlimited if the outcome is
    /// unknown.
    pub fn latest_effect(&self) -> i64 {
        if self.outcome == Outcome::Unknown { i64::MAX } else { self.returned }
    }

    /// Whether the operation may have been executed.
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
            "act": format!("{:?}", self.action), "terms": format!("{:?}", self.terms), "key": self.idempotency_key,
            "invoked": self.invoked, "returned": self.returned, "answer": answer, "said": said,
        })
    }
}

/// The time of the database, which runs on the same machine.
pub fn now_micros() -> i64 {
    system_now().micros()
}

/// Writes histories to a file, one JSON object per line, and returns its path.
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
