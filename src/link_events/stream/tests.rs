use nix::errno::Errno;

use super::*;
use crate::netlink::socket::KERNEL_PORT_ID;
use crate::testing::script::{Script, Step, attribute, message};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;

/// An abbreviated event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Added(u32),
    Removed(u32),
    BridgePortRemoved(u32),
    Lost,
    Error(Option<i32>),
}

use Event::{Added, BridgePortRemoved, Lost, Removed};

fn link(kind: u16, family: u8, ifindex: u32) -> Vec<u8> {
    let mut payload = vec![family, 0, 0, 0];
    payload.extend([ifindex, 0, u32::MAX].map(u32::to_ne_bytes).concat());
    payload.extend(attribute(4, &1500_u32.to_ne_bytes()));
    message(kind, 0, &payload)
}

fn new(ifindex: u32) -> Vec<u8> {
    link(RTM_NEWLINK, 0, ifindex)
}

fn deleted(ifindex: u32) -> Vec<u8> {
    link(RTM_DELLINK, 0, ifindex)
}

/// Returns a datagram about one new link.
fn one(ifindex: u32) -> Step {
    Step::event(&[new(ifindex)])
}

fn overrun() -> Step {
    Step::Fails(Errno::ENOBUFS)
}

fn malformed() -> Step {
    Step::event(&[message(RTM_NEWLINK, 0, &[0; 7])])
}

fn truncated() -> Step {
    Step::event(&[message(RTM_NEWLINK, 0, &vec![0; 40_000])])
}

fn stream(script: &Script) -> LinkEventStream {
    LinkEventStream::new(MulticastSocket::new(script.clone()))
}

fn next(stream: &mut LinkEventStream) -> Option<Event> {
    stream.fill();
    Some(match stream.take()? {
        Ok(LinkEvent::Added(link)) => Added(link.ifindex().get()),
        Ok(LinkEvent::Removed(link)) => Removed(link.ifindex().get()),
        Ok(LinkEvent::BridgePortRemoved(link)) => BridgePortRemoved(link.ifindex().get()),
        Ok(LinkEvent::Lost) => Lost,
        Ok(other) => panic!("unexpected event {other:?}"),
        Err(error) => Event::Error(error.raw_os_error()),
    })
}

fn all(stream: &mut LinkEventStream) -> Vec<Event> {
    std::iter::from_fn(|| next(stream)).collect()
}

/// Returns the events of a script.
fn events(steps: impl IntoIterator<Item = Step>) -> Vec<Event> {
    all(&mut stream(&Script::new(steps)))
}

#[test]
fn events_come_in_order() {
    let two = Step::event(&[new(2), deleted(1)]);
    let bridge = Step::event(&[link(RTM_DELLINK, 7, 2)]);
    assert_eq!(
        events([one(1), two, bridge, one(3)]),
        [Added(1), Added(2), Removed(1), BridgePortRemoved(2), Added(3)]
    );
}

#[test]
fn datagrams_are_read_one_by_one() {
    let script = Script::new([one(1), one(2), one(3)]);
    let mut stream = stream(&script);
    assert_eq!((next(&mut stream), script.left()), (Some(Added(1)), 2));
    assert_eq!((next(&mut stream), script.left()), (Some(Added(2)), 1));
}

#[test]
fn has_more_reports_the_rest_of_a_datagram() {
    let mut stream = stream(&Script::new([Step::event(&[new(1), new(2)])]));
    stream.fill();
    assert!(stream.has_more());
    stream.take().unwrap().unwrap();
    stream.fill();
    assert!(!stream.has_more(), "no events remain after the last one");
    assert_eq!(next(&mut stream), Some(Added(2)));
}

#[test]
fn overrun_is_reported_after_queued_events() {
    assert_eq!(events([overrun(), one(1), one(2)]), [Added(1), Added(2), Lost]);
    assert_eq!(events([one(1), overrun(), one(2), Step::Silence]), [Added(1), Added(2), Lost]);
    assert_eq!(events([overrun()]), [Lost], "events of an overrun without queued events");
}

#[test]
fn overrun_reads_the_whole_queue_at_once() {
    let script = Script::new([overrun(), one(1), one(2), Step::Silence, one(3)]);
    let mut stream = stream(&script);
    assert_eq!((next(&mut stream), script.left()), (Some(Added(1)), 1));
    assert_eq!(all(&mut stream), [Added(2), Lost, Added(3)]);
}

