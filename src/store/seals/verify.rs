//! The verification of the sealed audit log. Everything is computed again from the entries.

use std::collections::VecDeque;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::{after, latest};
use crate::domain::jws::{Jwk, JwkSet};
use crate::domain::seal::{
    Anchor, EntryFault, Fault, Hash, Place, Seal, SignedSeal, StoredEntry, diagnose, root,
};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::Keyring;
use crate::store::audit_log;
use crate::store::connection::{Conn, with_backend};
use crate::store::schema::seals::dsl;
use crate::store::signing_keys;

/// Entries that are read at once.
const PAGE: i64 = 5_000;
/// Seals that are read at once.
const SEAL_PAGE: i64 = 500;
/// How many stored entries of one seal are compared, above the number that was sealed.
const MAX_INSERTED: usize = 10_000;

/// What was verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub seals: i64,
    /// Entries that are as they were sealed.
    pub entries: i64,
    /// The seals whose entries have been purged, and the time of the newest of these entries.
    pub purged_seals: i64,
    pub purged_until: Option<Timestamp>,
    /// Entries after the last seal.
    pub unsealed: i64,
}

/// Verifies all seals and the entries that they cover, up to the first fault. Without the keyring, whether the server
/// made the last seal is not checked. `progress` gets the number of entries that were read, and of those that were sealed.
pub fn verify(
    conn: &mut Conn,
    keyring: Option<&Keyring>,
    anchors: &[Anchor],
    progress: &dyn Fn(i64, i64),
) -> QueryResult<Result<Report, Fault>> {
    conn.in_snapshot(|conn| {
        conn.disable_statement_timeout()?;
        let mut verification = Verification::new(conn, anchors)?;
        match verification.run(conn, keyring, progress) {
            Ok(()) => Ok(Ok(verification.report)),
            Err(Stop::Fault(fault)) => Ok(Err(fault)),
            Err(Stop::Query(error)) => Err(error),
        }
    })
}

/// Why a verification ended early.
enum Stop {
    Fault(Fault),
    Query(diesel::result::Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<diesel::result::Error> for Stop {
    fn from(error: diesel::result::Error) -> Self {
        Self::Query(error)
    }
}

struct Verification<'a> {
    keys: JwkSet,
    anchors: &'a [Anchor],
    last: Option<SignedSeal>,
    entries: Entries,
    report: Report,
}

impl<'a> Verification<'a> {
    fn new(conn: &mut Conn, anchors: &'a [Anchor]) -> QueryResult<Self> {
        let keys = signing_keys::public_keys(conn)?;
        Ok(Self {
            keys: JwkSet { keys: keys.iter().map(Jwk::new).collect() },
            anchors,
            last: latest(conn)?,
            entries: Entries::default(),
            report: Report::default(),
        })
    }

    fn run(
        &mut self,
        conn: &mut Conn,
        keyring: Option<&Keyring>,
        progress: &dyn Fn(i64, i64),
    ) -> Result<(), Stop> {
        // First, because the last seal says what has been purged.
        self.check_last_seal(conn, keyring)?;
        let end = self.last.as_ref().map_or(Place::START, |last| last.seal.last);
        let purged = self.last.as_ref().map_or(0, |last| last.seal.purged);
        let sealed = sealed_entries(conn, purged)?;
        let mut before: Option<SignedSeal> = None;
        loop {
            let page = after(conn, self.report.seals, SEAL_PAGE)?;
            if page.is_empty() {
                break;
            }
            for signed in page {
                self.check_seal(&signed, before.as_ref())?;
                if signed.seal.number <= purged {
                    self.check_purged(conn, &signed.seal)?;
                } else {
                    self.check_entries(conn, &signed.seal)?;
                    progress(self.report.entries, sealed);
                }
                before = Some(signed);
            }
        }
        // A seal moves the reader's place in the same transaction.
        if audit_log::seal_cursor(conn)? != self.last.as_ref().map(|last| last.seal.last) {
            return Err(Fault::SealRemoved(self.report.seals + 1).into());
        }
        if let Some(anchor) = self.anchors.iter().find(|anchor| anchor.number > self.report.seals) {
            return Err(Fault::AnchorMissing { anchor: anchor.number, last: self.report.seals }.into());
        }
        self.report.unsealed = audit_log::count_after(conn, end)?;
        Ok(())
    }

    fn check_last_seal(&self, conn: &mut Conn, keyring: Option<&Keyring>) -> Result<(), Stop> {
        let Some(last) = &self.last else { return Ok(()) };
        let number = last.seal.number;
        last.verify(&self.keys).map_err(|error| Fault::SealChanged(number, error))?;
        let Some(keyring) = keyring else { return Ok(()) };
        match signing_keys::current(conn, keyring)? {
            Some(Ok(key)) if key.kid() == last.kid => Ok(()),
            Some(Err(_)) => Err(Fault::KeyOfOtherSecret.into()),
            Some(Ok(_)) | None => Err(Fault::KeyOfLastSeal(number).into()),
        }
    }

