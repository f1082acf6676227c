//! Conditions on the fields of a list.

/// The values that satisfy all conditions; `None` if there are no conditions.
pub(crate) fn intersection<T: PartialEq>(conditions: Vec<Vec<T>>) -> Option<Vec<T>> {
    conditions.into_iter().reduce(|mut left, right| {
        left.retain(|value| right.contains(value));
        left
    })
}

#[cfg(test)]
mod tests {
    use super::intersection;

    #[test]
    fn every_condition_restricts_the_others() {
        assert_eq!(intersection(vec![vec![3], vec![1, 2, 3, 4]]), Some(vec![3]));
        assert_eq!(intersection::<i64>(Vec::new()), None);
    }
}
