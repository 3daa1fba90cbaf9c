mod cut_off;
mod many;
mod unread;

use std::time::Instant;

use netlink_packet_core::{NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_MULTIPART, NLMSG_DONE, NLMSG_ERROR};

use super::*;
use crate::netlink::codec::link;
use crate::netlink::deadline::READS_BY_CLOCK;
use crate::netlink::error::KernelError;
use crate::netlink::socket::KERNEL_PORT_ID;
use crate::netlink::socket::tests::with_large_buffer;
use crate::testing::script::{Script, Step, ack, attribute, bare_done, done, message};

const DATA: u16 = 16;
/// Interrupted dumps are kept after five attempts.
const DUMPS: DumpPolicy =
    DumpPolicy { attempts: NonZeroU32::new(5).unwrap(), interrupted: InterruptedDump::Keep };
/// How many datagrams of a reply are read with a timeout of 0.
const READS: usize = READS_BY_CLOCK + MAX_GRACE_READS;

fn connection(script: &Script) -> RequestSocket {
    RequestSocket::new(script.clone(), Duration::from_millis(20), DUMPS)
}

/// Returns a data message whose payload is one number.
fn data(number: u8) -> Vec<u8> {
    message(DATA, NLM_F_MULTIPART, &[number; 4])
}

fn interrupted(number: u8) -> Vec<u8> {
    message(DATA, NLM_F_MULTIPART | NLM_F_DUMP_INTR, &[number; 4])
}

/// Returns the first byte of a message.
fn number(part: &Part<'_>) -> Option<u8> {
    match part {
        Part::Start { .. } => None,
        Part::Message(frame) => frame.payload.first().copied(),
    }
}

/// Requests a dump, and returns its result and the numbers of its last attempt.
fn dump(script: &Script, attempts: u32) -> (Result<Consistency, RequestError>, Vec<u8>) {
    let mut numbers = vec![];
    let mut connection = connection(script);
    connection.dumps.attempts = NonZeroU32::new(attempts).unwrap();
    let result = connection.send(Request::dump("listing", link::dump_request()), |part| {
        if let Part::Start { .. } = part {
            numbers.clear();
        }
        numbers.extend(number(&part));
        Ok(())
    });
    (result, numbers)
}

fn request(script: &Script) -> (Result<(), RequestError>, Vec<u8>) {
    let mut numbers = vec![];
    let result = connection(script).send(Request::command(link::dump_request(), 0), |part| {
        numbers.extend(number(&part));
        Ok(())
    });
    (result.map(drop), numbers)
}

#[test]
fn request_ends_with_its_acknowledgement() {
    let script = Script::new([Step::answer(&[data(1)]), Step::answer(&[ack(0)])]);
    let (result, numbers) = request(&script);
    result.unwrap();
    assert_eq!((numbers, script.left()), (vec![1], 0));
}

#[test]
fn multipart_reply_may_span_datagrams() {
    let script = Script::new([
        Step::answer(&[data(1), data(2)]),
        Step::answer(&[data(3)]),
        Step::answer(&[data(4), done(0)]),
    ]);
    let (result, numbers) = dump(&script, 1);
    assert_eq!((result.unwrap(), numbers), (Consistency::Consistent, vec![1, 2, 3, 4]));
}

#[test]
fn late_reply_is_waited_for() {
    let script = Script::new([
        Step::Silence,
        Step::answer(&[data(1)]),
        Step::Silence,
        Step::answer(&[done(0)]),
    ]);
    let (result, numbers) = dump(&script, 1);
    result.unwrap();
    assert_eq!((numbers, script.waits()), (vec![1], 2));
}

#[test]
fn missing_reply_ends_with_timeout() {
    let script = Script::new([Step::answer(&[data(1)])]);
    let before = Instant::now();
    let (result, _) = dump(&script, 5);
    assert!(
        matches!(result, Err(RequestError::Timeout(after)) if after == Duration::from_millis(20))
    );
    assert!(before.elapsed() < Duration::from_secs(2));
    assert_eq!(script.sent().len(), 1, "requests sent before and after the timeout");
}

#[test]
fn interrupted_system_call_is_repeated() {
    let script = Script::new([Step::Fails(Errno::EINTR), Step::answer(&[ack(0)])]);
    request(&script).0.unwrap();
}

