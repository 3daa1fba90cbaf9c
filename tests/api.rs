//! Properties of the public API that need no device.

use std::error::Error as _;
use std::time::Duration;

use libteam::link_events::LinkEvents;
use libteam::{Changes, Error, TeamHandle};

#[test]
fn socket_types_are_send() {
    fn assert_send<T: Send>() {}
    assert_send::<TeamHandle>();
    assert_send::<Changes>();
    assert_send::<Error>();
    assert_send::<LinkEvents>();
}

#[test]
fn invalid_name_is_refused_by_every_constructor() {
    for name in ["", ".", "..", "a/b", "a b", "a\tb", "sixteen-bytes-xx"] {
        for way in [TeamHandle::create, TeamHandle::recreate, TeamHandle::open] {
            let error = way(name).unwrap_err();
            assert!(
                matches!(&error, Error::InvalidName { name: found, .. } if found == name),
                "expected InvalidName: {name:?}: {error}"
            );
        }
    }
}

#[test]
fn error_text_is_complete_without_the_source() {
    let error = TeamHandle::open("nosuchdevice0").unwrap_err();
    assert_eq!(error.to_string(), "opening nosuchdevice0: no such device (ENODEV)");
    assert!(error.source().is_none());
}

#[test]
fn timeout_beyond_the_clock_is_no_limit() {
    let error =
        TeamHandle::builder().command_timeout(Duration::MAX).open("nosuchdevice0").unwrap_err();
    assert!(matches!(error, Error::NoSuchDevice { .. }), "expected NoSuchDevice: {error}");
}
