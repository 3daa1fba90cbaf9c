mod filters;
mod one_link;

use std::num::NonZeroU32;
use std::time::Duration;

use netlink_packet_core::{NLM_F_DUMP_INTR, NLM_F_MULTIPART, NLMSG_DONE};
use nix::errno::Errno;

use super::*;
use crate::error::{Error, ErrorKind};
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::link::{
    IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU, RTM_NEWLINK,
};
use crate::netlink::connection::NetlinkConnection;
use crate::netlink::dump::InterruptedDump;
use crate::netlink::request::DumpPolicy;
use crate::testing::log_record::recorded;
use crate::testing::script::{Script, Step, ack, attribute, done, message};

fn socket(script: &Script, attempts: u32, interrupted: InterruptedDump) -> RequestSocket {
    let dumps = DumpPolicy { attempts: NonZeroU32::new(attempts).unwrap(), interrupted };
    RequestSocket::new(script.clone(), Duration::from_millis(20), dumps)
}

fn rtnl_with(script: &Script, attempts: u32, policy: InterruptedDump) -> RtnlSocket {
    RtnlSocket::from_socket(socket(script, attempts, policy))
}

fn rtnl(script: &Script) -> RtnlSocket {
    rtnl_with(script, 5, InterruptedDump::Keep)
}

fn ifindex(number: u32) -> IfIndex {
    IfIndex::new(number).unwrap()
}

/// Returns an `RTM_NEWLINK` message about `link<number>`, with this kind and master.
fn link_message(flags: u16, number: u32, kind: &str, master: Option<u32>) -> Vec<u8> {
    let mut payload = vec![0, 0, 1, 0];
    payload.extend(number.to_ne_bytes());
    payload.extend([0; 8]);
    payload.extend(attribute(IFLA_IFNAME, format!("link{number}\0").as_bytes()));
    payload.extend(attribute(IFLA_MTU, &1500_u32.to_ne_bytes()));
    payload.extend(attribute(IFLA_LINKINFO, &attribute(IFLA_INFO_KIND, kind.as_bytes())));
    payload.extend(master.iter().flat_map(|master| attribute(IFLA_MASTER, &master.to_ne_bytes())));
    message(RTM_NEWLINK, flags, &payload)
}

fn link(number: u32) -> Vec<u8> {
    link_message(NLM_F_MULTIPART, number, "dummy", None)
}

fn interrupted_link(number: u32) -> Vec<u8> {
    link_message(NLM_F_MULTIPART | NLM_F_DUMP_INTR, number, "dummy", None)
}

fn interrupted_done() -> Vec<u8> {
    message(NLMSG_DONE, NLM_F_MULTIPART | NLM_F_DUMP_INTR, &[0; 4])
}

fn numbers(links: &Dump<LinkInfo>) -> Vec<u32> {
    links.items().iter().map(|link| link.ifindex().get()).collect()
}

/// Returns a dump of three links in three datagrams that is interrupted at one of its messages.
fn interrupted_at(place: usize) -> [Step; 3] {
    let at = |position: usize| {
        let number = u32::try_from(position + 60).unwrap();
        if position == place { interrupted_link(number) } else { link(number) }
    };
    let end = if place == 3 { interrupted_done() } else { done(0) };
    [Step::answer(&[at(0), at(1)]), Step::answer(&[at(2)]), Step::answer(&[end])]
}

#[test]
fn interruption_at_any_message_restarts_the_dump() {
    for place in 0..4 {
        let script = Script::new(interrupted_at(place));
        script.then([Step::answer(&[link(1), link(2)]), Step::answer(&[done(0)])]);
        let (links, log) = recorded(|| rtnl(&script).links(&LinkFilter::new()).unwrap());
        assert_eq!(
            (numbers(&links), links.is_consistent(), links.attempts()),
            (vec![1, 2], true, 2),
            "dump interrupted at message {place}"
        );
        assert_eq!((script.sent().len(), script.left()), (2, 0));
        assert_eq!(log, [""; 0], "log of a repeated dump that succeeds");
    }
}

