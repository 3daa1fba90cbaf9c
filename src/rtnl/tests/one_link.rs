use super::*;

/// Asks for one link by its index and by its name; both get the same answer.
fn ask(steps: impl Fn() -> Vec<Step>) -> Result<LinkInfo> {
    let by_index = rtnl(&Script::new(steps())).link_by_index(ifindex(7));
    let by_name = rtnl(&Script::new(steps())).link_by_name("link7");
    assert_eq!(by_index.as_ref().ok(), by_name.as_ref().ok());
    if let (Err(by_index), Err(by_name)) = (&by_index, &by_name) {
        assert_eq!(std::mem::discriminant(by_index), std::mem::discriminant(by_name));
    }
    by_name
}

#[test]
fn it_is_the_link_that_the_answer_tells_of() {
    let found = ask(|| vec![Step::answer(&[link_message(0, 7, "veth", Some(3))]), Step::answer(&[ack(0)])]).unwrap();
    assert_eq!((found.ifindex(), &*found.name(), found.master()), (ifindex(7), "link7", Some(ifindex(3))));
}

#[test]
fn silence_is_a_timeout() {
    for steps in [0, 1] {
        // Without an acknowledgement an answer is not whole.
        let error = ask(|| [Step::answer(&[link(7)])].into_iter().take(steps).collect()).unwrap_err();
        assert!(matches!(&error, Error::Timeout { op, .. } if op.contains("link7")), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}

#[test]
fn an_acknowledgement_without_an_answer_is_an_error_of_its_own() {
    let error = ask(|| vec![Step::answer(&[ack(0)])]).unwrap_err();
    assert!(matches!(&error, Error::NoReply { op } if op.contains("link7")), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::BadAnswer);
}

#[test]
fn no_such_link_is_an_error_of_its_own() {
    let error = ask(|| vec![Step::answer(&[ack(-(Errno::ENODEV as i32))])]).unwrap_err();
    assert!(matches!(&error, Error::NoSuchDevice { device } if device == "link7"), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_refusal_is_an_error_of_its_own() {
    let error = ask(|| vec![Step::answer(&[ack(-(Errno::EPERM as i32))])]).unwrap_err();
    let Error::Kernel { op, kind: ErrorKind::NotPermitted, source, .. } = error else { panic!("{error:?}") };
    assert_eq!((op.contains("link7"), source.raw_os_error()), (true, Some(Errno::EPERM as i32)));
}

#[test]
fn an_answer_that_is_no_link_is_malformed() {
    let error = ask(|| vec![Step::answer(&[message(20, 0, &[0; 8])]), Step::answer(&[ack(0)])]).unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "{error:?}");
}

#[test]
fn what_no_link_can_be_called_is_not_sent() {
    let script = Script::new([]);
    for name in ["", "a\0b", &"x".repeat(128)] {
        let error = rtnl(&script).link_by_name(name).unwrap_err();
        assert!(matches!(error, Error::NoSuchDevice { .. }), "{error:?}");
    }
    assert_eq!(script.sent().len(), 0);
}