#[test]
fn datagram_of_another_sender_is_ignored() {
    let forged = Step::Datagram { bytes: [data(66), ack(-1)].concat(), sender: 4711 };
    let too_long = Step::Datagram { bytes: vec![0; 40_000], sender: 4711 };
    let script = Script::new([forged, too_long, Step::answer(&[data(1)]), Step::answer(&[ack(0)])]);
    let (result, numbers) = request(&script);
    result.unwrap();
    assert_eq!(numbers, [1]);
}

#[test]
fn endless_datagrams_of_another_sender_time_out() {
    let script = Script::new((0..600).map(|_| Step::Datagram { bytes: ack(0), sender: 4711 }));
    let mut connection = RequestSocket::new(script.clone(), Duration::ZERO, DUMPS);
    let result = connection.execute(link::dump_request(), 0);
    assert!(
        matches!(result, Err(RequestError::Timeout(Duration::ZERO))),
        "found {result:?}, expected Timeout"
    );
    assert_eq!(script.left(), 600 - 1 - READS, "unread after one datagram and the discarded ones");
}

#[test]
fn reply_to_an_earlier_request_is_skipped() {
    let stale = |messages: &[Vec<u8>]| Step::Answer { bytes: messages.concat(), offset: u32::MAX };
    let script = Script::new([
        stale(&[data(66), ack(-1)]),
        stale(&[done(0)]),
        Step::answer(&[data(1), ack(0)]),
    ]);
    let mut connection = connection(&script);
    connection.sequence = 7;
    let mut numbers = vec![];
    connection
        .send(Request::command(link::dump_request(), 0), |part| {
            numbers.extend(number(&part));
            Ok(())
        })
        .unwrap();
    assert_eq!(numbers, [1]);
}

#[test]
fn sequence_number_wraps_around() {
    let script = Script::new([Step::answer(&[ack(0)]), Step::answer(&[ack(0)])]);
    let mut connection = connection(&script);
    connection.sequence = u32::MAX - 1;
    for _ in 0..2 {
        connection.execute(link::dump_request(), 0).unwrap();
    }
    assert_eq!(script.sent()[1][8..12], 0_u32.to_ne_bytes());
}

#[test]
fn interrupted_dump_is_discarded_and_repeated() {
    // The kernel marks only the first message after the interruption.
    let script = Script::new([
        Step::answer(&[data(1)]),
        Step::answer(&[interrupted(2), data(3)]),
        Step::answer(&[done(0)]),
        Step::answer(&[data(4)]),
        Step::answer(&[done(0)]),
    ]);
    let (result, numbers) = dump(&script, 5);
    assert_eq!((result.unwrap(), numbers), (Consistency::Consistent, vec![4]));
    assert_eq!(script.sent().len(), 2);
}

#[test]
fn interruption_marked_only_in_the_end_counts() {
    let end = message(NLMSG_DONE, NLM_F_MULTIPART | NLM_F_DUMP_INTR, &[0; 4]);
    let script = Script::new([Step::answer(&[data(1), end])]);
    assert_eq!(dump(&script, 1).0.unwrap(), Consistency::Interrupted);
}

#[test]
fn dump_during_an_unfinished_dump_is_repeated() {
    let stale = |message| Step::Answer { bytes: message, offset: u32::MAX };
    let busy = || Step::answer(&[ack(-16)]);
    let script = Script::new([
        stale(data(66)),
        busy(),
        stale(data(67)),
        stale(done(0)),
        Step::Silence,
        Step::answer(&[data(1), done(0)]),
    ]);
    let (result, numbers) = dump(&script, 1);
    assert_eq!((result.unwrap(), numbers), (Consistency::Consistent, vec![1]));
    let script = Script::new([busy(), Step::Silence, busy(), Step::Silence]);
    let error = dump(&script, 5).0.unwrap_err();
    assert_eq!((error.errno(), script.sent().len()), (Some(Errno::EBUSY as i32), 2));
}

#[test]
fn dump_interrupted_each_time_ends_after_its_attempts() {
    let script = Script::new((1..=9).map(|number| Step::answer(&[interrupted(number), done(0)])));
    let (result, numbers) = dump(&script, 3);
    assert_eq!((result.unwrap(), numbers), (Consistency::Interrupted, vec![3]));
    assert_eq!((script.sent().len(), script.left()), (3, 6));
}

