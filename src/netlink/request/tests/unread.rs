//! Replies that are not read to their end, and the time limit of endless replies.

use std::panic::{AssertUnwindSafe, catch_unwind};

use netlink_packet_core::{NLM_F_EXCL, NLM_F_MATCH, NLM_F_REPLACE, NLM_F_ROOT};

use super::*;

/// Returns more parts of a dump than are read.
fn endless() -> impl Iterator<Item = Step> {
    (0..3000).map(|_| Step::answer(&[data(1)]))
}

#[test]
fn slow_dump_ends_with_the_timeout() {
    let script = Script::new((0..60).flat_map(|_| [Step::answer(&[data(1)]), Step::Silence]));
    let mut parts = 0;
    let result = connection(&script).send(Request::dump("listing", link::dump_request()), |_| {
        parts += 1;
        std::thread::sleep(Duration::from_millis(3));
        Ok(())
    });
    assert!(matches!(result, Err(RequestError::Timeout(_))), "found {result:?}, expected Timeout");
    assert!((2..=10).contains(&parts), "{parts} parts in 20 ms, expected 2 to 10");
}

#[test]
fn endless_dump_ends_with_the_timeout() {
    let script = Script::new(endless());
    let mut connection = RequestSocket::new(script.clone(), Duration::ZERO, DUMPS);
    let mut parts = 0;
    let result = connection.send(Request::dump("listing", link::dump_request()), |_| {
        parts += 1;
        Ok(())
    });
    assert!(matches!(result, Err(RequestError::Timeout(_))), "found {result:?}, expected Timeout");
    assert_eq!(parts, 1 + READS, "the start, and the parts that may be read late");
    assert_eq!(script.sent().len(), 1);
    assert_eq!(script.left(), 3000 - 2 * READS, "unread after as many were discarded");
    // The kernel still sends the dump when the next request is sent.
    connection.execute(link::dump_request(), 0).unwrap_err();
    let left = script.left();
    assert_eq!(left, 3000 - 5 * READS, "unread after reads before, for and after the request");
}

#[test]
fn data_received_in_time_is_read_after_the_deadline() {
    let script =
        Script::new([Step::answer(&[data(1)]), Step::answer(&[data(2)]), Step::answer(&[ack(0)])]);
    let mut connection = RequestSocket::new(script.clone(), Duration::ZERO, DUMPS);
    connection.execute(link::dump_request(), 0).unwrap();
    assert_eq!((script.left(), script.waits()), (0, 0));
}

#[test]
fn rest_of_a_reply_is_discarded_after_a_panic() {
    let script = Script::new([Step::answer(&[data(1)]), Step::answer(&[done(-5)])]);
    let mut connection = connection(&script);
    let dump = AssertUnwindSafe(|| {
        connection.send(Request::dump("listing", link::dump_request()), |part| match part {
            Part::Start { .. } => Ok(()),
            Part::Message(_) => panic!("on purpose"),
        })
    });
    catch_unwind(dump).unwrap_err();
    assert_eq!(script.left(), 1);
    script.then([Step::Silence, Step::answer(&[ack(0)])]);
    connection.execute(link::dump_request(), 0).unwrap();
    assert_eq!(script.left(), 0);
}

#[test]
fn nothing_is_discarded_after_a_complete_reply() {
    for complete in [Step::answer(&[ack(0)]), Step::answer(&[ack(-16)]), Step::answer(&[done(-16)])]
    {
        let script = Script::new([complete]);
        let mut connection = connection(&script);
        let _ = connection.execute(link::dump_request(), 0);
        script.then([Step::answer(&[ack(0)])]);
        connection.execute(link::dump_request(), 0).unwrap();
    }
}

#[test]
fn rest_of_a_dump_is_discarded_after_decode_error() {
    let script =
        Script::new([Step::answer(&[data(1)]), Step::answer(&[data(2)]), Step::answer(&[done(0)])]);
    let mut connection = connection(&script);
    let result =
        connection.send(Request::dump("listing", link::dump_request()), |part| match part {
            Part::Start { .. } => Ok(()),
            Part::Message(_) => Err(DecodeError::new("no")),
        });
    assert!(matches!(result, Err(RequestError::Decode(_))), "found {result:?}, expected Decode");
    assert_eq!((script.sent().len(), script.left()), (1, 0));
}

#[test]
fn failed_dump_is_not_repeated() {
    for error in [Step::answer(&[ack(-1)]), Step::answer(&[interrupted(1), done(-1)])] {
        let script = Script::new([error, Step::answer(&[done(0)])]);
        let (result, _) = dump(&script, 5);
        let errno = result.unwrap_err().errno();
        assert_eq!((errno, script.sent().len()), (Some(Errno::EPERM as i32), 1));
    }
}

#[test]
fn request_with_dump_flags_accepts_either_end() {
    for flags in [NLM_F_ROOT, NLM_F_MATCH, NLM_F_DUMP, NLM_F_REPLACE | NLM_F_EXCL] {
        for end in [ack(0), done(0)] {
            let script = Script::new([Step::answer(&[data(1), end])]);
            let mut numbers = vec![];
            let result =
                connection(&script).send(Request::command(link::dump_request(), flags), |part| {
                    numbers.extend(number(&part));
                    Ok(())
                });
            result.unwrap();
            let found = (numbers, script.waits());
            assert_eq!(found, (vec![1], 0), "numbers and waits with flags {flags:#x}");
        }
    }
}

#[test]
fn interrupted_dump_by_flags_is_an_error() {
    let script = Script::new([Step::answer(&[interrupted(1), done(0)]), Step::answer(&[done(0)])]);
    let result = connection(&script).execute(link::dump_request(), NLM_F_DUMP);
    assert!(
        matches!(result, Err(RequestError::Interrupted { attempts: 1 })),
        "found {result:?}, expected Interrupted"
    );
    assert_eq!(script.sent().len(), 1);
}
