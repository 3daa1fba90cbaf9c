//! Datagrams that are longer than what they are received into.

use super::*;
use crate::netlink::buffer::SLOT_LEN;

#[test]
fn a_datagram_that_was_cut_off_is_asked_for_again() {
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
fn a_datagram_that_just_fits_is_whole() {
    let header = 16;
    let rest = message(DATA, NLM_F_MULTIPART, &vec![7; SLOT_LEN - 2 * header]);
    let script = Script::new([Step::answer(&[rest, bare_done()])]);
    assert_eq!(dump(&script, 1).1, [7]);
    assert_eq!(script.sent().len(), 1);
}

#[test]
fn a_question_whose_answer_was_cut_off_is_asked_again_and_a_command_is_not() {
    let long = || message(DATA, 0, &vec![7; 3 * SLOT_LEN]);
    let script =
        || Script::new([Step::answer(&[long()]), Step::Silence, Step::answer(&[long(), ack(0)])]);
    let (question, command) = (script(), script());
    let mut numbers = vec![];
    connection(&question)
        .send(Request::query(link::dump_request(), 0), |part| {
            match part {
                Part::Start { .. } => numbers.clear(),
                Part::Message(frame) => numbers.push(frame.payload[0]),
            }
            Ok(())
        })
        .unwrap();
    assert_eq!((numbers, question.sent().len(), question.left()), (vec![7], 2, 0));
    // Another thread, whose buffer did not grow yet.
    let result = std::thread::scope(|scope| scope.spawn(|| request(&command).0).join().unwrap());
    assert!(matches!(result, Err(RequestError::Overrun { .. })), "{result:?}");
    assert_eq!(command.sent().len(), 1);
}
