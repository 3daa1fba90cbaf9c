//! Filters of dumps: the library filters the replies of a kernel that ignores filters, and reports
//! a missing link by the same error in all families.

use std::net::Ipv4Addr;

use netlink_packet_core::NLM_F_DUMP_FILTERED;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::tc::TcHandle;

use super::*;
use crate::netlink::codec::packet::{
    RTM_NEWADDR, RTM_NEWNEIGH, RTM_NEWQDISC, RTM_NEWROUTE, RTM_NEWRULE, RTM_NEWTCLASS,
    RTM_NEWTFILTER,
};

const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_NH_ID: u16 = 30;
const RTM_F_CLONED: u32 = 0x200;

/// A function that lists objects of a link, for its error.
type List = fn(&mut RtnlSocket, IfIndex) -> Result<()>;

fn script(messages: &[Vec<u8>]) -> Script {
    Script::new([Step::answer(messages), Step::answer(&[done(0)])])
}

/// Returns a script that replies with these dumps, in order.
fn dumps(answers: &[&[Vec<u8>]]) -> Script {
    Script::new(
        answers.iter().flat_map(|messages| [Step::answer(messages), Step::answer(&[done(0)])]),
    )
}

fn address(family: u8, link: u32) -> Vec<u8> {
    let payload = [
        &[family, 24, 0, 0][..],
        &link.to_ne_bytes(),
        &attribute(1, &Ipv4Addr::LOCALHOST.octets()),
    ];
    message(RTM_NEWADDR, NLM_F_MULTIPART, &payload.concat())
}

/// Returns a route with these header fields and attributes.
fn route(family: u8, table: u8, protocol: u8, flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let payload = [
        &[family, 24, 0, 0, table, protocol, 0, 1][..],
        &flags.to_ne_bytes(),
        &attributes.concat(),
    ];
    message(RTM_NEWROUTE, NLM_F_MULTIPART, &payload.concat())
}

fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_ne_bytes())
}

fn neighbour(family: u8, link: u32, flags: u8) -> Vec<u8> {
    let payload = [&[family, 0, 0, 0][..], &link.to_ne_bytes(), &[128, 0, flags, 1]].concat();
    message(RTM_NEWNEIGH, NLM_F_MULTIPART, &payload)
}

fn rule(family: u8, table: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    let payload =
        [&[family, 0, 0, 0, table, 0, 0, 1, 0, 0, 0, 0][..], &attributes.concat()].concat();
    message(RTM_NEWRULE, NLM_F_MULTIPART, &payload)
}

fn traffic(kind: u16, link: i32, handle: u32, parent: u32, object_kind: &str) -> Vec<u8> {
    let words = [link.to_ne_bytes(), handle.to_ne_bytes(), parent.to_ne_bytes(), [0; 4]].concat();
    let payload =
        [&[0; 4][..], &words, &attribute(1, format!("{object_kind}\0").as_bytes())].concat();
    message(kind, NLM_F_MULTIPART, &payload)
}

fn handle(number: u32) -> TcHandle {
    number.into()
}

#[test]
fn links_are_filtered_by_master_and_kind() {
    let of = |number, kind, master| link_message(NLM_F_MULTIPART, number, kind, master);
    let sent = [
        of(1, "team", None),
        of(2, "veth", Some(1)),
        of(3, "veth", Some(9)),
        of(4, "dummy", Some(1)),
    ];
    for (filter, expected) in [
        (LinkFilter::new(), vec![1, 2, 3, 4]),
        (LinkFilter::new().master(ifindex(1)), vec![2, 4]),
        (LinkFilter::new().kind("veth"), vec![2, 3]),
        (LinkFilter::new().kind("vet"), vec![]),
        (LinkFilter::new().kind("dummy").master(ifindex(1)), vec![4]),
    ] {
        let links = rtnl(&script(&sent)).links(&filter).unwrap();
        assert_eq!(numbers(&links), expected, "links of {filter:?}");
    }
}

