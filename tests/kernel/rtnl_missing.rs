//! Filters by a link that does not exist.

use libteam::rtnl::netlink_packet_route::AddressFamily::{self, Inet6};
use libteam::rtnl::{
    AddressFilter, LinkFilter, NeighbourFilter, RouteFilter, RtnlSocket, TcSelector,
};
use libteam::{Error, IfIndex};

use crate::support::rtnl_scene::build;

#[test]
fn missing_link_is_the_same_error_in_each_family() {
    build();
    let mut rtnl = RtnlSocket::new().unwrap();
    let none = IfIndex::new(4711).unwrap();
    let errors = [
        rtnl.links(&LinkFilter::new().master(none)).map(drop),
        rtnl.addresses(&AddressFilter::new().link(none)).map(drop),
        rtnl.addresses(&AddressFilter::new().link(none).family(Inet6)).map(drop),
        rtnl.routes(&RouteFilter::new().out_link(none)).map(drop),
        rtnl.routes(&RouteFilter::new().out_link(none).family(Inet6)).map(drop),
        rtnl.routes(&RouteFilter::new().out_link(none).table(4711)).map(drop),
        rtnl.neighbours(&NeighbourFilter::new().link(none)).map(drop),
        rtnl.neighbours(&NeighbourFilter::new().master(none)).map(drop),
        rtnl.neighbours(&NeighbourFilter::new().master(none).family(AddressFamily::Bridge))
            .map(drop),
        rtnl.qdiscs(&TcSelector::new().link(none)).map(drop),
        rtnl.classes(&TcSelector::new().link(none)).map(drop),
        rtnl.filters(&TcSelector::new().link(none)).map(drop),
    ];
    for (number, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_err();
        assert!(
            matches!(error, Error::NoSuchDevice { .. }),
            "expected NoSuchDevice: {number}: {error:?}"
        );
    }
}