#[test]
fn each_overrun_is_reported_once_in_its_place() {
    let steps =
        [overrun(), one(1), Step::Silence, one(2), overrun(), one(3), Step::Silence, one(4)];
    assert_eq!(events(steps), [Added(1), Lost, Added(2), Added(3), Lost, Added(4)]);
}

#[test]
fn second_overrun_ends_the_gap_of_the_first() {
    let script = Script::new([overrun(), one(1), one(2), overrun(), one(3)]);
    let mut stream = stream(&script);
    assert_eq!(next(&mut stream), Some(Added(1)));
    assert_eq!(script.left(), 1, "unread datagrams after one call");
    assert!(stream.has_more());
    assert_eq!([next(&mut stream), next(&mut stream)], [Some(Added(2)), Some(Lost)]);
    assert!(stream.has_more(), "the second loss remains");
    assert_eq!(all(&mut stream), [Added(3), Lost]);
    assert!(!stream.has_more());
}

#[test]
fn loss_is_reported_after_one_buffer_of_events() {
    let script = Script::new([overrun()]);
    script.then((1..=10_000).map(one));
    let mut stream = stream(&script);
    let budget = 212_992 / 512;
    assert_eq!(next(&mut stream), Some(Added(1)));
    assert_eq!(script.left(), 10_000 - budget);
    let found = all(&mut stream);
    let position = found.iter().position(|event| *event == Lost);
    assert_eq!(position, Some(budget - 1), "position of the loss in {} events", found.len());
    assert_eq!(found.len(), 10_000, "events: one loss, and all links except the first");
}

#[test]
fn undecodable_datagram_is_a_loss_in_its_place() {
    for bad in
        [malformed, truncated, || Step::Datagram { bytes: vec![1; 15], sender: KERNEL_PORT_ID }]
    {
        assert_eq!(
            events([one(1), bad(), one(2), bad(), bad()]),
            [Added(1), Lost, Added(2), Lost, Lost]
        );
        assert_eq!(events([bad()]), [Lost]);
        assert_eq!(events([overrun(), one(1), bad(), one(2)]), [Added(1), Lost, Added(2), Lost]);
    }
    let half = Step::event(&[new(1), message(RTM_NEWLINK, 0, &[0; 7]), new(2)]);
    assert_eq!(events([half, one(3)]), [Added(1), Lost, Added(3)]);
}

#[test]
fn datagram_of_truncated_length_fits_next_time() {
    let mut long = new(1);
    long.extend(message(99, 0, &vec![0; 40_000]));
    let long = || Step::event(std::slice::from_ref(&long));
    assert_eq!(events([long(), long()]), [Lost, Added(1)]);
}

#[test]
fn datagram_of_another_sender_is_ignored() {
    let forged = |bytes| Step::Datagram { bytes, sender: 4711 };
    let steps = [
        forged(new(66)),
        one(1),
        forged(vec![1; 15]),
        forged(vec![0; 40_000]),
        forged(deleted(1)),
        one(2),
    ];
    assert_eq!(events(steps), [Added(1), Added(2)]);
    assert_eq!(events([overrun(), one(1), forged(new(66)), one(2)]), [Added(1), Added(2), Lost]);
}

#[test]
fn endless_datagrams_of_another_sender_end_a_read() {
    let script = Script::new((0..1000).map(|_| Step::Datagram { bytes: new(66), sender: 4711 }));
    let mut stream = stream(&script);
    assert_eq!(next(&mut stream), None);
    assert_eq!(script.left(), 1000 - (212_992 / 512 + 1));
}

#[test]
fn messages_not_about_links_are_skipped() {
    let steps = [
        Step::event(&[message(99, 0, &[])]),
        Step::Fails(Errno::EINTR),
        Step::event(&[message(3, 0, &[])]),
    ];
    assert_eq!(events(steps.into_iter().chain([one(1)])), [Added(1)]);
}

#[test]
fn system_error_keeps_its_place_and_loses_nothing() {
    let fails = || Step::Fails(Errno::ENOMEM);
    let error = || Event::Error(Some(Errno::ENOMEM as i32));
    assert_eq!(events([one(1), fails(), one(2)]), [Added(1), error(), Added(2)]);
    assert_eq!(events([overrun(), one(1), fails(), one(2)]), [Added(1), error(), Added(2), Lost]);

    let mut stream = stream(&Script::new([overrun(), fails()]));
    assert_eq!(next(&mut stream), Some(error()));
    assert!(stream.has_more(), "the loss remains");
    assert_eq!(next(&mut stream), Some(Lost));
}
