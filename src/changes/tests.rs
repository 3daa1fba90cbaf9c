use super::*;

/// Joins two changes of one object, each given by the values before and after.
fn joined_values(first: [Option<i32>; 2], second: [Option<i32>; 2]) -> Option<Change<i32>> {
    let [first, second] =
        [first, second].map(|[before, after]| Change::between(before, after).unwrap());
    let changes = joined(vec![first], vec![second], |_| "key");
    assert!(changes.len() <= 1, "joined to {changes:?}, expected at most one change");
    changes.into_iter().next()
}

#[test]
fn joined_change_is_difference_over_both() {
    let between = |before, after| Change::between(before, after);
    assert_eq!(joined_values([Some(1), Some(2)], [Some(2), Some(3)]), between(Some(1), Some(3)));
    assert_eq!(joined_values([None, Some(2)], [Some(2), Some(3)]), between(None, Some(3)));
    let recreated = between(Some(1), Some(3)).map(Change::recreated);
    assert_eq!(joined_values([Some(1), None], [None, Some(3)]), recreated);
    assert_eq!(joined_values([None, Some(2)], [Some(2), None]), None);
    let gone = joined_values([Some(1), Some(2)], [Some(2), None]).unwrap();
    assert_eq!((gone.before(), gone.after(), gone.latest()), (Some(&1), None, &2));
}

#[test]
fn joined_changes_keep_flags_of_either() {
    let change = Change::between(Some(1), Some(1)).unwrap();
    for (first, second) in [(true, false), (false, true)] {
        let changes = [first, second].map(|local| change.clone().made_locally(local));
        let [first, second] = changes.map(|change| vec![change]);
        assert_eq!(joined(first, second, |_| ()), [change.clone().made_locally(true)]);
    }
    let flags = [
        Changes { resynced: true, ..Changes::default() },
        Changes { inconsistent: true, ..Changes::default() },
    ];
    assert!(flags.iter().all(|changes| !changes.is_empty() && changes.kinds().is_empty()));
    assert!(Changes::default().is_empty());
    let [first, second] = flags;
    let both = first.joined(second);
    assert!(both.is_resynced() && both.is_inconsistent() && !both.is_empty());
}

#[test]
fn joined_changes_keep_order_of_first_batch() {
    let new = |value| Change::between(None, Some(value)).unwrap();
    let gone = |value| Change::between(Some(value), None).unwrap();
    let tens = |value: &i32| value / 10;
    let changes = joined(
        vec![new(10), new(20), new(30)],
        vec![new(40), gone(20), Change::between(Some(10), Some(11)).unwrap()],
        tens,
    );
    assert_eq!(changes, [new(11), new(30), new(40)]);
}
