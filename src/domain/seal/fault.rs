//! What is wrong with a sealed audit log.

use uuid::Uuid;

use crate::domain::jws::InvalidJws;

/// The first fault of a sealed audit log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("entry {id} of the audit log was changed after it was sealed (seal {seal})")]
    EntryChanged { seal: i64, id: Uuid },
    #[error("entry {id} was inserted into the audit log among the entries of seal {seal}")]
    EntryInserted { seal: i64, id: Uuid },
    #[error("entry {id} of the audit log is not in the place in which it was sealed (seal {seal})")]
    EntryReordered { seal: i64, id: Uuid },
    #[error("{} was removed from the audit log", removed_entry(*.seal, *.nth, *.id, *.after))]
    EntryRemoved {
        seal: i64,
        /// Its number among the entries of the seal, from 1.
        nth: usize,
        /// Known of the first and the last entry of a seal.
        id: Option<Uuid>,
        /// The entry before it.
        after: Option<Uuid>,
    },
    #[error(
        "the entries of seal {0} are not those that were sealed; which one is wrong is unknown, because the seal's list of them was changed too"
    )]
    EntriesDiffer(i64),
    #[error("seal {0} of the audit log was removed")]
    SealRemoved(i64),
    #[error("seal {0} of the audit log is not valid: {1}")]
    SealChanged(i64, InvalidJws),
    #[error("seal {0} of the audit log was replaced: the next seal follows another one")]
    SealReplaced(i64),
    #[error(
        "before seal {0} was made, the audit log ended with a seal that the server had not made with its key"
    )]
    NotContinued(i64),
    #[error(
        "seal {0} of the audit log differs from the anchor: the log was replaced, or an older backup was restored"
    )]
    AnchorDiffers(i64),
    #[error(
        "the audit log ends with seal {last}, and lacks seal {anchor} of the anchor: its end was removed, or an older backup was restored"
    )]
    AnchorMissing { anchor: i64, last: i64 },
    #[error(
        "the signing key is not sealed under the server's secret: it was exchanged, or this is the secret of another server"
    )]
    KeyOfOtherSecret,
    #[error("seal {0}, the last one of the audit log, was not made with the server's present key")]
    KeyOfLastSeal(i64),
}

fn removed_entry(seal: i64, nth: usize, id: Option<Uuid>, after: Option<Uuid>) -> String {
    match (id, after) {
        (Some(id), _) => format!("entry {id} of seal {seal}"),
        (None, Some(after)) => format!("entry number {nth} of seal {seal}, after entry {after},"),
        (None, None) => format!("entry number {nth} of seal {seal}"),
    }
}