#[test]
fn interrupted_attempts_are_counted() {
    let answers = [1, 2].map(|number| Step::answer(&[interrupted(number), done(0)]));
    let script = Script::new(answers.into_iter().chain([Step::answer(&[data(3), done(0)])]));
    let mut connection = connection(&script);
    let request = Request::dump("listing", link::dump_request());
    assert_eq!(connection.send(request, |_| Ok(())).unwrap(), Consistency::Consistent);
    assert_eq!(connection.interrupted_dumps(), 2);
}

#[test]
fn error_number_in_the_end_of_a_dump_is_an_error() {
    let tlvs = attribute(1, b"Filter by device index not supported for link dumps\0");
    let payload = [&(-22_i32).to_ne_bytes()[..], &tlvs].concat();
    let script = Script::new([Step::answer(&[message(
        NLMSG_DONE,
        NLM_F_MULTIPART | NLM_F_ACK_TLVS,
        &payload,
    )])]);
    let Err(RequestError::Kernel(error)) = dump(&script, 5).0 else {
        panic!("the dump did not fail with the kernel's error")
    };
    let message = Some("Filter by device index not supported for link dumps".to_owned());
    assert_eq!(error, KernelError { errno: Errno::EINVAL as i32, message, offset: None });
}

#[test]
fn end_without_a_code_is_success() {
    let script = Script::new([Step::answer(&[data(1), bare_done()])]);
    let mut numbers = 0;
    connection(&script)
        .send(Request::list(link::dump_request()), |part| {
            numbers += u32::from(matches!(part, Part::Message(_)));
            Ok(())
        })
        .unwrap();
    assert_eq!(numbers, 1);
}

#[test]
fn kernel_error_has_message_and_offset() {
    let tlvs = [attribute(1, b"Device is up\0"), attribute(2, &36_u32.to_ne_bytes())].concat();
    let capped = [&(-16_i32).to_ne_bytes()[..], &[0; 16], &tlvs].concat();
    let mut echo = message(DATA, 0, &[7; 9]);
    // The echoed header has the length of the request, which is not a multiple of four here.
    echo[..4].copy_from_slice(&25_u32.to_ne_bytes());
    let uncapped = [&(-16_i32).to_ne_bytes()[..], &echo, &tlvs].concat();
    for (flags, payload) in [(NLM_F_ACK_TLVS | NLM_F_CAPPED, capped), (NLM_F_ACK_TLVS, uncapped)] {
        let script = Script::new([Step::answer(&[message(NLMSG_ERROR, flags, &payload)])]);
        let Err(RequestError::Kernel(error)) = request(&script).0 else {
            panic!("the request did not fail with the kernel's error")
        };
        let message = Some("Device is up".to_owned());
        assert_eq!(error, KernelError { errno: Errno::EBUSY as i32, message, offset: Some(36) });
    }
}

#[test]
fn code_outside_errno_range_is_an_error() {
    for code in [1, i32::MIN, i32::MAX, -5000] {
        let script = Script::new([Step::answer(&[ack(code)])]);
        let errno = request(&script).0.unwrap_err().errno();
        assert_eq!(errno, Some(Errno::EPROTO as i32), "errno for the code {code}");
    }
}

