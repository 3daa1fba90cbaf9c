//! What is left unread by one exchange, and how long another may take.

use std::panic::{AssertUnwindSafe, catch_unwind};

use netlink_packet_core::{NLM_F_EXCL, NLM_F_MATCH, NLM_F_REPLACE, NLM_F_ROOT};

use super::*;

/// More of a dump than anybody reads.
fn endless() -> impl Iterator<Item = Step> {
    (0..3000).map(|_| Step::answer(&[data(1)]))
}

#[test]
fn a_dump_that_trickles_gets_no_more_time_than_another() {
    let script = Script::new((0..60).flat_map(|_| [Step::answer(&[data(1)]), Step::Silence]));
    let mut parts = 0;
    let result = connection(&script).send(Request::dump("listing", link::dump_request()), |_| {
        parts += 1;
        std::thread::sleep(Duration::from_millis(3));
        Ok(())
    });
    assert!(matches!(result, Err(RequestError::Timeout(_))), "{result:?}");
    assert!((2..=10).contains(&parts), "the time of 20 ms is for all {parts} parts");
}

#[test]
fn a_dump_without_end_ends_with_its_time() {
    let script = Script::new(endless());
    let mut connection = RequestSocket::new(script.clone(), Duration::ZERO, DUMPS);
    let mut parts = 0;
    let result = connection.send(Request::dump("listing", link::dump_request()), |_| {
        parts += 1;
        Ok(())
    });
    assert!(matches!(result, Err(RequestError::Timeout(_))), "{result:?}");
    assert_eq!(parts, 1 + READS, "its start, and what may be read late");
    assert_eq!((script.sent().len(), script.left()), (1, 3000 - 2 * READS), "as much is read away");
    // The kernel is still at it when the next request is sent.
    connection.execute(link::dump_request(), 0).unwrap_err();
    assert_eq!(script.left(), 3000 - 5 * READS, "before the request, for its answer, and after it");
}

#[test]
fn what_came_while_the_process_was_stopped_is_still_read() {
    let script =
        Script::new([Step::answer(&[data(1)]), Step::answer(&[data(2)]), Step::answer(&[ack(0)])]);
    let mut connection = RequestSocket::new(script.clone(), Duration::ZERO, DUMPS);
    connection.execute(link::dump_request(), 0).unwrap();
    assert_eq!((script.left(), script.waits()), (0, 0));
}

#[test]
fn what_a_panicking_reader_left_is_read_away_before_the_next_request() {
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
fn a_request_after_a_whole_answer_reads_nothing_away() {
    for whole in [Step::answer(&[ack(0)]), Step::answer(&[ack(-16)]), Step::answer(&[done(-16)])] {
        let script = Script::new([whole]);
        let mut connection = connection(&script);
        let _ = connection.execute(link::dump_request(), 0);
        script.then([Step::answer(&[ack(0)])]);
        connection.execute(link::dump_request(), 0).unwrap();
    }
}

#[test]
fn a_reader_that_fails_leaves_nothing_of_a_dump() {
    let script =
        Script::new([Step::answer(&[data(1)]), Step::answer(&[data(2)]), Step::answer(&[done(0)])]);
    let mut connection = connection(&script);
    let result =
        connection.send(Request::dump("listing", link::dump_request()), |part| match part {
            Part::Start { .. } => Ok(()),
            Part::Message(_) => Err(DecodeError::new("no")),
        });
    assert!(matches!(result, Err(RequestError::Decode(_))), "{result:?}");
    assert_eq!((script.sent().len(), script.left()), (1, 0));
}

#[test]
fn a_dump_that_is_refused_is_not_tried_again() {
    for refusal in [Step::answer(&[ack(-1)]), Step::answer(&[interrupted(1), done(-1)])] {
        let script = Script::new([refusal, Step::answer(&[done(0)])]);
        let (result, _) = dump(&script, 5);
        let errno = result.unwrap_err().errno();
        assert_eq!((errno, script.sent().len()), (Some(Errno::EPERM as i32), 1));
    }
}

#[test]
fn flags_that_mean_a_dump_or_not_end_with_what_comes() {
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
            assert_eq!((numbers, script.waits()), (vec![1], 0), "{flags:#x}");
        }
    }
}

#[test]
fn an_interrupted_dump_by_flags_is_no_success() {
    let script = Script::new([Step::answer(&[interrupted(1), done(0)]), Step::answer(&[done(0)])]);
    let result = connection(&script).execute(link::dump_request(), NLM_F_DUMP);
    assert!(matches!(result, Err(RequestError::Interrupted { attempts: 1 })), "{result:?}");
    assert_eq!(script.sent().len(), 1);
}
