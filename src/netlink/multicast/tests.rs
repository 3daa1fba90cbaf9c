use nix::errno::Errno;

use super::*;
use crate::netlink::buffer::SLOT_LEN;
use crate::netlink::socket::KERNEL_PORT_ID;
use crate::netlink::socket::tests::with_large_buffer;
use crate::testing::log_record::recorded;
use crate::testing::script::{Script, Step, message};

/// Returns an event whose payload is one number.
fn event(number: u8) -> Step {
    Step::event(&[message(16, 0, &[number; 4])])
}

/// Drains a socket, and returns the result, whether events were lost, and the applied numbers.
fn drain(socket: &mut MulticastSocket, backlog: &mut Backlog) -> (Drain, bool, Vec<u8>) {
    let mut numbers = vec![];
    let rest = socket
        .drain(backlog, |frame| match frame.payload.first() {
            Some(&number) => {
                numbers.push(number);
                Ok(())
            }
            None => Err(DecodeError::new("empty")),
        })
        .unwrap();
    (rest, *backlog == Backlog::Lost, numbers)
}

fn drain_script(steps: impl IntoIterator<Item = Step>) -> (Drain, bool, Vec<u8>) {
    drain(&mut MulticastSocket::new(Script::new(steps)), &mut Backlog::Current)
}

#[test]
fn drain_applies_events_in_order_until_empty() {
    let two = Step::event(&[message(16, 0, &[2; 4]), message(16, 0, &[3; 4])]);
    let steps = [event(1), Step::Fails(Errno::EINTR), two, Step::Silence, event(4)];
    assert_eq!(drain_script(steps), (Drain::Empty, false, vec![1, 2, 3]));
}

#[test]
fn overrun_discards_queued_events() {
    let steps = [event(1), Step::Fails(Errno::ENOBUFS), event(2), event(3), Step::Silence];
    assert_eq!(drain_script(steps), (Drain::Empty, true, vec![1]));
}

#[test]
fn recovered_socket_applies_events_again() {
    let script = Script::new([Step::Fails(Errno::ENOBUFS), Step::Silence, event(1)]);
    let mut backlog = Backlog::Current;
    let mut socket = MulticastSocket::new(script);
    assert_eq!(drain(&mut socket, &mut backlog), (Drain::Empty, true, vec![]));
    backlog.recovered();
    assert_eq!(backlog, Backlog::Stale);
    assert_eq!(drain(&mut socket, &mut backlog), (Drain::Empty, false, vec![1]));
}

#[test]
fn truncated_event_is_a_loss_and_grows_the_buffer() {
    let long = || Step::event(&[message(16, 0, &vec![9; 40_000])]);
    let mut backlog = Backlog::Current;
    let mut socket = MulticastSocket::new(Script::new([long(), event(1), Step::Silence, long()]));
    assert_eq!(drain(&mut socket, &mut backlog), (Drain::Empty, true, vec![]));
    backlog.recovered();
    assert_eq!(backlog, Backlog::Stale);
    assert_eq!(drain(&mut socket, &mut backlog), (Drain::Empty, false, vec![9]));
}

#[test]
fn undecodable_event_is_a_loss() {
    let cut = Step::Datagram { bytes: vec![1; 15], sender: KERNEL_PORT_ID };
    let empty = Step::event(&[message(16, 0, &[])]);
    for bad in [cut, empty] {
        assert_eq!(
            drain_script([event(1), bad, event(2), Step::Silence]),
            (Drain::Empty, true, vec![1])
        );
    }
}

#[test]
fn event_of_another_sender_is_ignored() {
    let forged = |bytes| Step::Datagram { bytes, sender: 4711 };
    let steps =
        [forged(message(16, 0, &[66; 4])), forged(vec![1; 15]), forged(vec![0; 40_000]), event(1)];
    assert_eq!(drain_script(steps), (Drain::Empty, false, vec![1]));
}

#[test]
fn drain_reads_as_many_events_as_the_buffer_holds() {
    let script = Script::new((0..10_000).map(|_| event(1)));
    let mut backlog = Backlog::Current;
    let mut socket = MulticastSocket::new(script.clone());
    let (rest, lost, numbers) = drain(&mut socket, &mut backlog);
    assert_eq!((rest, lost), (Drain::More, false));
    assert_eq!(numbers.len(), 212_992 / 512);
    assert_eq!(script.left(), 10_000 - numbers.len());
}

#[test]
fn event_of_exactly_the_slot_length_is_complete() {
    let event = Step::event(&[message(16, 0, &vec![7; SLOT_LEN - 16])]);
    assert_eq!(drain_script([event]), (Drain::Empty, false, vec![7]));
}

#[test]
fn other_system_error_is_returned() {
    let mut socket = MulticastSocket::new(Script::new([Step::Fails(Errno::EBADF)]));
    let mut backlog = Backlog::Current;
    let error = socket.drain(&mut backlog, |_| Ok(())).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::EBADF as i32));
    assert_eq!(backlog, Backlog::Current);
}

#[test]
fn receive_buffer_doubles_up_to_its_limit() {
    let script = Script::new([]);
    let mut socket = MulticastSocket::new(script).with_max_recv_buffer(500_000);
    assert!(socket.grow().unwrap());
    assert_eq!(socket.receive_buffer().unwrap(), 425_984);
    assert_eq!(socket.budget(), 425_984 / MIN_CHARGE);
    assert!(socket.grow().unwrap());
    assert_eq!(socket.receive_buffer().unwrap(), 500_000);
    assert!(!socket.grow().unwrap());
    assert_eq!(socket.receive_buffer().unwrap(), 500_000);
}

#[test]
fn receive_buffer_without_permission_keeps_its_size() {
    with_large_buffer(|socket, before| {
        let mut socket = MulticastSocket::new(socket).with_max_recv_buffer(usize::MAX / 2);
        let (grown, warnings) = recorded(|| socket.grow().unwrap());
        assert!(!grown);
        assert_eq!(socket.receive_buffer().unwrap(), before);
        assert!(
            warnings.iter().any(|line| line.contains(&format!("stays at {before} bytes"))),
            "no warning that the buffer stays at {before} bytes in {warnings:?}"
        );
    });
}
