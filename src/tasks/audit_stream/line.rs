//! The lines of the audit stream.

use serde::Serialize;
use serde_json::Value;

use crate::domain::audit::AuditSubjectRef;
use crate::domain::seal::SignedSeal;
use crate::domain::timestamp::Timestamp;
use crate::store::audit_log::AuditEntry;
use crate::store::audit_log::stream::{Step, StreamStart};

/// A line: a JSON object whose `type` says what it is about.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    /// What it is about: the action of an entry, or the type of another line.
    pub(super) topic: String,
    /// The object, without a line break.
    pub(super) json: String,
}

/// The first line of a stream.
#[derive(Serialize)]
struct StartedLine {
    r#type: &'static str,
    at: String,
    /// The last entry before the stream.
    after: Option<String>,
}

/// An entry, with the fields that the API shows to staff.
#[derive(Serialize)]
struct EntryLine<'a> {
    r#type: &'static str,
    id: String,
    at: String,
    action: &'a str,
    actor: Option<String>,
    address: Option<&'a str>,
    client: Option<&'a str>,
    resource_uri: String,
    subject: &'a str,
    subject_uri: Option<String>,
}

/// A seal. The line is an anchor for `countersign audit verify`.
#[derive(Serialize)]
struct SealLine {
    r#type: &'static str,
    #[serde(flatten)]
    seal: Value,
}

/// The lines of a step. `api` is the path of the API with the base path, such as `/api/`.
pub(super) fn lines(step: &Step, api: &str) -> Result<Vec<Line>, serde_json::Error> {
    let start = step.start.iter().map(|start| started(*start));
    let entries = step.entries.iter().map(|entry| self::entry(entry, api));
    start.chain(entries).chain(step.seals.iter().map(seal)).collect()
}

fn started(StreamStart { at, after }: StreamStart) -> Result<Line, serde_json::Error> {
    let line = StartedLine {
        r#type: "audit.stream_started",
        at: at.rfc3339(),
        after: after.map(|id| id.to_string()),
    };
    Ok(Line { at, topic: line.r#type.to_owned(), json: serde_json::to_string(&line)? })
}

fn entry(entry: &AuditEntry, api: &str) -> Result<Line, serde_json::Error> {
    let line = EntryLine {
        r#type: "audit.entry",
        id: entry.id.to_string(),
        at: entry.at.rfc3339(),
        action: &entry.action,
        actor: entry.actor.and_then(|user| AuditSubjectRef::User(user).path(api)),
        address: entry.ip.as_deref(),
        client: entry.user_agent.as_deref(),
        resource_uri: format!("{api}audit/{}/", entry.id),
        subject: &entry.subject,
        subject_uri: AuditSubjectRef::parse(&entry.subject).path(api),
    };
    Ok(Line { at: entry.at, topic: entry.action.clone(), json: serde_json::to_string(&line)? })
}

fn seal(signed: &SignedSeal) -> Result<Line, serde_json::Error> {
    let line = SealLine { r#type: "audit.seal", seal: signed.to_json() };
    let json = serde_json::to_string(&line)?;
    Ok(Line { at: signed.seal.sealed_at, topic: line.r#type.to_owned(), json })
}