#[test]
fn addresses_are_filtered_by_link_and_family() {
    let sent = [address(2, 1), address(10, 1), address(2, 5)];
    for (filter, expected) in [
        (AddressFilter::new(), 3),
        (AddressFilter::new().link(ifindex(1)), 2),
        (AddressFilter::new().family(AddressFamily::Inet), 2),
        (AddressFilter::new().family(AddressFamily::Inet6).link(ifindex(1)), 1),
    ] {
        assert_eq!(
            rtnl(&script(&sent)).addresses(&filter).unwrap().items().len(),
            expected,
            "number of objects of {filter:?}"
        );
    }
}

#[test]
fn routes_are_filtered_by_each_criterion() {
    let hop = |link: u32| [&8_u16.to_ne_bytes()[..], &[0; 2], &link.to_ne_bytes()].concat();
    let sent = [
        route(2, 254, 3, 0, &[number(RTA_TABLE, 254), number(RTA_OIF, 5)]),
        route(2, 252, 3, 0, &[number(RTA_TABLE, 1000), number(RTA_OIF, 6)]),
        route(10, 255, 2, 0, &[number(RTA_OIF, 5)]),
        route(10, 254, 2, 0, &[attribute(RTA_MULTIPATH, &[hop(6), hop(7)].concat())]),
        route(2, 254, 3, 0, &[number(RTA_NH_ID, 9)]),
        route(2, 254, 3, RTM_F_CLONED, &[number(RTA_OIF, 5)]),
    ];
    for (filter, expected) in [
        (RouteFilter::new(), 5),
        (RouteFilter::new().table(254), 3),
        (RouteFilter::new().table(1000), 1),
        (RouteFilter::new().table(252), 0),
        (RouteFilter::new().table(255), 1),
        (RouteFilter::new().family(AddressFamily::Inet6), 2),
        (RouteFilter::new().protocol(RouteProtocol::Kernel), 2),
        (RouteFilter::new().out_link(ifindex(5)), 2),
        (RouteFilter::new().out_link(ifindex(6)), 2),
        (RouteFilter::new().out_link(ifindex(7)), 1),
        (RouteFilter::new().out_link(ifindex(5)).table(254), 1),
    ] {
        assert_eq!(
            rtnl(&script(&sent)).routes(&filter).unwrap().items().len(),
            expected,
            "number of objects of {filter:?}"
        );
    }
}

#[test]
fn route_with_only_a_nexthop_id_passes_filtered_dump() {
    let mut sent = route(2, 254, 3, 0, &[number(RTA_NH_ID, 9)]);
    sent[6..8].copy_from_slice(&(NLM_F_MULTIPART | NLM_F_DUMP_FILTERED).to_ne_bytes());
    let routes = rtnl(&script(&[sent])).routes(&RouteFilter::new().out_link(ifindex(5))).unwrap();
    assert_eq!(routes.items().len(), 1);
}

#[test]
fn missing_table_has_no_routes() {
    let no_entry = || Script::new([Step::answer(&[done(-(Errno::ENOENT as i32))])]);
    let routes = rtnl(&no_entry()).routes(&RouteFilter::new().table(77)).unwrap();
    assert_eq!((routes.items().len(), routes.is_consistent(), routes.attempts()), (0, true, 1));
    let error = rtnl(&no_entry()).routes(&RouteFilter::new()).unwrap_err();
    assert!(
        matches!(error, Error::Kernel { .. }) && error.kind() == ErrorKind::NotFound,
        "found {error:?}, expected a kernel error, as no table was selected"
    );
}

#[test]
fn neighbours_are_filtered_by_link_family_and_kind() {
    let sent = [neighbour(2, 1, 0), neighbour(10, 1, 0), neighbour(2, 5, 0), neighbour(2, 1, 8)];
    for (filter, expected) in [
        (NeighbourFilter::new(), 3),
        (NeighbourFilter::new().link(ifindex(1)), 2),
        (NeighbourFilter::new().family(AddressFamily::Inet), 2),
        (NeighbourFilter::new().proxies(), 1),
    ] {
        assert_eq!(
            rtnl(&script(&sent)).neighbours(&filter).unwrap().items().len(),
            expected,
            "number of objects of {filter:?}"
        );
    }
}

