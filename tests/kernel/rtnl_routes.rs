//! Routes as `ip -j` prints them, all and filtered.

use libteam::ErrorKind;
use libteam::rtnl::netlink_packet_route::AddressFamily::{self, Inet, Inet6};
use libteam::rtnl::netlink_packet_route::RouteNetlinkMessage;
use libteam::rtnl::netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteProtocol};
use libteam::rtnl::{NextHop, Route, RouteFilter, RtnlSocket};
use serde_json::Value;

use crate::support::netns::{index, ip_json};
use crate::support::rtnl_scene::{
    Names, assert_same_lines, attributes_text, build, family, ip_each, names, text,
};

/// Builds the scene, and routes of many types in many tables.
fn build_routes() {
    build();
    ip_each(&[
        "route add 198.51.100.0/24 nexthop via 192.0.2.2 dev d0 weight 2 nexthop via 198.18.0.3 dev br0",
        "nexthop add id 5 via 192.0.2.2 dev d0",
        "route add 198.51.101.0/24 nhid 5",
        "route add 203.0.113.0/24 via inet6 2001:db8::9 dev d0",
        "route add 203.0.114.0/24 encap ip id 3 dst 10.0.0.1 dev d0",
        "route add blackhole 203.0.116.0/24 table 1000 metric 7",
        "route add unreachable 203.0.117.0/24 tos 4",
        "route add default via 192.0.2.2 table 100 proto static mtu 1400 src 192.0.2.1",
        "route add 203.0.118.0/24 via 192.0.2.2 proto bird metric 20",
        "route add default dev vrf0 table 77",
        "-6 route add 2001:db8:1::/64 via 2001:db8::2 dev d0 metric 5 proto static",
        "-6 route add 2001:db8:2::/64 nexthop via 2001:db8::2 dev d0 nexthop via 2001:db8:9::3 dev team0",
        "-6 route add prohibit 2001:db8:3::/64 table 1001",
        "-6 route add 2001:db8:5::/64 encap ip6 id 3 dst 2001:db8::7 dev d0",
        "-6 route add default via 2001:db8::2 table 1000 pref high",
    ]);
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn our_hop(hop: &NextHop, names: &Names) -> String {
    format!(
        "{} dev {} weight {}",
        shown(hop.gateway()),
        names[&hop.out_link().unwrap().get()],
        hop.weight()
    )
}

fn our_route(route: &Route, names: &Names) -> String {
    let whole = if route.family() == Inet { 32 } else { 128 };
    let destination = match route.prefix_len() {
        0 => {
            assert!(
                route.is_default() && route.destination().unwrap().is_unspecified(),
                "expected a default route: {route:?}"
            );
            "default".to_owned()
        }
        length if length == whole => shown(route.destination()),
        length => format!("{}/{length}", shown(route.destination())),
    };
    let id = |it: &RouteAttribute| {
        if let RouteAttribute::NhId(it) = it { Some(it.to_string()) } else { None }
    };
    format!(
        "{} type {} {destination} tos {} via {:?} dev {:?} table {} proto {} scope {} metric {} src {:?} nhid {:?} {:?}",
        family(route.family()),
        u8::from(route.kind()),
        route.message().header.tos,
        shown(route.gateway()),
        route.out_link().map(|link| names[&link.get()].clone()).unwrap_or_default(),
        route.table(),
        u8::from(route.protocol()),
        u8::from(route.scope()),
        route.metric(),
        shown(route.preferred_source()),
        attributes_text(&route.message().attributes, id),
        route.next_hops().map(|hop| our_hop(&hop, names)).collect::<Vec<_>>(),
    )
}

fn their_hop(hop: &Value) -> String {
    format!("{} dev {} weight {}", their_via(hop), text(&hop["dev"]), hop["weight"])
}

fn their_via(route: &Value) -> String {
    match &route["via"] {
        Value::Null => text(&route["gateway"]),
        via => text(&via["host"]),
    }
}

fn their_route(route: &Value, family: AddressFamily) -> String {
    let hops: Vec<String> =
        route["nexthops"].as_array().into_iter().flatten().map(their_hop).collect();
    // ip prints the destination of a tunnel with the same key, after that of the route.
    let destination = match text(&route["dst"]).as_str() {
        "10.0.0.1" => "203.0.114.0/24".to_owned(),
        "2001:db8::7" => "2001:db8:5::/64".to_owned(),
        destination => destination.to_owned(),
    };
    let tos = text(&route["tos"]);
    let tos = u8::from_str_radix(tos.trim_start_matches("0x"), 16).unwrap_or(0);
    format!(
        "{} type {} {} tos {tos} via {:?} dev {:?} table {} proto {} scope {} metric {} src {:?} nhid {:?} {hops:?}",
        self::family(family),
        text(&route["type"]),
        destination,
        their_via(route),
        text(&route["dev"]),
        text(&route["table"]),
        text(&route["protocol"]),
        text(&route["scope"]),
        route["metric"].as_u64().unwrap_or_default(),
        text(&route["prefsrc"]),
        text(&route["nhid"]),
    )
}

fn their_routes(family: AddressFamily, words: &str) -> Vec<String> {
    let option = if family == Inet { "-4" } else { "-6" };
    let routes = ip_json(&format!("-d -N {option} route show {words}"));
    routes.iter().map(|route| their_route(route, family)).collect()
}

/// Returns whether a filter should select a line.
type Holds<'a> = &'a dyn Fn(&String) -> bool;

#[test]
fn routes_are_those_of_ip() {
    build_routes();
    let names = names();
    let mut rtnl = RtnlSocket::new().unwrap();
    let (d0, br0, team0) = (index("d0"), index("br0"), index("team0"));
    // ip does not print the fields that it filters by, so its whole list is filtered here.
    let all = [their_routes(Inet, "table all"), their_routes(Inet6, "table all")].concat();
    let out = |line: &String, dev: &str| {
        line.contains(&format!("dev \"{dev}\"")) || line.contains(&format!("dev {dev} "))
    };
    let (table, proto) = (
        |line: &String, it: u32| line.contains(&format!(" table {it} ")),
        |line: &String, it: u8| line.contains(&format!(" proto {it} ")),
    );
    let cases: [(RouteFilter, Holds<'_>); 10] = [
        (RouteFilter::new(), &|_| true),
        (RouteFilter::new().table(254), &|it| table(it, 254)),
        (RouteFilter::new().table(255), &|it| table(it, 255)),
        (RouteFilter::new().table(1000), &|it| table(it, 1000)),
        (RouteFilter::new().out_link(d0), &|it| out(it, "d0")),
        (RouteFilter::new().out_link(br0), &|it| out(it, "br0")),
        (RouteFilter::new().out_link(team0).table(254), &|it| out(it, "team0") && table(it, 254)),
        (RouteFilter::new().protocol(RouteProtocol::Kernel), &|it| proto(it, 2)),
        (RouteFilter::new().protocol(RouteProtocol::Bird), &|it| proto(it, 12)),
        (RouteFilter::new().protocol(RouteProtocol::Static).out_link(d0), &|it| {
            proto(it, 4) && out(it, "d0")
        }),
    ];
    for (filter, holds) in cases {
        let routes = rtnl.routes(&filter).unwrap();
        assert!(routes.is_consistent());
        let ours = routes.items().iter().map(|it| our_route(it, &names));
        assert_same_lines(&format!("{filter:?}"), ours, all.iter().filter(|it| holds(it)).cloned());
    }
    for family in [Inet, Inet6] {
        let routes = rtnl.routes(&RouteFilter::new().family(family)).unwrap();
        let ours = routes.items().iter().map(|it| our_route(it, &names));
        assert_same_lines(&format!("{family:?}"), ours, their_routes(family, "table all"));
    }
}

#[test]
fn table_without_routes_is_not_an_error() {
    build_routes();
    let mut rtnl = RtnlSocket::new().unwrap();
    let count =
        |rtnl: &mut RtnlSocket, filter: RouteFilter| rtnl.routes(&filter).unwrap().items().len();
    for family in [None, Some(Inet), Some(Inet6)] {
        let filter = |table| {
            family.map_or(RouteFilter::new(), |it| RouteFilter::new().family(it)).table(table)
        };
        assert_eq!(count(&mut rtnl, filter(4711)), 0, "{family:?}");
        assert_eq!(count(&mut rtnl, filter(1001)), usize::from(family != Some(Inet)), "{family:?}");
    }
    // A plain dump returns the kernel's error for such a table.
    let mut request = RouteMessage::default();
    request.header.address_family = Inet;
    request.attributes.push(RouteAttribute::Table(4711));
    let error = rtnl.dump(RouteNetlinkMessage::GetRoute(request)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
}

#[test]
fn routes_with_only_a_nexthop_id_are_found_by_link() {
    build_routes();
    std::fs::write("/proc/sys/net/ipv4/nexthop_compat_mode", "0").unwrap();
    let mut rtnl = RtnlSocket::new().unwrap();
    let routes = |rtnl: &mut RtnlSocket, link| {
        rtnl.routes(&RouteFilter::new().family(Inet).out_link(link)).unwrap()
    };
    let by_number = |route: &&Route| route.message().attributes.contains(&RouteAttribute::NhId(5));
    let d0 = routes(&mut rtnl, index("d0"));
    let route = d0.items().iter().find(by_number).expect("the kernel finds the route by its link");
    assert_eq!(route.out_link(), None, "out_link of a route with a nexthop id only: {route:?}");
    assert_eq!(routes(&mut rtnl, index("br0")).items().iter().filter(by_number).count(), 0);
}
