//! rtnetlink without the library: for changes faster than `ip` makes them, and for the messages
//! that the kernel sends.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libteam::IfIndex;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
const RTM_SETLINK: u16 = 19;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const RTM_NEWLINKPROP: u16 = 108;
const RTM_DELLINKPROP: u16 = 109;
pub(crate) const IFF_UP: u32 = 1;
pub(crate) const IFLA_ADDRESS: u16 = 1;
pub(crate) const IFLA_IFNAME: u16 = 3;
pub(crate) const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
pub(crate) const IFLA_MASTER: u16 = 10;
pub(crate) const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_CARRIER: u16 = 33;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
pub(crate) const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const VETH_INFO_PEER: u16 = 1;
const NLA_F_NESTED: u16 = 0x8000;

/// A connection that changes links, each by one request whose reply is awaited.
pub(crate) struct Raw {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Raw {
    pub(crate) fn new() -> Self {
        let mut socket = Socket::new(NETLINK_ROUTE).unwrap();
        socket.bind_auto().unwrap();
        socket.connect(&SocketAddr::new(0, 0)).unwrap();
        socket.set_cap_ack(true).unwrap();
        Self { socket, buffer: vec![0; 1 << 16] }
    }

    /// Creates a dummy device with this index.
    pub(crate) fn add_dummy(&mut self, name: &str, ifindex: IfIndex) -> io::Result<()> {
        self.add("dummy", name, ifindex)
    }

    /// Creates a link of a kind that requires only a name.
    pub(crate) fn add(&mut self, kind: &str, name: &str, ifindex: IfIndex) -> io::Result<()> {
        self.add_with(name, ifindex, &text(IFLA_INFO_KIND, kind), &[])
    }

    /// Creates a veth pair; each end is given by its name and its index.
    pub(crate) fn add_veth(
        &mut self,
        near: (&str, IfIndex),
        far: (&str, IfIndex),
    ) -> io::Result<()> {
        let peer = [&header(far.1, 0, 0)[..], &text(IFLA_IFNAME, far.0)].concat();
        let data = attribute(IFLA_INFO_DATA, &attribute(VETH_INFO_PEER, &peer));
        self.add_with(near.0, near.1, &[text(IFLA_INFO_KIND, "veth"), data].concat(), &[])
    }

    /// Creates a VLAN device whose VLAN id is its index.
    pub(crate) fn add_vlan(
        &mut self,
        name: &str,
        ifindex: IfIndex,
        lower: IfIndex,
    ) -> io::Result<()> {
        let id = u16::try_from(ifindex.get()).unwrap().to_ne_bytes();
        let data = attribute(IFLA_INFO_DATA, &attribute(IFLA_VLAN_ID, &id));
        let lower = attribute(IFLA_LINK, &lower.get().to_ne_bytes());
        self.add_with(name, ifindex, &[text(IFLA_INFO_KIND, "vlan"), data].concat(), &lower)
    }

    fn add_with(
        &mut self,
        name: &str,
        ifindex: IfIndex,
        info: &[u8],
        more: &[u8],
    ) -> io::Result<()> {
        let attributes = [&text(IFLA_IFNAME, name), &attribute(IFLA_LINKINFO, info), more].concat();
        self.request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, header(ifindex, 0, 0), &attributes)
    }

    pub(crate) fn delete(&mut self, ifindex: IfIndex) -> io::Result<()> {
        self.request(RTM_DELLINK, 0, header(ifindex, 0, 0), &[])
    }

    pub(crate) fn rename(&mut self, ifindex: IfIndex, name: &str) -> io::Result<()> {
        self.request(RTM_SETLINK, 0, header(ifindex, 0, 0), &text(IFLA_IFNAME, name))
    }

    pub(crate) fn set_mtu(&mut self, ifindex: IfIndex, mtu: u32) -> io::Result<()> {
        self.request(
            RTM_SETLINK,
            0,
            header(ifindex, 0, 0),
            &attribute(IFLA_MTU, &mtu.to_ne_bytes()),
        )
    }

    pub(crate) fn set_hwaddr(&mut self, ifindex: IfIndex, hwaddr: [u8; 6]) -> io::Result<()> {
        self.request(RTM_SETLINK, 0, header(ifindex, 0, 0), &attribute(IFLA_ADDRESS, &hwaddr))
    }

    /// Sets those of the flags that `mask` contains.
    pub(crate) fn set_flags(&mut self, ifindex: IfIndex, flags: u32, mask: u32) -> io::Result<()> {
        self.request(RTM_SETLINK, 0, header(ifindex, flags, mask), &[])
    }

    pub(crate) fn set_carrier(&mut self, ifindex: IfIndex, carrier: bool) -> io::Result<()> {
        self.request(
            RTM_SETLINK,
            0,
            header(ifindex, 0, 0),
            &attribute(IFLA_CARRIER, &[carrier.into()]),
        )
    }