#[test]
fn neighbours_of_a_master_are_those_of_its_ports() {
    let port = |flags| link_message(NLM_F_MULTIPART | flags, 5, "veth", Some(1));
    let entries = [neighbour(2, 5, 0), neighbour(2, 6, 0), neighbour(2, 1, 0)];
    let filter = NeighbourFilter::new().master(ifindex(1));
    let neighbours = rtnl(&dumps(&[&[port(0)], &entries])).neighbours(&filter).unwrap();
    assert_eq!((neighbours.items().len(), neighbours.items()[0].ifindex()), (1, Some(ifindex(5))));
    assert!(neighbours.is_consistent());
    // A result that depends on an interrupted dump is inconsistent too.
    let script = dumps(&[&[port(NLM_F_DUMP_INTR)], &entries]);
    let neighbours = rtnl_with(&script, 1, InterruptedDump::Keep).neighbours(&filter).unwrap();
    assert_eq!((neighbours.items().len(), neighbours.is_consistent()), (1, false));
}

#[test]
fn rules_are_filtered_by_family_and_table() {
    let sent = [
        rule(2, 255, &[]),
        rule(2, 252, &[number(RTA_TABLE, 1000)]),
        rule(10, 254, &[number(RTA_TABLE, 254)]),
    ];
    for (filter, expected) in [
        (RuleFilter::new(), 3),
        (RuleFilter::new().family(AddressFamily::Inet), 2),
        (RuleFilter::new().table(255), 1),
        (RuleFilter::new().table(1000), 1),
        (RuleFilter::new().table(252), 0),
    ] {
        assert_eq!(
            rtnl(&script(&sent)).rules(&filter).unwrap().items().len(),
            expected,
            "number of objects of {filter:?}"
        );
    }
}

#[test]
fn qdiscs_are_filtered_by_link_and_parent() {
    let root = u32::MAX;
    let of = |link, handle, parent| traffic(RTM_NEWQDISC, link, handle, parent, "htb");
    let sent = [of(1, 0x1_0000, root), of(2, 0x1_0000, root), of(2, 0x2_0000, 0x1_0010)];
    for (filter, expected) in [
        (TcSelector::new(), 3),
        (TcSelector::new().link(ifindex(2)), 2),
        (TcSelector::new().parent(TcHandle::ROOT), 2),
        (TcSelector::new().parent(handle(0x1_0010)), 1),
    ] {
        assert_eq!(
            rtnl(&script(&sent)).qdiscs(&filter).unwrap().items().len(),
            expected,
            "number of objects of {filter:?}"
        );
    }
}

#[test]
fn classes_are_filtered_by_link_and_parent() {
    let of = |link, handle, parent| traffic(RTM_NEWTCLASS, link, handle, parent, "htb");
    let sent = [
        of(2, 0x1_0001, u32::MAX),
        of(2, 0x1_0010, 0x1_0001),
        of(2, 0x2_0001, u32::MAX),
        of(3, 0x1_0001, 0),
    ];
    let two = TcSelector::new().link(ifindex(2));
    for (filter, expected) in [
        (two.clone(), 3),
        (two.clone().parent(handle(0x1_0000)), 2),
        (two.clone().parent(handle(0x1_0001)), 1),
        (two.parent(TcHandle::ROOT), 2),
    ] {
        assert_eq!(
            rtnl(&script(&sent)).classes(&filter).unwrap().items().len(),
            expected,
            "number of objects of {filter:?}"
        );
    }
}

