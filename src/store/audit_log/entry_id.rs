//! The ids of audit entries. They start with the time of the entry
//! ([`Entropy::uuid`](crate::domain::token::Entropy::uuid)), so that a range of times is a range
//! of ids.

use uuid::Uuid;

use crate::domain::timestamp::Timestamp;

/// The half-open range of the ids that entries of exactly this time can have.
pub(super) fn id_range_at(at: Timestamp) -> (Uuid, Uuid) {
    let from = min_id_at(at).as_u128();
    let fraction = u128::try_from(at.micros().rem_euclid(1_000) * 4_096 / 1_000).unwrap_or_default();
    let first = from | 7 << 76 | fraction << 64;
    (Uuid::from_u128(first), Uuid::from_u128(first + (1 << 64)))
}

/// A lower bound of the ids of entries that were written at this time or later, exact to the
/// millisecond.
pub(in crate::store) fn min_id_at(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.millis()).unwrap_or_default();
    Uuid::from_u128(u128::from(millis) << 80)
}

/// The end of the millisecond in which an entry was written.
pub(super) fn end_of_millisecond(id: Uuid) -> Timestamp {
    let millis = i64::try_from(id.as_u128() >> 80).unwrap_or_default();
    Timestamp::from_micros((millis + 1) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy;

    #[test]
    fn id_range_contains_the_ids_of_its_microsecond() {
        for micros in [1_893_456_000_000_000, 1_893_456_000_000_001, 1_893_456_000_000_999] {
            let at = Timestamp::from_micros(micros);
            let (id, (first, next)) = (entropy::token().uuid(at), id_range_at(at));
            assert!(min_id_at(at) <= first && first <= id && id < next, "{id} {first} {next}");
            let later = Timestamp::from_micros(micros + 1);
            assert!(id < id_range_at(later).0);
        }
    }
}
