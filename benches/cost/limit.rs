//! The limit: sends the requests that the library sends, and throws away what is received. No
//! handle can cost less.

use std::io;

use libteam::{IfIndex, LinkScope};
use netlink_sys::protocols::{NETLINK_GENERIC, NETLINK_ROUTE};
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};

use crate::count::Traffic;
use crate::netlink::{attribute, find, generic, link, request};
use crate::receive::{SLOT, SLOTS, buffer, look, receive};

const RTM_GETLINK: u16 = 18;
const RTNLGRP_LINK: u32 = 1;
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CTRL_ATTR_MCAST_GROUPS: u16 = 7;
const CTRL_ATTR_MCAST_GRP_ID: u16 = 2;
const TEAM_CMD_OPTIONS_SET: u8 = 1;
const TEAM_CMD_OPTIONS_GET: u8 = 2;
const TEAM_CMD_PORT_LIST_GET: u8 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_EXT_MASK: u16 = 29;
const SKIP_STATS: u32 = 8;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// What the library asks for as a socket's receive buffer.
const RECEIVE_BUFFER: usize = 1 << 20;

/// A request of one of the two protocols, and what its answer ends with.
struct Exchange {
    protocol: isize,
    bytes: Vec<u8>,
    /// How many messages of this kind are the end.
    end: u16,
    ends: usize,
}

/// What a handle sends, in order.
pub(crate) struct Requests {
    all: Vec<Exchange>,
    pub(crate) buffer: Vec<u8>,
    pub(crate) traffic: Traffic,
}

/// The two sockets for commands.
pub(crate) struct Sockets {
    route: Socket,
    generic: Socket,
}

impl Sockets {
    /// As the library sets them up.
    pub(crate) fn new() -> Self {
        let open = |protocol| {
            let socket = connected(protocol);
            socket.set_ext_ack(true).unwrap();
            socket.set_cap_ack(true).unwrap();
            socket
        };
        let sockets = Self { route: open(NETLINK_ROUTE), generic: open(NETLINK_GENERIC) };
        sockets.route.set_netlink_get_strict_chk(true).unwrap();
        sockets
    }
}

impl Requests {
    /// Those that open a handle.
    pub(crate) fn of_open(team: IfIndex, scope: LinkScope, family: u16) -> Self {
        let name = attribute(CTRL_ATTR_FAMILY_NAME, b"team\0");
        let resolve =
            request(GENL_ID_CTRL, NLM_F_ACK, &[generic(CTRL_CMD_GETFAMILY, 1), name].concat());
        let mut all = vec![
            get_link(team),
            Exchange { protocol: NETLINK_GENERIC, bytes: resolve, end: NLMSG_ERROR, ends: 1 },
        ];
        if scope == LinkScope::Team {
            all.push(ask_driver(TEAM_CMD_PORT_LIST_GET, team, family));
        }
        all.extend(Self::of_resync(team, scope, family).all);
        Self { all, ..Self::of_resync(team, scope, family) }
    }

    /// Those that ask for everything again.
    pub(crate) fn of_resync(team: IfIndex, scope: LinkScope, family: u16) -> Self {
        let mut all = vec![dump_links((scope == LinkScope::Team).then_some(team))];
        if scope == LinkScope::Team {
            all.push(get_link(team));
        }
        all.push(ask_driver(TEAM_CMD_PORT_LIST_GET, team, family));
        all.push(ask_driver(TEAM_CMD_OPTIONS_GET, team, family));
        Self { all, buffer: buffer(), traffic: Traffic::default() }
    }

    /// The one that leads all hashes to a port.
    pub(crate) fn of_hashes(team: IfIndex, port: IfIndex, family: u16) -> Self {
        let set = |hash: u32| {
            let item = [
                attribute(1, b"lb_tx_hash_to_port_mapping\0"),
                attribute(7, &hash.to_ne_bytes()),
                attribute(3, &[3]),
                attribute(4, &port.get().to_ne_bytes()),
            ];
            let list = attribute(2, &attribute(1, &item.concat()));
            let body =
                [generic(TEAM_CMD_OPTIONS_SET, 1), attribute(1, &team.get().to_ne_bytes()), list];
            request(family, NLM_F_ACK, &body.concat())
        };
        let bytes = (0..256).flat_map(set).collect();
        let all = vec![Exchange { protocol: NETLINK_GENERIC, bytes, end: NLMSG_ERROR, ends: 256 }];
        Self { all, buffer: buffer(), traffic: Traffic::default() }
    }

