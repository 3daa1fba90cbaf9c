use std::num::NonZeroU32;
use std::time::Duration;

use nix::errno::Errno;

use super::*;
use crate::error::{Error, ErrorKind};
use crate::model::ifindex::IfIndex;
use crate::netlink::dump::InterruptedDump;
use crate::netlink::request::{DumpPolicy, RequestSocket};
use crate::rtnl::RtnlSocket;
use crate::testing::golden::{NEWLINK_PORT, NEWLINK_TEAM, bytes};
use crate::testing::script::{Script, Step as Reply, ack};

const NEW: u16 = 16;
const DELETE: u16 = 17;
const GET: u16 = 18;
const SET: u16 = 19;

/// Returns a reply with `team0`, index 10: down, without a master.
fn team() -> Reply {
    Reply::answer(&[bytes(NEWLINK_TEAM), ack(0)])
}

/// Returns a reply with `veth0`, index 20: up, a port of link 10.
fn port() -> Reply {
    Reply::answer(&[bytes(NEWLINK_PORT), ack(0)])
}

fn done() -> Reply {
    Reply::answer(&[ack(0)])
}

fn rejected(errno: Errno) -> Reply {
    Reply::answer(&[ack(-(errno as i32))])
}

fn ifindex(number: u32) -> IfIndex {
    IfIndex::new(number).unwrap()
}

/// Runs a function with scripted replies; returns its result, and type and link of each request.
fn run_with<R>(
    replies: impl IntoIterator<Item = Reply>,
    run: impl FnOnce(&mut RtnlSocket) -> R,
) -> (R, Vec<(u16, u32)>) {
    let script = Script::new(replies);
    let dumps = DumpPolicy { attempts: NonZeroU32::MIN, interrupted: InterruptedDump::Keep };
    let socket = RequestSocket::new(script.clone(), Duration::from_millis(5), dumps);
    let result = run(&mut RtnlSocket::from_socket(socket));
    assert_eq!(script.left(), 0, "replies that were not read");
    let sent = script.sent();
    let requests = sent.iter().map(|request| {
        let kind = u16::from_ne_bytes(request[4..6].try_into().unwrap());
        (kind, u32::from_ne_bytes(request[20..24].try_into().unwrap()))
    });
    (result, requests.collect())
}

#[test]
fn new_link_that_is_not_echoed_is_looked_up() {
    let create = |rtnl: &mut RtnlSocket| rtnl.create_link(&NewLink::team("team0")).unwrap();
    assert_eq!(run_with([team()], create), (ifindex(10), vec![(NEW, 0)]));
    assert_eq!(run_with([done(), team()], create), (ifindex(10), vec![(NEW, 0), (GET, 0)]));
}

#[test]
fn new_link_deleted_at_once_is_an_error() {
    let create = |rtnl: &mut RtnlSocket| rtnl.create_link(&NewLink::team("team0")).unwrap_err();
    let (error, _) = run_with([done(), rejected(Errno::ENODEV)], create);
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let (error, _) = run_with([done(), done()], create);
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[test]
fn create_whose_rollback_fails_returns_first_error() {
    let link = NewLink::veth("veth0", "far").master(ifindex(10)).up();
    let (error, requests) =
        run_with([port(), rejected(Errno::ENETDOWN), rejected(Errno::EPERM)], |rtnl| {
            rtnl.create_link(&link).unwrap_err()
        });
    assert_eq!(error.raw_os_error(), Some(Errno::ENETDOWN as i32));
    assert_eq!(requests, [(NEW, 0), (SET, 20), (DELETE, 20)]);
}

#[test]
fn failed_attribute_change_is_undone_without_lookup() {
    let settings = LinkSettings::new().mtu(9000).carrier(true);
    let change = |rtnl: &mut RtnlSocket| rtnl.set_link(ifindex(20), &settings).unwrap_err();
    let (_, requests) = run_with([port(), rejected(Errno::EINVAL)], change);
    assert_eq!(requests, [(GET, 20), (SET, 20)]);
    // The MTU was set, and is restored.
    let (error, requests) = run_with([port(), done(), rejected(Errno::EOPNOTSUPP), done()], change);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(requests, [(GET, 20), (SET, 20), (SET, 20), (SET, 20)]);
}

#[test]
fn port_that_kept_its_master_is_not_added_again() {
    let change =
        |rtnl: &mut RtnlSocket| rtnl.set_link(ifindex(20), &LinkSettings::new().master(ifindex(9)));
    let (result, requests) = run_with([port(), rejected(Errno::EBUSY), port()], change);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::ResourceBusy);
    assert_eq!(requests, [(GET, 20), (SET, 20), (GET, 20)]);
}

#[test]
fn rejected_link_that_another_process_set_up_stays_up() {
    let change =
        |rtnl: &mut RtnlSocket| rtnl.set_link(ifindex(20), &LinkSettings::new().master(ifindex(9)));
    let down = with_index(20);
    let mut up = down.clone();
    up[24] |= 1;
    let found = |link: Vec<u8>| Reply::answer(&[link, ack(0)]);
    let (result, requests) = run_with([found(down), rejected(Errno::EBUSY), found(up)], change);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::ResourceBusy);
    assert_eq!(requests, [(GET, 20), (SET, 20), (GET, 20)]);
}

#[test]
fn change_whose_rollback_fails_returns_first_error() {
    let settings = LinkSettings::new().mtu(9000).master(ifindex(9)).up();
    let change = |rtnl: &mut RtnlSocket| rtnl.set_link(ifindex(20), &settings).unwrap_err();
    let released = || Reply::answer(&[with_index(20), ack(0)]);
    // The link is released and looked up, its MTU is set, and the new master rejects it; then every
    // step of the rollback fails.
    let no = || rejected(Errno::EPERM);
    let replies = [
        port(),
        done(),
        released(),
        done(),
        rejected(Errno::EBUSY),
        released(),
        no(),
        no(),
        released(),
        no(),
    ];
    let (error, requests) = run_with(replies, change);
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    let kinds: Vec<u16> = requests.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [GET, SET, GET, SET, SET, GET, SET, SET, GET, SET]);

    let (error, requests) =
        run_with([port(), done(), released(), rejected(Errno::EBUSY), Reply::Silence], change);
    assert_eq!((error.kind(), requests.len()), (ErrorKind::ResourceBusy, 5));
}

/// Returns the recorded message of a team with another index: down, without a master.
fn with_index(number: u32) -> Vec<u8> {
    let mut message = bytes(NEWLINK_TEAM);
    message[20..24].copy_from_slice(&number.to_ne_bytes());
    message
}

#[test]
fn missing_link_is_not_changed() {
    let up = LinkSettings::new().up();
    let change = |rtnl: &mut RtnlSocket| rtnl.set_link(ifindex(20), &up).unwrap_err();
    let (error, requests) = run_with([rejected(Errno::ENODEV)], change);
    assert!(matches!(error, Error::NoSuchDevice { .. }), "found {error:?}, expected NoSuchDevice");
    assert_eq!(error.to_string(), "changing link 20: no such device (ENODEV)");
    assert_eq!(requests.len(), 1);
    let (error, _) = run_with([done()], change);
    assert_eq!(
        (error.kind(), &*error.to_string()),
        (
            ErrorKind::InvalidData,
            "looking up link 20: the kernel acknowledged the request, but sent no object"
        )
    );
}
