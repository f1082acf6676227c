//! What clients saw: who tried what on which token, when, and what they were told.

use std::path::PathBuf;

use countersign::store::machine_now;
use serde_json::{Value, json};

/// Something that is tried on a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// `PUT` of a redeem token by its target.
    Redeem,
    /// The same by somebody who has no business with it.
    Steal,
    /// `DELETE` of a redeem token by its target.
    Decline,
    /// `DELETE` of a request's number by who asked.
    Withdraw,
    /// `POST` of the same request once more: the older one makes room.
    Ask,
    /// `GET` of a redeem token by its target.
    Look,
    /// `GET /authz` with an export token.
    Use,
    /// `mfs_api.revoke` of an export token by its creator.
    Revoke,
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done, and this came back: what must be the same under the same key.
    Done(String),
    /// No: the token is over, or what is asked for stands already.
    Refused,
    /// That nothing was done; or nothing was sent, because nobody listened.
    NotDone,
    /// Nothing, or that the outcome is unknown.
    Unknown,
    /// What nobody should be told.
    Odd(u16, String),
}

/// One try: from when it was sent to when its answer was there, in microseconds
/// of the clock that the database goes by.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its own, and told to the server as `User-Agent`: the audit trail names it.
    pub id: u64,
    /// The client.
    pub racer: usize,
    /// The replica that was asked.
    pub replica: usize,
    pub act: Act,
    /// The `Idempotency-Key` that it came with.
    pub key: Option<String>,
    pub invoked: i64,
    pub returned: i64,
    pub answer: Answer,
}

impl Entry {
    /// When it can have taken effect at the latest: for ever after, when nobody
    /// has said whether it did.
    pub fn latest(&self) -> i64 {
        if self.answer == Answer::Unknown { i64::MAX } else { self.returned }
    }

    /// Whether it can have been done.
    pub fn may_be_done(&self) -> bool {
        matches!(self.answer, Answer::Done(_) | Answer::Unknown)
    }

    fn line(&self, token: usize) -> Value {
        let (answer, said) = match &self.answer {
            Answer::Done(said) => ("ok", said.clone()),
            Answer::Refused => ("refused", String::new()),
            Answer::NotDone => ("fail", String::new()),
            Answer::Unknown => ("unknown", String::new()),
            Answer::Odd(status, said) => ("odd", format!("{status} {said}")),
        };
        json!({
            "token": token, "id": self.id, "process": self.racer, "replica": self.replica,
            "act": format!("{:?}", self.act), "key": self.key,
            "invoked": self.invoked, "returned": self.returned, "answer": answer, "said": said,
        })
    }
}

/// The moment, as the database on this machine has it too.
pub fn now() -> i64 {
    machine_now().micros()
}

/// Writes histories down for whoever looks for what went wrong: a line of JSON an
/// entry. Where to.
pub fn write_down<'a>(name: &str, histories: impl Iterator<Item = (usize, &'a [Entry])>) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(format!("{name}.jsonl"));
    let lines = histories.flat_map(|(token, entries)| entries.iter().map(move |entry| entry.line(token)));
    std::fs::write(&path, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    path
}
