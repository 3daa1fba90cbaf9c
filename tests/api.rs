//! What needs no device.

use std::error::Error as _;
use std::time::Duration;

use libteam::link_events::LinkEvents;
use libteam::{Changes, Error, TeamHandle};

#[test]
fn what_holds_sockets_can_move_to_another_thread() {
    fn assert_send<T: Send>() {}
    assert_send::<TeamHandle>();
    assert_send::<Changes>();
    assert_send::<Error>();
    assert_send::<LinkEvents>();
}

#[test]
fn a_bad_name_is_refused_by_every_way_to_a_handle() {
    for name in ["", ".", "..", "a/b", "a b", "a\tb", "sixteen-bytes-xx"] {
        for way in [TeamHandle::create, TeamHandle::recreate, TeamHandle::open] {
            let error = way(name).unwrap_err();
            assert!(
                matches!(&error, Error::InvalidName { name: told, .. } if told == name),
                "{name:?}: {error}"
            );
        }
    }
}

#[test]
fn error_says_everything_without_its_source() {
    let error = TeamHandle::open("nosuchdevice0").unwrap_err();
    assert_eq!(error.to_string(), "opening nosuchdevice0: no such device (ENODEV)");
    assert!(error.source().is_none());
}

#[test]
fn a_time_that_no_clock_can_tell_is_no_limit() {
    let error =
        TeamHandle::builder().command_timeout(Duration::MAX).open("nosuchdevice0").unwrap_err();
    assert!(matches!(error, Error::NoSuchDevice { .. }), "{error}");
}