#[test]
fn filters_are_requested_per_attach_point() {
    let qdisc = |link, handle, kind| traffic(RTM_NEWQDISC, link, handle, u32::MAX, kind);
    let qdiscs =
        [qdisc(1, 0, "noqueue"), qdisc(2, 0x1_0000, "htb"), qdisc(3, 0xffff_0000, "clsact")];
    let class = [traffic(RTM_NEWTCLASS, 2, 0x1_0010, u32::MAX, "htb")];
    let of = |link, parent| traffic(RTM_NEWTFILTER, link, 1, parent, "u32");
    let script = dumps(&[
        // The queueing disciplines, twice: the second time for the classes, requested for links 1,
        // 2 and 3.
        &qdiscs,
        &qdiscs,
        &[],
        &class,
        &[],
        // The filters of the attach points: one of another link, one of another parent, and a block
        // that occurs twice.
        &[of(2, 0x1_0000), of(9, 0x1_0000), of(2, 0x1_0001)],
        &[of(-1, 22), of(-1, 22)],
        &[of(-1, 22)],
        &[of(2, 0x1_0010)],
    ]);
    let filters = rtnl(&script).filters(&TcSelector::new()).unwrap();
    let points: Vec<_> =
        filters.items().iter().map(|it| (it.header.index, u32::from(it.header.parent))).collect();
    assert_eq!(points, [(2, 0x1_0000), (-1, 22), (-1, 22), (2, 0x1_0010)]);
    let requested: Vec<_> = script.sent()[5..]
        .iter()
        .map(|sent| (sent[20..24].to_vec(), sent[28..32].to_vec()))
        .collect();
    let expected = [(2, 0x1_0000), (3, 0xffff_fff2), (3, 0xffff_fff3), (2, 0x1_0010)];
    assert_eq!(
        requested,
        expected.map(|(link, parent): (i32, u32)| (
            link.to_ne_bytes().to_vec(),
            parent.to_ne_bytes().to_vec()
        ))
    );
    assert_eq!(script.left(), 0);
}

#[test]
fn missing_link_is_the_same_error_in_all_families() {
    let none = ifindex(77);
    let no_device = || Step::answer(&[ack(-(Errno::ENODEV as i32))]);
    let families: [(&str, List); 9] = [
        ("master", |rtnl, link| rtnl.links(&LinkFilter::new().master(link)).map(drop)),
        ("address", |rtnl, link| rtnl.addresses(&AddressFilter::new().link(link)).map(drop)),
        ("route", |rtnl, link| rtnl.routes(&RouteFilter::new().out_link(link)).map(drop)),
        ("no table", |rtnl, link| {
            rtnl.routes(&RouteFilter::new().table(7).out_link(link)).map(drop)
        }),
        ("neighbour", |rtnl, link| rtnl.neighbours(&NeighbourFilter::new().link(link)).map(drop)),
        ("neighbours' master", |rtnl, link| {
            rtnl.neighbours(&NeighbourFilter::new().master(link)).map(drop)
        }),
        ("qdisc", |rtnl, link| rtnl.qdiscs(&TcSelector::new().link(link)).map(drop)),
        ("class", |rtnl, link| rtnl.classes(&TcSelector::new().link(link)).map(drop)),
        ("filter", |rtnl, link| {
            rtnl.filters(&TcSelector::new().link(link).parent(handle(1))).map(drop)
        }),
    ];
    for (family, list) in families {
        for first in [Step::answer(&[done(0)]), no_device()] {
            let script = Script::new([first, no_device()]);
            let error = list(&mut rtnl(&script), none).unwrap_err();
            assert!(
                matches!(error, Error::NoSuchDevice { .. }),
                "{family}: found {error:?}, expected NoSuchDevice"
            );
        }
    }
}

#[test]
fn link_without_objects_has_an_empty_list() {
    let script = Script::new([Step::answer(&[done(0)]), Step::answer(&[link(7), ack(0)])]);
    assert!(
        rtnl(&script).addresses(&AddressFilter::new().link(ifindex(7))).unwrap().items().is_empty()
    );
}
