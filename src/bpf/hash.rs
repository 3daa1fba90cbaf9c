//! Programs that hash header fields of a packet.

use super::assembler::{Assembler, Label, Target};
use super::operation::code;
use super::{BpfInstruction, HashFields};

// The words of scratch memory that a program uses.
/// The hash of the fields so far.
const HASH: u32 = 0;
/// The length of the VLAN tags in the frame, in bytes.
const TAGS: u32 = 1;

// Packet metadata: SKF_AD_OFF plus SKF_AD_VLAN_TAG and SKF_AD_VLAN_TAG_PRESENT.
const VLAN_TAG: u32 = 0xffff_f000 + 44;
const VLAN_TAG_PRESENT: u32 = 0xffff_f000 + 48;

const ETHER_TYPE: u32 = 12;
const VLAN_TAG_LEN: u32 = 4;
/// The largest number of VLAN tags that the program skips.
const MAX_TAGS: u32 = 2;
const TYPE_VLAN: u32 = 0x8100;
const TYPE_SERVICE_VLAN: u32 = 0x88a8;
const TYPE_IPV4: u32 = 0x0800;
const TYPE_IPV6: u32 = 0x86dd;
const VLAN_NUMBER: u32 = 0xfff;

// The offsets of the fields in a frame without VLAN tags.
const IPV4: u32 = 14;
const IPV4_FRAGMENT: u32 = IPV4 + 6;
const IPV4_PROTOCOL: u32 = IPV4 + 9;
const IPV4_ADDRESSES: [u32; 2] = [IPV4 + 12, IPV4 + 16];
const IPV6: u32 = 14;
const IPV6_NEXT_HEADER: u32 = IPV6 + 6;
const IPV6_ADDRESSES: [u32; 8] =
    [IPV6 + 8, IPV6 + 12, IPV6 + 16, IPV6 + 20, IPV6 + 24, IPV6 + 28, IPV6 + 32, IPV6 + 36];
const IPV6_PAYLOAD: u32 = IPV6 + 40;

/// The bits for "more fragments" and the fragment offset, all 0 in an unfragmented packet.
const IS_FRAGMENT: u32 = 0x3fff;

/// The protocols whose headers start with the two port numbers, with their protocol numbers.
const PROTOCOLS: [(HashFields, u32); 3] =
    [(HashFields::TCP, 6), (HashFields::UDP, 17), (HashFields::SCTP, 132)];

/// An odd factor without a regular bit pattern: 2^32 divided by the golden ratio.
///
/// The multiplication spreads a difference to higher bits, the shift by about half a word to lower
/// bits. All bits matter, because the driver uses the XOR of the four bytes of the hash.
const MULTIPLIER: u32 = 0x9e37_79b1;
const SHIFT: u32 = 15;

/// Returns a program whose result is a hash of the fields.
pub(super) fn instructions(fields: HashFields) -> Vec<BpfInstruction> {
    let mut program = Assembler::default();
    let end = program.label();
    program.emit(code::LOAD_CONSTANT, 0);
    program.emit(code::STORE, HASH);
    if fields.contains(HashFields::ETH) {
        for part in [0, 4, 8] {
            program.emit(code::LOAD_WORD, part);
            program.mix();
        }
    }
    if fields.contains(HashFields::VLAN) {
        program.vlan_offload_tag();
    }
    if fields.intersects(HashFields::VLAN | HashFields::L3 | HashFields::L4) {
        program.tags(fields.contains(HashFields::VLAN));
    }
    if fields.intersects(HashFields::L3 | HashFields::L4) {
        program.network(fields, end);
    }
    program.bind(end);
    // Another round, so that the last field affects all bits of the hash like the first one.
    program.emit(code::LOAD_CONSTANT, 0);
    program.mix();
    program.emit(code::RETURN_A, 0);
    program.finish()
}

/// The parts of the program; each updates the hash in scratch memory.
impl Assembler {
    /// Mixes the accumulator into the hash, and leaves the hash in the accumulator.
    fn mix(&mut self) {
        self.emit(code::LOAD_X_SCRATCH, HASH);
        self.emit(code::XOR_X, 0);
        self.emit(code::MULTIPLY, MULTIPLIER);
        self.emit(code::COPY_TO_X, 0);
        self.emit(code::SHIFT_RIGHT, SHIFT);
        self.emit(code::XOR_X, 0);
        self.emit(code::STORE, HASH);
    }

