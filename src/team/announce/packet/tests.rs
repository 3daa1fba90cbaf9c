use super::*;

const SENDER: EthernetAddress = [2, 0, 0, 0, 0, 0x2a];

/// Parses bytes that are written as hexadecimal digits.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(byte).collect()
}

fn advertise(address: &str, is_router: bool, replaces: bool) -> Vec<u8> {
    neighbour_advertisement(
        Sender { address: SENDER, is_router },
        address.parse().unwrap(),
        replaces,
    )
}

/// Compares with the frame that Linux 7.2.7 sent when the driver announced a team.
#[test]
fn arp_packet_equals_that_of_the_kernel() {
    let expected = hex("ffffffffffff 02000000002a 0806
                        0001 0800 06 04 0001 02000000002a c0000201 000000000000 c0000201");
    assert_eq!(gratuitous_arp(SENDER, Ipv4Addr::new(192, 0, 2, 1)), expected);
}

/// Compares with the frame that Linux 7.2.7 sent when the driver announced a team.
#[test]
fn advertisement_equals_that_of_the_kernel() {
    let expected = hex("333300000001 02000000002a 86dd
                        60000000 0020 3a ff 20010db8000000000000000000000001 ff020000000000000000000000000001
                        88 00 f901 20000000 20010db8000000000000000000000001 02 01 02000000002a");
    assert_eq!(advertise("2001:db8::1", false, true), expected);
}

#[test]
fn advertisement_flags_show_router_and_override() {
    let flags = |is_router, replaces| advertise("fe80::1", is_router, replaces)[58];
    assert_eq!(
        [flags(false, false), flags(false, true), flags(true, false), flags(true, true)],
        [0, 0x20, 0x80, 0xa0]
    );
}

/// Verifies the checksum like a receiver: RFC 1071.
#[test]
fn advertisement_checksum_is_valid() {
    let addresses =
        ["fe80::1", "2001:db8::ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::"];
    for address in addresses {
        for (is_router, replaces) in [(false, true), (true, true), (true, false)] {
            let frame = advertise(address, is_router, replaces);
            let [length, next] = [32_u32, 58];
            let words = frame[22..]
                .chunks_exact(2)
                .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
            let mut sum = words.sum::<u32>() + length + next;
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            let case = format!("{address}, router {is_router}, override {replaces}");
            assert_eq!(sum, 0xffff, "sum of {case}");
        }
    }
}
