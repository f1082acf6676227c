//! What is wrong with the entries of a seal.

use std::collections::HashSet;

use super::merkle::Hash;

/// The first difference between the entries that were sealed and those that are stored. The index is that of a stored
/// entry or, for a removed entry, of a sealed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryFault {
    Changed(usize),
    Inserted(usize),
    Removed(usize),
    /// The entry was sealed in another order.
    Reordered(usize),
}

/// Compares the leaves that were sealed with those of the stored entries. `None` if they are the same.
pub fn diagnose(sealed: &[Hash], stored: &[Hash]) -> Option<EntryFault> {
    let index = sealed.iter().zip(stored).take_while(|(sealed, stored)| sealed == stored).count();
    let (sealed_leaf, stored_leaf) = match (sealed.get(index), stored.get(index)) {
        (None, None) => return None,
        (Some(_), None) => return Some(EntryFault::Removed(index)),
        (None, Some(_)) => return Some(EntryFault::Inserted(index)),
        (Some(sealed_leaf), Some(stored_leaf)) => (sealed_leaf, stored_leaf),
    };
    let is_sealed = sealed.iter().collect::<HashSet<_>>().contains(stored_leaf);
    let is_stored = stored.iter().collect::<HashSet<_>>().contains(sealed_leaf);
    Some(match (is_sealed, is_stored) {
        (true, true) => EntryFault::Reordered(index),
        (true, false) => EntryFault::Removed(index),
        (false, true) => EntryFault::Inserted(index),
        (false, false) => EntryFault::Changed(index),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let leaves = |text: &str| text.bytes().map(|byte| [byte; 32]).collect::<Vec<Hash>>();
        for (stored, expected) in [
            ("abcde", None),
            ("abXde", Some(EntryFault::Changed(2))),
            ("abXXe", Some(EntryFault::Changed(2))),
            ("abde", Some(EntryFault::Removed(2))),
            ("abcd", Some(EntryFault::Removed(4))),
            ("", Some(EntryFault::Removed(0))),
            ("Xabcde", Some(EntryFault::Inserted(0))),
            ("abcdeX", Some(EntryFault::Inserted(5))),
            ("abdce", Some(EntryFault::Reordered(2))),
            ("eabcd", Some(EntryFault::Reordered(0))),
        ] {
            assert_eq!(diagnose(&leaves("abcde"), &leaves(stored)), expected, "{stored}");
        }
    }
}