    fn check_seal(&mut self, signed: &SignedSeal, before: Option<&SignedSeal>) -> Result<(), Fault> {
        let (seal, number) = (&signed.seal, self.report.seals + 1);
        if seal.number != number {
            return Err(Fault::SealRemoved(number));
        }
        signed.verify(&self.keys).map_err(|error| Fault::SealChanged(number, error))?;
        if seal.previous != before.map_or([0; 32], SignedSeal::hash) {
            return Err(Fault::SealReplaced(number - 1));
        }
        if self.anchors.iter().any(|anchor| anchor.number == number && !anchor.is(signed)) {
            return Err(Fault::AnchorDiffers(number));
        }
        // The anchor of exactly the seal before, which is the same, vouches for it.
        if !seal.continues && !self.anchors.iter().any(|anchor| anchor.number == number - 1) {
            return Err(Fault::NotContinued(number));
        }
        self.report.seals = number;
        Ok(())
    }

    /// Checks that no entry is left of a seal whose entries have been purged.
    fn check_purged(&mut self, conn: &mut Conn, seal: &Seal) -> Result<(), Stop> {
        if let Some(entry) = self.entries.next(conn, seal.last)? {
            return Err(Fault::EntryInserted { seal: seal.number, id: entry.place.id }.into());
        }
        self.report.purged_seals = seal.number;
        if seal.entries > 0 {
            self.report.purged_until = Some(seal.newest_at);
        }
        Ok(())
    }

    fn check_entries(&mut self, conn: &mut Conn, seal: &Seal) -> Result<(), Stop> {
        let sealed = usize::try_from(seal.entries).unwrap_or(usize::MAX);
        let mut stored = Vec::with_capacity(sealed.min(MAX_INSERTED));
        while stored.len() <= sealed.saturating_add(MAX_INSERTED) {
            let Some(entry) = self.entries.next(conn, seal.last)? else { break };
            stored.push(entry);
        }
        let leaves: Vec<Hash> = stored.iter().map(|entry| entry.leaf).collect();
        if stored.len() != sealed || root(&leaves) != seal.root {
            return Err(entry_fault(conn, seal, &leaves, &stored)?.into());
        }
        for (expected, found) in [(seal.first, stored.first()), (seal.last, stored.last())] {
            if let Some(entry) = found.filter(|entry| entry.place != expected) {
                return Err(Fault::EntryReordered { seal: seal.number, id: entry.place.id }.into());
            }
        }
        self.report.entries += seal.entries;
        Ok(())
    }
}

/// Names the first entry that is not as it was sealed.
fn entry_fault(conn: &mut Conn, seal: &Seal, leaves: &[Hash], stored: &[Entry]) -> QueryResult<Fault> {
    let sealed = super::leaves(conn, seal.number)?;
    // The list of the sealed leaves is not signed, but the root of their tree is.
    if root(&sealed) != seal.root {
        return Ok(Fault::EntriesDiffer(seal.number));
    }
    let id_at = |index: usize| stored.get(index).map(|entry| entry.place.id);
    let (seal_number, differ) = (seal.number, Fault::EntriesDiffer(seal.number));
    Ok(match diagnose(&sealed, leaves) {
        None => differ,
        Some(EntryFault::Removed(index)) => Fault::EntryRemoved {
            seal: seal_number,
            nth: index + 1,
            id: match index {
                0 => Some(seal.first.id),
                _ if index + 1 == sealed.len() => Some(seal.last.id),
                _ => None,
            },
            after: index.checked_sub(1).and_then(id_at),
        },
        Some(EntryFault::Changed(index)) => {
            id_at(index).map_or(differ, |id| Fault::EntryChanged { seal: seal_number, id })
        }
        Some(EntryFault::Inserted(index)) => {
            id_at(index).map_or(differ, |id| Fault::EntryInserted { seal: seal_number, id })
        }
        Some(EntryFault::Reordered(index)) => {
            id_at(index).map_or(differ, |id| Fault::EntryReordered { seal: seal_number, id })
        }
    })
}

/// The number of entries of the seals after the one with this number.
fn sealed_entries(conn: &mut Conn, after: i64) -> QueryResult<i64> {
    let sum = sql::<Nullable<BigInt>>("CAST(sum(entries) AS bigint)");
    let sealed: Option<i64> =
        with_backend!(conn, c => dsl::seals.filter(dsl::number.gt(after)).select(sum).first(c))?;
    Ok(sealed.unwrap_or(0))
}

/// A stored entry.
struct Entry {
    place: Place,
    leaf: Hash,
}

/// The stored entries in order, of which one page is in memory.
struct Entries {
    page: VecDeque<(Place, StoredEntry)>,
    /// The place of the last entry that was read.
    read: Place,
    is_complete: bool,
}

impl Default for Entries {
    fn default() -> Self {
        Self { page: VecDeque::new(), read: Place::START, is_complete: false }
    }
}

impl Entries {
    /// The next entry, if it comes no later than this place.
    fn next(&mut self, conn: &mut Conn, through: Place) -> QueryResult<Option<Entry>> {
        if self.page.is_empty() && !self.is_complete {
            self.page = audit_log::stored_between(conn, self.read, Place::END, PAGE)?.into();
            self.read = self.page.back().map_or(self.read, |(place, _)| *place);
            self.is_complete = self.page.is_empty();
        }
        let next = self.page.pop_front_if(|(place, _)| *place <= through);
        Ok(next.map(|(place, entry)| Entry { place, leaf: entry.leaf() }))
    }
}