    pub(crate) fn add_alternative_name(&mut self, ifindex: IfIndex, name: &str) -> io::Result<()> {
        self.request(
            RTM_NEWLINKPROP,
            NLM_F_CREATE | NLM_F_EXCL,
            header(ifindex, 0, 0),
            &alternative_name(name),
        )
    }

    pub(crate) fn delete_alternative_name(
        &mut self,
        ifindex: IfIndex,
        name: &str,
    ) -> io::Result<()> {
        self.request(RTM_DELLINKPROP, 0, header(ifindex, 0, 0), &alternative_name(name))
    }

    /// Moves a link to another network namespace.
    pub(crate) fn send_away(
        &mut self,
        ifindex: IfIndex,
        namespace: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let namespace = namespace.as_raw_fd().to_ne_bytes();
        self.request(RTM_SETLINK, 0, header(ifindex, 0, 0), &attribute(IFLA_NET_NS_FD, &namespace))
    }

    /// Sets the master of a link, setting the link down in the same request, or releases the link.
    pub(crate) fn set_master(
        &mut self,
        ifindex: IfIndex,
        master: Option<IfIndex>,
    ) -> io::Result<()> {
        let master = master.map_or(0, IfIndex::get).to_ne_bytes();
        self.request(RTM_SETLINK, 0, header(ifindex, 0, IFF_UP), &attribute(IFLA_MASTER, &master))
    }

    fn request(
        &mut self,
        kind: u16,
        flags: u16,
        header: [u8; 16],
        attributes: &[u8],
    ) -> io::Result<()> {
        let mut message = u32::try_from(32 + attributes.len()).unwrap().to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend((NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
        message.extend([0; 8]);
        message.extend(header);
        message.extend(attributes);
        self.socket.send(&message, 0)?;
        self.socket.recv(&mut &mut self.buffer[..], 0)?;
        match i32::from_ne_bytes(self.buffer[16..20].try_into().unwrap()) {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(-code)),
        }
    }
}

/// Returns a `struct ifinfomsg`.
pub(crate) fn header(ifindex: IfIndex, flags: u32, change: u32) -> [u8; 16] {
    let words = [0, ifindex.get(), flags, change].map(u32::to_ne_bytes);
    words.concat().try_into().unwrap()
}

pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub(crate) fn text(kind: u16, text: &str) -> Vec<u8> {
    attribute(kind, &[text.as_bytes(), &[0]].concat())
}

fn alternative_name(name: &str) -> Vec<u8> {
    attribute(IFLA_PROP_LIST | NLA_F_NESTED, &text(IFLA_ALT_IFNAME, name))
}

/// A socket that receives every link message of the namespace.
pub(crate) struct Listener(Socket);

impl Listener {
    pub(crate) fn new() -> Self {
        let mut socket = Socket::new(NETLINK_ROUTE).unwrap();
        socket.bind_auto().unwrap();
        socket.add_membership(1).unwrap();
        socket.set_non_blocking(true).unwrap();
        Self(socket)
    }

    /// Returns the index and the flags of every link message since the last call.
    pub(crate) fn flags(&self) -> Vec<(u32, u32)> {
        let word = |bytes: &[u8]| u32::from_ne_bytes(bytes.try_into().unwrap());
        let messages = std::iter::from_fn(|| self.0.recv_from_full().ok());
        messages.map(|(message, _)| (word(&message[20..24]), word(&message[24..28]))).collect()
    }

    /// Returns whether an `RTM_NEWLINK` message with this MTU of this link arrived since the last
    /// call.
    pub(crate) fn receives_mtu(&self, ifindex: IfIndex, mtu: u32) -> bool {
        let expected = attribute(IFLA_MTU, &mtu.to_ne_bytes());
        let mut received = false;
        while let Ok((message, _)) = self.0.recv_from_full() {
            received |= message[4..6] == RTM_NEWLINK.to_ne_bytes()
                && message[20..24] == ifindex.get().to_ne_bytes()
                && message[32..]
                    .windows(expected.len())
                    .step_by(4)
                    .any(|attribute| attribute == expected);
        }
        received
    }

    /// Returns the number of `RTM_DELLINK` messages of this address family about this link since
    /// the last call.
    pub(crate) fn deletions(&self, family: u8, ifindex: IfIndex) -> usize {
        let mut count = 0;
        while let Ok((message, _)) = self.0.recv_from_full() {
            let is_it = message[4..6] == RTM_DELLINK.to_ne_bytes()
                && message[16] == family
                && message[20..24] == ifindex.get().to_ne_bytes();
            count += usize::from(is_it);
        }
        count
    }
}

/// Returns the number of messages that the kernel could not deliver to the sockets of this
/// namespace: those that receive link messages, and those that receive the team driver's.
pub(crate) fn drops() -> (u64, u64) {
    // The columns: sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
    let table = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
    let mut sums = (0, 0);
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let drops: u64 = columns[8].parse().unwrap();
        match (columns[1], columns[3]) {
            (_, "00000000") => {}
            ("0", _) => sums.0 += drops,
            ("16", _) => sums.1 += drops,
            _ => {}
        }
    }
    sums
}