#[test]
fn reply_that_does_not_fit_is_requested_again() {
    let script = Script::new([
        Step::Fails(Errno::ENOBUFS),
        Step::answer(&[data(1)]),
        Step::Silence,
        Step::answer(&[data(2)]),
        Step::answer(&[bare_done()]),
    ]);
    let mut numbers = vec![];
    let mut connection = connection(&script);
    let before = connection.transport.receive_buffer().unwrap();
    connection
        .send(Request::list(link::dump_request()), |part| {
            match part {
                Part::Start { .. } => numbers.clear(),
                Part::Message(frame) => numbers.push(frame.payload[0]),
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(numbers, [2], "reply without what was received before the overrun");
    assert_eq!(connection.transport.receive_buffer().unwrap(), 2 * before);
}

#[test]
fn reply_that_never_fits_is_an_overrun() {
    let script = Script::new((0..40).flat_map(|_| [Step::Fails(Errno::ENOBUFS), Step::Silence]));
    assert!(
        matches!(dump(&script, 5).0, Err(RequestError::Overrun { buffer }) if buffer > 212_992)
    );
    assert_eq!(script.sent().len(), 9);
}

#[test]
fn malformed_reply_is_an_error() {
    let cut = |mut bytes: Vec<u8>, length: usize| {
        bytes.truncate(length);
        bytes
    };
    let mut too_long = ack(0);
    too_long[..4].copy_from_slice(&400_u32.to_ne_bytes());
    for bytes in [cut(ack(0), 15), cut(ack(0), 19), too_long, message(NLMSG_ERROR, 0, &[0; 3])] {
        let sequence = 1_u32.to_ne_bytes();
        let mut bytes = bytes;
        if let Some(field) = bytes.get_mut(8..12) {
            field.copy_from_slice(&sequence);
        }
        let script = Script::new([Step::Datagram { bytes: bytes.clone(), sender: KERNEL_PORT_ID }]);
        let result = request(&script).0;
        assert!(
            matches!(result, Err(RequestError::Decode(_))),
            "reply {bytes:?} returned {result:?}, expected a decode error"
        );
    }
}

#[test]
fn rest_of_a_reply_is_discarded_after_failure() {
    let script = Script::new([
        Step::answer(&[message(NLMSG_ERROR, 0, &[0; 3])]),
        Step::answer(&[data(1)]),
        Step::Fails(Errno::ENOBUFS),
        Step::answer(&[data(2)]),
    ]);
    request(&script).0.unwrap_err();
    assert_eq!(script.left(), 0);
}

#[test]
fn undiscarded_reply_is_discarded_before_next_request() {
    let script = Script::new([
        Step::Fails(Errno::ENOBUFS),
        Step::Fails(Errno::ENOMEM),
        Step::answer(&[data(66)]),
        Step::Silence,
        Step::answer(&[ack(0)]),
    ]);
    let mut connection = connection(&script);
    connection.execute(link::dump_request(), 0).unwrap_err();
    assert_eq!(script.left(), 3);
    let mut numbers = vec![];
    connection
        .send(Request::command(link::dump_request(), 0), |part| {
            numbers.extend(number(&part));
            Ok(())
        })
        .unwrap();
    assert_eq!((numbers, script.left(), script.waits()), (vec![], 0, 0));
}

#[test]
fn request_flags_depend_on_the_kind_of_request() {
    let script = Script::new([
        Step::answer(&[ack(0)]),
        Step::answer(&[done(0)]),
        Step::answer(&[bare_done()]),
    ]);
    let mut connection = connection(&script);
    connection.execute(link::dump_request(), 0x400).unwrap();
    connection.send(Request::dump("listing", link::dump_request()), |_| Ok(())).unwrap();
    connection.send(Request::list(link::dump_request()), |_| Ok(())).unwrap();
    let flags =
        script.sent().iter().map(|sent| u16::from_ne_bytes([sent[6], sent[7]])).collect::<Vec<_>>();
    assert_eq!(flags, [1 | 4 | 0x400, 1 | 0x300, 1]);
}

#[test]
fn reply_ends_only_with_the_requested_end() {
    // A command may have a multipart reply before its acknowledgement; a dump is not acknowledged.
    let script = Script::new([Step::answer(&[data(1), done(0)]), Step::answer(&[data(2), ack(0)])]);
    let (result, numbers) = request(&script);
    result.unwrap();
    assert_eq!(numbers, [1, 2]);
    let script = Script::new([Step::answer(&[data(1), ack(0)]), Step::answer(&[data(2), done(0)])]);
    let (result, numbers) = dump(&script, 1);
    result.unwrap();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn noop_is_skipped_and_overrun_message_is_an_error() {
    let noop = message(1, 0, &[]);
    let script = Script::new([Step::answer(&[noop, data(1), ack(0)])]);
    assert_eq!(request(&script).1, [1]);
    let lost = message(4, 0, &[]);
    let script = Script::new([Step::answer(&[data(1), lost])]);
    assert!(matches!(request(&script).0, Err(RequestError::Overrun { .. })));
}

#[test]
fn other_system_error_is_returned() {
    let script = Script::new([Step::Fails(Errno::EBADF)]);
    let Err(RequestError::Io(error)) = request(&script).0 else {
        panic!("the request did not fail with a system error")
    };
    assert_eq!(error.raw_os_error(), Some(Errno::EBADF as i32));
}

#[test]
fn receive_buffer_without_permission_keeps_its_size() {
    with_large_buffer(|socket, before| {
        let mut connection = RequestSocket::new(socket, Duration::from_millis(20), DUMPS);
        connection.grow().unwrap();
        assert_eq!(connection.transport.receive_buffer().unwrap(), before);
    });
}