#[test]
fn last_interrupted_attempt_is_marked_or_an_error() {
    for place in 0..4 {
        let always = || Script::new((0..9).flat_map(|_| interrupted_at(place)));
        let warning = "WARN libteam::command: listing the links was interrupted by changes in each \
                       of 3 attempts: the result may be incomplete, more attempts can be configured";

        let script = always();
        let (links, log) = recorded(|| {
            rtnl_with(&script, 3, InterruptedDump::Keep).links(&LinkFilter::new()).unwrap()
        });
        assert_eq!(
            (numbers(&links), links.is_consistent(), links.attempts()),
            (vec![60, 61, 62], false, 3)
        );
        assert_eq!((script.sent().len(), log), (3, vec![warning.to_owned()]));

        let script = always();
        let (error, log) =
            recorded(|| rtnl_with(&script, 3, InterruptedDump::Fail).links(&LinkFilter::new()));
        let error = error.unwrap_err();
        assert!(
            matches!(&error, Error::Interrupted { op, attempts: 3 } if op == "listing the links"),
            "found {error:?}, expected Interrupted after 3 attempts"
        );
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert_eq!((script.sent().len(), log), (3, vec![warning.to_owned()]));
    }
}

#[test]
fn interrupted_dump_with_one_attempt_is_not_repeated() {
    let script = Script::new(interrupted_at(0));
    let links = rtnl_with(&script, 1, InterruptedDump::Keep).links(&LinkFilter::new()).unwrap();
    assert_eq!((links.attempts(), links.is_consistent(), script.sent().len()), (1, false, 1));
}

#[test]
fn interrupted_dump_of_messages_is_repeated() {
    let script = Script::new(interrupted_at(2));
    script.then([Step::answer(&[link(1)]), Step::answer(&[done(0)])]);
    let request = RouteNetlinkMessage::GetLink(netlink_packet_route::link::LinkMessage::default());
    let links = rtnl(&script).dump(request.clone()).unwrap();
    assert_eq!((links.items().len(), links.is_consistent(), links.attempts()), (1, true, 2));

    let script = Script::new((0..2).flat_map(interrupted_at));
    let mut connection = NetlinkConnection::from_socket(socket(&script, 2, InterruptedDump::Fail));
    let error = connection.dump::<_, RouteNetlinkMessage>(request).unwrap_err();
    assert!(
        matches!(error, Error::Interrupted { attempts: 2, .. }),
        "found {error:?}, expected Interrupted"
    );
}

#[test]
fn interrupted_system_call_does_not_interrupt_a_dump() {
    let script = Script::new([
        Step::Fails(Errno::EINTR),
        Step::answer(&[link(1)]),
        Step::Fails(Errno::EINTR),
        Step::Fails(Errno::EINTR),
        Step::answer(&[link(2), done(0)]),
    ]);
    let links = rtnl(&script).links(&LinkFilter::new()).unwrap();
    assert_eq!((numbers(&links), links.is_consistent(), links.attempts()), (vec![1, 2], true, 1));
    assert_eq!(script.sent().len(), 1);
}

#[test]
fn overrun_does_not_count_as_an_attempt() {
    let script = Script::new([Step::Fails(Errno::ENOBUFS), Step::Silence]);
    script.then(interrupted_at(0));
    script.then([Step::answer(&[link(1), done(0)])]);
    let links = rtnl_with(&script, 2, InterruptedDump::Keep).links(&LinkFilter::new()).unwrap();
    assert_eq!((numbers(&links), links.attempts(), script.sent().len()), (vec![1], 2, 3));
}

#[test]
fn failed_dump_returns_no_items() {
    let script = Script::new([Step::answer(&[link(1)]), Step::answer(&[done(-1)])]);
    assert_eq!(
        rtnl(&script).links(&LinkFilter::new()).unwrap_err().kind(),
        ErrorKind::PermissionDenied
    );
    let script = Script::new([Step::answer(&[link(1)])]);
    assert!(matches!(rtnl(&script).links(&LinkFilter::new()), Err(Error::Timeout { .. })));
    let script = Script::new([Step::answer(&[message(RTM_NEWLINK, NLM_F_MULTIPART, &[0; 8])])]);
    assert!(matches!(rtnl(&script).links(&LinkFilter::new()), Err(Error::Decode { .. })));
}

#[test]
fn request_returns_messages_before_its_ack() {
    let request = RouteNetlinkMessage::GetLink(netlink_packet_route::link::LinkMessage::default());
    let script =
        Script::new([Step::answer(&[link(1)]), Step::answer(&[link(2)]), Step::answer(&[ack(0)])]);
    let answers = rtnl(&script).request(request.clone(), 0).unwrap();
    assert_eq!((answers.len(), script.left()), (2, 0));
    let script = Script::new([Step::answer(&[ack(0)])]);
    assert_eq!(rtnl(&script).request(request, 0).unwrap(), []);
}
