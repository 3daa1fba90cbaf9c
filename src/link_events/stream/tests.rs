use nix::errno::Errno;

use super::*;
use crate::netlink::socket::KERNEL;
use crate::testing::script::{Script, Step, attribute, message};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;

/// What a stream told, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Added(u32),
    Removed(u32),
    BridgePortRemoved(u32),
    Lost,
    Error(Option<i32>),
}

use Told::{Added, BridgePortRemoved, Lost, Removed};

fn link(kind: u16, family: u8, ifindex: u32) -> Vec<u8> {
    let mut payload = vec![family, 0, 0, 0];
    payload.extend([ifindex, 0, u32::MAX].map(u32::to_ne_bytes).concat());
    payload.extend(attribute(4, &1500_u32.to_ne_bytes()));
    message(kind, 0, &payload)
}

fn new(ifindex: u32) -> Vec<u8> {
    link(RTM_NEWLINK, 0, ifindex)
}

fn gone(ifindex: u32) -> Vec<u8> {
    link(RTM_DELLINK, 0, ifindex)
}

/// A datagram with one link that is new.
fn one(ifindex: u32) -> Step {
    Step::event(&[new(ifindex)])
}

fn overrun() -> Step {
    Step::Fails(Errno::ENOBUFS)
}

fn malformed() -> Step {
    Step::event(&[message(RTM_NEWLINK, 0, &[0; 7])])
}

fn cut_off() -> Step {
    Step::event(&[message(RTM_NEWLINK, 0, &vec![0; 40_000])])
}

fn stream(script: &Script) -> LinkEventStream {
    LinkEventStream::new(EventSocket::new(script.clone()))
}

fn next(stream: &mut LinkEventStream) -> Option<Told> {
    stream.fill();
    Some(match stream.take()? {
        Ok(LinkEvent::Added(link)) => Added(link.ifindex().get()),
        Ok(LinkEvent::Removed(link)) => Removed(link.ifindex().get()),
        Ok(LinkEvent::BridgePortRemoved(link)) => BridgePortRemoved(link.ifindex().get()),
        Ok(LinkEvent::Lost) => Lost,
        Ok(other) => panic!("{other:?}"),
        Err(error) => Told::Error(error.raw_os_error()),
    })
}

fn all(stream: &mut LinkEventStream) -> Vec<Told> {
    std::iter::from_fn(|| next(stream)).collect()
}

/// What a script tells until nothing comes.
fn play(steps: impl IntoIterator<Item = Step>) -> Vec<Told> {
    all(&mut stream(&Script::new(steps)))
}

#[test]
fn events_come_in_order() {
    let two = Step::event(&[new(2), gone(1)]);
    let bridge = Step::event(&[link(RTM_DELLINK, 7, 2)]);
    assert_eq!(play([one(1), two, bridge, one(3)]), [Added(1), Added(2), Removed(1), BridgePortRemoved(2), Added(3)]);
}

#[test]
fn one_datagram_is_read_at_a_time() {
    let script = Script::new([one(1), one(2), one(3)]);
    let mut stream = stream(&script);
    assert_eq!((next(&mut stream), script.left()), (Some(Added(1)), 2));
    assert_eq!((next(&mut stream), script.left()), (Some(Added(2)), 1));
}

#[test]
fn the_rest_of_a_datagram_is_announced() {
    let mut stream = stream(&Script::new([Step::event(&[new(1), new(2)])]));
    stream.fill();
    assert!(stream.has_more());
    stream.take().unwrap().unwrap();
    stream.fill();
    assert!(!stream.has_more(), "nothing is left after this one");
    assert_eq!(next(&mut stream), Some(Added(2)));
}

#[test]
fn an_overrun_is_told_behind_what_was_queued_before_it() {
    assert_eq!(play([overrun(), one(1), one(2)]), [Added(1), Added(2), Lost]);
    assert_eq!(play([one(1), overrun(), one(2), Step::Silence]), [Added(1), Added(2), Lost]);
    assert_eq!(play([overrun()]), [Lost], "there may be nothing before it");
}

#[test]
fn after_an_overrun_everything_is_read_before_the_first_event_is_told() {
    let script = Script::new([overrun(), one(1), one(2), Step::Silence, one(3)]);
    let mut stream = stream(&script);
    assert_eq!((next(&mut stream), script.left()), (Some(Added(1)), 1));
    assert_eq!(all(&mut stream), [Added(2), Lost, Added(3)]);
}

