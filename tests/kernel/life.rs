//! The life of a device: created, opened, destroyed, by us and by others.

use libteam::{Error, TeamHandle};

use crate::netns::{enter, ip};
use crate::truth::assert_true;

#[test]
fn a_created_device_is_there_and_a_destroyed_one_is_not() {
    enter();
    let team = TeamHandle::create("team0").unwrap();
    assert_eq!(team.name(), "team0");
    assert!(ip("-d link show team0").contains("team "));
    assert_true(&team);
    team.destroy().unwrap();
    assert!(matches!(TeamHandle::open("team0"), Err(Error::NoSuchDevice { .. })));
}
