//! Datagrams that are longer than the slots of the buffer.

use super::*;
use crate::netlink::buffer::SLOT_LEN;

#[test]
fn truncated_dump_is_requested_again() {
    let long = vec![0; 100_000];
    let script = Script::new([
        Step::answer(&[message(DATA, NLM_F_MULTIPART, &long)]),
        Step::Silence,
        Step::answer(&[message(DATA, NLM_F_MULTIPART, &long), done(0)]),
    ]);
    let (result, numbers) = dump(&script, 1);
    assert_eq!((result.unwrap(), numbers), (Consistency::Consistent, vec![0]));
}

#[test]
fn datagram_of_exactly_the_slot_length_is_complete() {
    let header = 16;
    let rest = message(DATA, NLM_F_MULTIPART, &vec![7; SLOT_LEN - 2 * header]);
    let script = Script::new([Step::answer(&[rest, bare_done()])]);
    assert_eq!(dump(&script, 1).1, [7]);
    assert_eq!(script.sent().len(), 1);
}

#[test]
fn truncated_query_is_repeated_but_not_a_command() {
    let long = || message(DATA, 0, &vec![7; 3 * SLOT_LEN]);
    let script =
        || Script::new([Step::answer(&[long()]), Step::Silence, Step::answer(&[long(), ack(0)])]);
    let (query, command) = (script(), script());
    let mut numbers = vec![];
    connection(&query)
        .send(Request::query(link::dump_request(), 0), |part| {
            match part {
                Part::Start { .. } => numbers.clear(),
                Part::Message(frame) => numbers.push(frame.payload[0]),
            }
            Ok(())
        })
        .unwrap();
    assert_eq!((numbers, query.sent().len(), query.left()), (vec![7], 2, 0));
    // The command runs on another thread, whose buffer did not grow yet.
    let result = std::thread::scope(|scope| scope.spawn(|| request(&command).0).join().unwrap());
    assert!(
        matches!(result, Err(RequestError::Overrun { .. })),
        "found {result:?}, expected Overrun"
    );
    assert_eq!(command.sent().len(), 1);
}
