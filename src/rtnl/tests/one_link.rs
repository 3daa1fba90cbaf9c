use super::*;

/// Looks up a link by its index and by its name, and checks that the results are the same.
fn look_up(steps: impl Fn() -> Vec<Step>) -> Result<LinkInfo> {
    let by_index = rtnl(&Script::new(steps())).link_by_index(ifindex(7));
    let by_name = rtnl(&Script::new(steps())).link_by_name("link7");
    assert_eq!(by_index.as_ref().ok(), by_name.as_ref().ok());
    if let (Err(by_index), Err(by_name)) = (&by_index, &by_name) {
        assert_eq!(std::mem::discriminant(by_index), std::mem::discriminant(by_name));
    }
    by_name
}

#[test]
fn link_of_the_reply_is_returned() {
    let found = look_up(|| {
        vec![Step::answer(&[link_message(0, 7, "veth", Some(3))]), Step::answer(&[ack(0)])]
    })
    .unwrap();
    assert_eq!(
        (found.ifindex(), &*found.name(), found.master()),
        (ifindex(7), "link7", Some(ifindex(3)))
    );
}

#[test]
fn missing_reply_is_a_timeout() {
    for steps in [0, 1] {
        // A reply is complete with its acknowledgement.
        let error =
            look_up(|| [Step::answer(&[link(7)])].into_iter().take(steps).collect()).unwrap_err();
        assert!(
            matches!(&error, Error::Timeout { op, .. } if op.contains("link7")),
            "found {error:?}, expected Timeout"
        );
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}

#[test]
fn ack_without_a_link_is_no_reply() {
    let error = look_up(|| vec![Step::answer(&[ack(0)])]).unwrap_err();
    assert!(
        matches!(&error, Error::NoReply { op } if op.contains("link7")),
        "found {error:?}, expected NoReply"
    );
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[test]
fn missing_link_is_no_such_device() {
    let error = look_up(|| vec![Step::answer(&[ack(-(Errno::ENODEV as i32))])]).unwrap_err();
    assert!(
        matches!(&error, Error::NoSuchDevice { device, .. } if device == "link7"),
        "found {error:?}, expected NoSuchDevice"
    );
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn rejection_is_a_kernel_error() {
    let error = look_up(|| vec![Step::answer(&[ack(-(Errno::EPERM as i32))])]).unwrap_err();
    assert!(matches!(error, Error::Kernel { .. }), "found {error:?}, expected Kernel");
    assert_eq!(error.to_string(), "looking up link link7: operation not permitted (EPERM)");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(error.raw_os_error(), Some(Errno::EPERM as i32));
}

#[test]
fn reply_of_another_type_is_a_decode_error() {
    let error = look_up(|| vec![Step::answer(&[message(20, 0, &[0; 8])]), Step::answer(&[ack(0)])])
        .unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "found {error:?}, expected Decode");
}

#[test]
fn impossible_name_is_not_sent() {
    let script = Script::new([]);
    for name in ["", "a\0b", &"x".repeat(128)] {
        let error = rtnl(&script).link_by_name(name).unwrap_err();
        assert!(
            matches!(error, Error::NoSuchDevice { .. }),
            "found {error:?}, expected NoSuchDevice"
        );
    }
    assert_eq!(script.sent().len(), 0);
}