    /// Hashes the VLAN of the tag that the network card will insert, which is the outermost one.
    fn vlan_offload_tag(&mut self) {
        let none = self.label();
        self.emit(code::LOAD_BYTE, VLAN_TAG_PRESENT);
        self.branch(code::JUMP_IF_EQUAL, 0, Target::To(none), Target::Next);
        self.emit(code::LOAD_HALF, VLAN_TAG);
        self.emit(code::AND, VLAN_NUMBER);
        self.mix();
        self.bind(none);
    }

    /// Skips the VLAN tags in the frame, and hashes them if `hashed`.
    ///
    /// Afterwards the length of the tags is in scratch memory, and the type of the header that
    /// follows them in the accumulator.
    fn tags(&mut self, hashed: bool) {
        let network = self.label();
        self.set_tags_length(0);
        for number in 1..=MAX_TAGS {
            let tag = self.label();
            self.branch(code::JUMP_IF_EQUAL, TYPE_VLAN, Target::To(tag), Target::Next);
            self.branch(code::JUMP_IF_EQUAL, TYPE_SERVICE_VLAN, Target::Next, Target::To(network));
            self.bind(tag);
            if hashed {
                self.emit(code::LOAD_HALF, ETHER_TYPE + VLAN_TAG_LEN * number - 2);
                self.emit(code::AND, VLAN_NUMBER);
                self.mix();
            }
            self.set_tags_length(VLAN_TAG_LEN * number);
        }
        self.bind(network);
    }

    /// Stores the length of the tags so far and loads the type that follows them.
    fn set_tags_length(&mut self, length: u32) {
        self.emit(code::LOAD_X_CONSTANT, length);
        self.emit(code::STORE_X, TAGS);
        self.emit(code::LOAD_HALF, ETHER_TYPE + length);
    }

    /// Hashes the addresses of IPv4 and IPv6 and the ports of the transport protocol.
    fn network(&mut self, fields: HashFields, end: Label) {
        let (ipv4, ipv6) = (self.label(), self.label());
        self.branch(code::JUMP_IF_EQUAL, TYPE_IPV4, Target::To(ipv4), Target::Next);
        self.branch(code::JUMP_IF_EQUAL, TYPE_IPV6, Target::To(ipv6), Target::To(end));
        self.bind(ipv4);
        if fields.contains(HashFields::IPV4) {
            self.addresses(&IPV4_ADDRESSES);
        }
        if fields.intersects(HashFields::L4) {
            self.ipv4_ports(fields, end);
        }
        self.jump(end);
        self.bind(ipv6);
        if fields.contains(HashFields::IPV6) {
            self.addresses(&IPV6_ADDRESSES);
        }
        if fields.intersects(HashFields::L4) {
            self.emit(code::LOAD_X_SCRATCH, TAGS);
            self.emit(code::LOAD_BYTE_AT_X, IPV6_NEXT_HEADER);
            self.skip_other_protocols(fields, end);
            self.emit(code::LOAD_WORD_AT_X, IPV6_PAYLOAD);
            self.mix();
        }
    }

    fn addresses(&mut self, offsets: &[u32]) {
        for offset in offsets {
            self.emit(code::LOAD_X_SCRATCH, TAGS);
            self.emit(code::LOAD_WORD_AT_X, *offset);
            self.mix();
        }
    }

    fn ipv4_ports(&mut self, fields: HashFields, end: Label) {
        self.emit(code::LOAD_X_SCRATCH, TAGS);
        self.emit(code::LOAD_HALF_AT_X, IPV4_FRAGMENT);
        self.branch(code::JUMP_IF_BITS, IS_FRAGMENT, Target::To(end), Target::Next);
        self.emit(code::LOAD_BYTE_AT_X, IPV4_PROTOCOL);
        self.skip_other_protocols(fields, end);
        // The lower four bits of the first byte are the header length in words of four bytes.
        self.emit(code::LOAD_BYTE_AT_X, IPV4);
        self.emit(code::AND, 0xf);
        self.emit(code::SHIFT_LEFT, 2);
        self.emit(code::ADD_X, 0);
        self.emit(code::COPY_TO_X, 0);
        self.emit(code::LOAD_WORD_AT_X, IPV4);
        self.mix();
    }

    /// Jumps to `end` unless the accumulator is the number of a protocol whose ports are hashed.
    fn skip_other_protocols(&mut self, fields: HashFields, end: Label) {
        let ports = self.label();
        for (field, number) in PROTOCOLS {
            if fields.contains(field) {
                self.branch(code::JUMP_IF_EQUAL, number, Target::To(ports), Target::Next);
            }
        }
        self.jump(end);
        self.bind(ports);
    }
}
