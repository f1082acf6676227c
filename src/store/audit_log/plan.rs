//! The plan of a query of the audit log: which indexes to scan for a filter.

use uuid::Uuid;

use crate::domain::audit::AuditAction;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;

/// Conditions on entries, all of which must hold. `None` does not restrict.
#[derive(Clone, Debug, Default)]
pub struct AuditLogFilter {
    /// The entries that this user may see: as their actor or as an affected user. `None` shows
    /// all entries, for staff.
    pub viewer: Option<UserId>,
    pub actions: Option<Vec<AuditAction>>,
    pub subject: Option<String>,
    pub actors: Option<Vec<UserId>>,
    /// The first time included.
    pub from: Option<Timestamp>,
    /// The first time excluded.
    pub until: Option<Timestamp>,
    /// Only older entries than this one: the last one of the previous page.
    pub before: Option<Uuid>,
}

/// An index that contains entries in the order of time, and the key to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IndexScan<'a> {
    FullLog,
    Subject(&'a str),
    Actor(UserId),
    AffectedUser1(UserId),
    AffectedUser2(UserId),
    Action(AuditAction),
}

impl AuditLogFilter {
    /// The scans that together find every matching entry other than approvals, and the fewest
    /// others.
    pub(super) fn index_scans(&self) -> Vec<IndexScan<'_>> {
        if let Some(subject) = &self.subject {
            // A text without a type is no subject. It may be a secret, so the database does not
            // see it.
            return if subject.contains(':') { vec![IndexScan::Subject(subject)] } else { Vec::new() };
        }
        if let Some(viewer) = self.viewer {
            let affected = [IndexScan::AffectedUser1(viewer), IndexScan::AffectedUser2(viewer)];
            return [&[IndexScan::Actor(viewer)][..], &affected].concat();
        }
        if let Some(actors) = &self.actors {
            return actors.iter().copied().map(IndexScan::Actor).collect();
        }
        let Some(actions) = &self.actions else { return vec![IndexScan::FullLog] };
        let scan = |action: &AuditAction| match action {
            // Approvals are frequent enough to be found by reading the log backwards.
            AuditAction::RequestApproved => IndexScan::FullLog,
            action => IndexScan::Action(*action),
        };
        actions.iter().map(scan).collect()
    }

    /// Whether approvals can match.
    pub(super) fn includes_approvals(&self) -> bool {
        self.actions.as_ref().is_none_or(|actions| actions.contains(&AuditAction::RequestApproved))
    }
}