#[test]
fn each_overrun_is_told_once_and_in_its_place() {
    let steps = [overrun(), one(1), Step::Silence, one(2), overrun(), one(3), Step::Silence, one(4)];
    assert_eq!(play(steps), [Added(1), Lost, Added(2), Added(3), Lost, Added(4)]);
}

#[test]
fn a_second_overrun_says_that_the_socket_was_empty_in_between() {
    let script = Script::new([overrun(), one(1), one(2), overrun(), one(3)]);
    let mut stream = stream(&script);
    assert_eq!(next(&mut stream), Some(Added(1)));
    assert_eq!(script.left(), 1, "one look at the socket reads no more than the buffer can hold");
    assert!(stream.has_more());
    assert_eq!([next(&mut stream), next(&mut stream)], [Some(Added(2)), Some(Lost)]);
    assert!(stream.has_more(), "the second loss is still to be told");
    assert_eq!(all(&mut stream), [Added(3), Lost]);
    assert!(!stream.has_more());
}

#[test]
fn a_socket_that_is_never_empty_delays_the_loss_no_longer_than_its_buffer_can_be_old() {
    let script = Script::new([overrun()]);
    script.then((1..=10_000).map(one));
    let mut stream = stream(&script);
    let budget = 212_992 / 512;
    assert_eq!(next(&mut stream), Some(Added(1)));
    assert_eq!(script.left(), 10_000 - budget);
    let told = all(&mut stream);
    assert_eq!(told.iter().position(|told| *told == Lost), Some(budget - 1), "{} told", told.len());
    assert_eq!(told.len(), 10_000, "one loss, and all links but the first");
}

#[test]
fn what_cannot_be_read_is_told_in_its_place() {
    for bad in [malformed, cut_off, || Step::Datagram { bytes: vec![1; 15], sender: KERNEL }] {
        assert_eq!(play([one(1), bad(), one(2), bad(), bad()]), [Added(1), Lost, Added(2), Lost, Lost]);
        assert_eq!(play([bad()]), [Lost]);
        assert_eq!(play([overrun(), one(1), bad(), one(2)]), [Added(1), Lost, Added(2), Lost]);
    }
    let half = Step::event(&[new(1), message(RTM_NEWLINK, 0, &[0; 7]), new(2)]);
    assert_eq!(play([half, one(3)]), [Added(1), Lost, Added(3)]);
}

#[test]
fn a_datagram_of_the_length_that_was_cut_off_fits_the_next_time() {
    let mut long = new(1);
    long.extend(message(99, 0, &vec![0; 40_000]));
    let long = || Step::event(std::slice::from_ref(&long));
    assert_eq!(play([long(), long()]), [Lost, Added(1)]);
}

#[test]
fn what_others_send_is_no_event_and_no_loss() {
    let forged = |bytes| Step::Datagram { bytes, sender: 4711 };
    let steps = [forged(new(66)), one(1), forged(vec![1; 15]), forged(vec![0; 40_000]), forged(gone(1)), one(2)];
    assert_eq!(play(steps), [Added(1), Added(2)]);
    assert_eq!(play([overrun(), one(1), forged(new(66)), one(2)]), [Added(1), Added(2), Lost]);
}

#[test]
fn a_flood_of_others_is_no_endless_read() {
    let script = Script::new((0..1000).map(|_| Step::Datagram { bytes: new(66), sender: 4711 }));
    let mut stream = stream(&script);
    assert_eq!(next(&mut stream), None);
    assert_eq!(script.left(), 1000 - (212_992 / 512 + 1));
}

#[test]
fn messages_that_are_no_link_events_are_passed_over() {
    let steps = [Step::event(&[message(99, 0, &[])]), Step::Fails(Errno::EINTR), Step::event(&[message(3, 0, &[])])];
    assert_eq!(play(steps.into_iter().chain([one(1)])), [Added(1)]);
}

#[test]
fn an_error_of_the_system_comes_in_its_place_and_loses_nothing() {
    let fails = || Step::Fails(Errno::ENOMEM);
    let error = || Told::Error(Some(Errno::ENOMEM as i32));
    assert_eq!(play([one(1), fails(), one(2)]), [Added(1), error(), Added(2)]);
    assert_eq!(play([overrun(), one(1), fails(), one(2)]), [Added(1), error(), Added(2), Lost]);

    let mut stream = stream(&Script::new([overrun(), fails()]));
    assert_eq!(next(&mut stream), Some(error()));
    assert!(stream.has_more(), "the loss is still to be told");
    assert_eq!(next(&mut stream), Some(Lost));
}
