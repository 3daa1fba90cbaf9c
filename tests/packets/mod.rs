//! Packets built byte by byte, and an interpreter that hashes them like the kernel.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(dead_code, reason = "each test crate uses a part")]

pub(crate) mod interpreter;

use interpreter::Packet;

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const SCTP: u8 = 132;
pub(crate) const ICMP: u8 = 1;

/// The source and destination of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    /// The last bytes of the Ethernet addresses, source first.
    pub(crate) eth: [u8; 2],
    /// The last bytes of the network addresses.
    pub(crate) hosts: [u8; 2],
    pub(crate) protocol: u8,
    pub(crate) ports: [u16; 2],
}

impl Flow {
    pub(crate) const fn new(protocol: u8) -> Self {
        Self { eth: [1, 2], hosts: [1, 2], protocol, ports: [1111, 2222] }
    }

    fn ethernet(self, kind: u16, payload: &[u8]) -> Packet {
        let [source, destination] = self.eth;
        let frame = [
            &[2, 0x1b, 0, 0, 0, destination][..],
            &[2, 0x1b, 0, 0, 0, source],
            &kind.to_be_bytes(),
            payload,
        ];
        Packet { frame: frame.concat(), tag: None }
    }

    /// Returns the start that the headers of all these protocols share, and a payload.
    fn transport(self, payload: &[u8]) -> Vec<u8> {
        let [source, destination] = self.ports;
        // For UDP this is a valid header without a checksum.
        let length = u16::try_from(8 + payload.len()).unwrap();
        [
            &source.to_be_bytes()[..],
            &destination.to_be_bytes(),
            &length.to_be_bytes(),
            &[0, 0],
            payload,
        ]
        .concat()
    }

    /// Returns an IPv4 packet.
    pub(crate) fn ipv4(self, payload: &[u8]) -> Packet {
        self.ipv4_with(&[], 0x4000, &self.transport(payload))
    }

    /// Returns an IPv4 packet with options, and with flags and fragment offset.
    pub(crate) fn ipv4_with(self, options: &[u8], fragment: u16, payload: &[u8]) -> Packet {
        assert_eq!(options.len() % 4, 0);
        let words = u8::try_from(5 + options.len() / 4).unwrap();
        let length = u16::try_from(20 + options.len() + payload.len()).unwrap();
        let [source, destination] = self.hosts;
        let header = [
            &[0x40 | words, 0][..],
            &length.to_be_bytes(),
            &[0, 7],
            &fragment.to_be_bytes(),
            &[64, self.protocol, 0, 0],
            &[10, 0, 0, source],
            &[10, 0, 0, destination],
            options,
            payload,
        ];
        self.ethernet(0x0800, &header.concat())
    }

    /// Returns an IPv6 packet.
    pub(crate) fn ipv6(self, payload: &[u8]) -> Packet {
        self.ipv6_with(self.protocol, &[], &self.transport(payload))
    }

    /// Returns an IPv6 packet with extension headers.
    pub(crate) fn ipv6_with(self, next: u8, extension: &[u8], payload: &[u8]) -> Packet {
        let length = u16::try_from(extension.len() + payload.len()).unwrap();
        let address = |host: u8| [0xfd, 0x1b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host];
        let [source, destination] = self.hosts.map(address);
        let header = [
            &[0x60, 0, 0, 0][..],
            &length.to_be_bytes(),
            &[next, 64],
            &source,
            &destination,
            extension,
            payload,
        ];
        self.ethernet(0x86dd, &header.concat())
    }

    /// Returns a packet that is neither IPv4 nor IPv6.
    pub(crate) fn other(self) -> Packet {
        self.ethernet(0x88b5, &[1, 2, 3, 4])
    }
}

impl Packet {
    /// Returns the packet with another outermost VLAN tag in its frame.
    pub(crate) fn tagged(&self, kind: u16, tag: u16) -> Self {
        let mut frame = self.frame.clone();
        frame.splice(12..12, [kind.to_be_bytes(), tag.to_be_bytes()].concat());
        Self { frame, tag: self.tag }
    }

    /// Returns the packet with a VLAN tag outside of the frame, as the kernel keeps it for
    /// offloading.
    pub(crate) fn accelerated(&self, tag: u16) -> Self {
        Self { frame: self.frame.clone(), tag: Some(tag) }
    }
}