    /// Sends them one after the other, and receives what is answered.
    pub(crate) fn exchange(&mut self, sockets: &Sockets) {
        self.traffic = Traffic::default();
        for Exchange { protocol, bytes, end, ends } in &self.all {
            let socket = if *protocol == NETLINK_ROUTE { &sockets.route } else { &sockets.generic };
            socket.send(bytes, 0).unwrap();
            self.traffic.sends += 1;
            let mut left = *ends;
            while left > 0 {
                let lengths = receive(socket, &mut self.buffer).unwrap();
                for (length, slot) in lengths.into_iter().zip(self.buffer.chunks(SLOT)) {
                    let (messages, ends) = look(slot.get(..length).unwrap(), *end);
                    self.traffic.received_bytes += length;
                    self.traffic.messages += messages;
                    left -= ends;
                }
            }
        }
    }
}

fn get_link(ifindex: IfIndex) -> Exchange {
    let bytes = request(RTM_GETLINK, NLM_F_ACK, &link(ifindex.get()));
    Exchange { protocol: NETLINK_ROUTE, bytes, end: NLMSG_ERROR, ends: 1 }
}

fn dump_links(master: Option<IfIndex>) -> Exchange {
    let mut body = link(0);
    body.extend(
        master.iter().flat_map(|master| attribute(IFLA_MASTER, &master.get().to_ne_bytes())),
    );
    body.extend(attribute(IFLA_EXT_MASK, &SKIP_STATS.to_ne_bytes()));
    let bytes = request(RTM_GETLINK, NLM_F_DUMP, &body);
    Exchange { protocol: NETLINK_ROUTE, bytes, end: NLMSG_DONE, ends: 1 }
}

fn ask_driver(command: u8, team: IfIndex, family: u16) -> Exchange {
    let body = [generic(command, 1), attribute(1, &team.get().to_ne_bytes())].concat();
    Exchange {
        protocol: NETLINK_GENERIC,
        bytes: request(family, 0, &body),
        end: NLMSG_DONE,
        ends: 1,
    }
}

/// The numbers of the driver's family and of its multicast group.
pub(crate) fn driver() -> (u16, u32) {
    let sockets = Sockets::new();
    let name = attribute(CTRL_ATTR_FAMILY_NAME, b"team\0");
    let message = request(GENL_ID_CTRL, 0, &[generic(CTRL_CMD_GETFAMILY, 1), name].concat());
    sockets.generic.send(&message, 0).unwrap();
    let (reply, _) = sockets.generic.recv_from_full().unwrap();
    let attributes = reply.get(20..).unwrap();
    let groups = find(attributes, CTRL_ATTR_MCAST_GROUPS);
    let group = find(find(groups, 1), CTRL_ATTR_MCAST_GRP_ID);
    let family = find(attributes, CTRL_ATTR_FAMILY_ID);
    (u16::from_ne_bytes(family.try_into().unwrap()), u32::from_ne_bytes(group.try_into().unwrap()))
}

fn connected(protocol: isize) -> Socket {
    let socket = Socket::new(protocol).unwrap();
    setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).unwrap();
    socket.connect(&SocketAddr::new(0, 0)).unwrap();
    socket
}

/// A socket that hears of links or of the team driver, with the receive buffer that the library's
/// has.
pub(crate) struct Listener(Socket);

impl Listener {
    pub(crate) fn of_links() -> Self {
        Self::of_group(NETLINK_ROUTE, RTNLGRP_LINK)
    }

    /// `group` is one of the driver's family.
    pub(crate) fn of_driver(group: u32) -> Self {
        Self::of_group(NETLINK_GENERIC, group)
    }

    fn of_group(protocol: isize, group: u32) -> Self {
        let socket = connected(protocol);
        socket.add_membership(group).unwrap();
        Self(socket)
    }

    /// Reads everything that waits, and says how many datagrams that were and whether some were
    /// lost.
    pub(crate) fn drain(&self, buffer: &mut [u8]) -> (usize, bool) {
        let (mut count, mut lost) = (0, false);
        loop {
            match receive(&self.0, buffer) {
                Ok(lengths) => {
                    count += lengths.len();
                    if lengths.len() < SLOTS {
                        return (count, lost);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (count, lost),
                Err(_) => lost = true,
            }
        }
    }
}
