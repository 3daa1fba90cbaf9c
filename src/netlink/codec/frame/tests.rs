use netlink_packet_core::{NLM_F_ACK, NLM_F_MULTIPART, NLM_F_REQUEST};

use super::*;
use crate::netlink::codec::link;
use crate::testing::golden::{self, TEAM_FAMILY, bytes, first};

fn classify(file: &str) -> Control {
    first(&bytes(file)).classify().unwrap()
}

fn kernel_error(errno: Errno, message: Option<&str>, offset: Option<u32>) -> Control {
    Control::Error(KernelError { errno: errno as i32, message: message.map(str::to_owned), offset })
}

/// Returns a message of this kind with these flags and payload.
fn message(kind: u16, flags: u16, payload: &[&[u8]]) -> Vec<u8> {
    let payload = payload.concat();
    let length = u32::try_from(HEADER_LEN + payload.len()).unwrap();
    let sequence_and_port = [0; 8];
    [
        &length.to_ne_bytes()[..],
        &kind.to_ne_bytes(),
        &flags.to_ne_bytes(),
        &sequence_and_port,
        &payload,
    ]
    .concat()
}

#[test]
fn datagram_is_split_into_messages() {
    let datagram = bytes(golden::PORTS);
    let found: Vec<_> = frames(&datagram).collect::<Result<_, _>>().unwrap();
    // The driver sets NLM_F_ACK in its replies, which has no meaning there.
    let flags = NLM_F_MULTIPART | NLM_F_ACK;
    assert_eq!(
        found,
        [
            Frame { kind: TEAM_FAMILY, flags, sequence: 20, payload: &datagram[16..96] },
            Frame { kind: NLMSG_DONE, flags, sequence: 20, payload: &[] },
        ]
    );
}

#[test]
fn messages_are_aligned_except_the_last() {
    let odd = message(30, 0, &[&[1, 2, 3]]);
    let datagram = [&odd[..], &[0xff], &odd].concat();
    let payloads: Vec<_> = frames(&datagram).map(|frame| frame.unwrap().payload).collect();
    assert_eq!(payloads, [[1, 2, 3], [1, 2, 3]]);
}

#[test]
fn invalid_length_ends_datagram_with_error() {
    for length in [0_u32, 15, 21, u32::MAX] {
        let mut datagram = message(30, 0, &[&[0; 4]]);
        datagram[..4].copy_from_slice(&length.to_ne_bytes());
        let mut found = frames(&datagram);
        found.next().unwrap().unwrap_err();
        assert_eq!(found.next(), None, "message after one of length {length}");
    }
    frames(&[0; 15]).next().unwrap().unwrap_err();
    assert_eq!(frames(&[]).next(), None);
}

#[test]
fn done_without_code_or_with_code_0_ends_a_reply() {
    assert_eq!(classify(golden::DUMP_DONE), Control::Done);
    let ports = bytes(golden::PORTS);
    assert_eq!(frames(&ports).last().unwrap().unwrap().classify(), Ok(Control::Done));
}

#[test]
fn failed_dump_ends_with_error_and_message() {
    let text = "Unsupported attribute in link dump request";
    assert_eq!(classify(golden::DUMP_DONE_REFUSED), kernel_error(Errno::EINVAL, Some(text), None));
}

#[test]
fn error_with_code_0_is_an_acknowledgement() {
    assert_eq!(classify(golden::ACKNOWLEDGEMENT), Control::Ack);
}

#[test]
fn error_message_is_found_with_and_without_echo() {
    let loopback =
        kernel_error(Errno::EINVAL, Some("Loopback device can't be added as a team port"), None);
    assert_eq!(classify(golden::ERROR_ENSLAVE_LOOPBACK), loopback);
    assert_eq!(classify(golden::ERROR_ENSLAVE_LOOPBACK_CAPPED), loopback);
    let long_name =
        kernel_error(Errno::ERANGE, Some("Attribute failed policy validation"), Some(32));
    assert_eq!(classify(golden::ERROR_LONG_NAME), long_name);
    assert_eq!(classify(golden::ERROR_LONG_NAME_CAPPED), long_name);
}

#[test]
fn error_without_message_has_only_its_number() {
    assert_eq!(classify(golden::ERROR_PLAIN), kernel_error(Errno::ENODEV, None, None));
}

#[test]
fn error_attributes_are_ignored_without_the_flag() {
    let mut datagram = bytes(golden::ERROR_ENSLAVE_LOOPBACK_CAPPED);
    datagram[6..8].copy_from_slice(&NLM_F_CAPPED.to_ne_bytes());
    assert_eq!(first(&datagram).classify().unwrap(), kernel_error(Errno::EINVAL, None, None));
}

#[test]
fn echo_of_invalid_length_hides_only_the_message() {
    for length in [0_u32, 17, 10_000, u32::MAX - 2, u32::MAX] {
        let mut datagram = bytes(golden::ERROR_ENSLAVE_LOOPBACK);
        datagram[20..24].copy_from_slice(&length.to_ne_bytes());
        let Control::Error(error) = first(&datagram).classify().unwrap() else {
            panic!("an error with an echo of length {length} was decoded otherwise")
        };
        assert_eq!(error.errno, Errno::EINVAL as i32, "errno with an echo of length {length}");
    }
}

#[test]
fn code_outside_errno_range_is_eproto() {
    for code in [1_i32, -4096, i32::MIN] {
        let datagram = message(NLMSG_ERROR, NLM_F_CAPPED, &[&code.to_ne_bytes(), &[0; 16]]);
        assert_eq!(
            first(&datagram).classify().unwrap(),
            kernel_error(Errno::EPROTO, None, None),
            "code {code}"
        );
    }
}

#[test]
fn error_too_short_for_its_code_is_malformed() {
    first(&message(NLMSG_ERROR, 0, &[&[0; 3]])).classify().unwrap_err();
}

#[test]
fn noop_overrun_and_data_are_distinguished() {
    assert_eq!(first(&message(NLMSG_NOOP, 0, &[])).classify(), Ok(Control::Noop));
    assert_eq!(first(&message(NLMSG_OVERRUN, 0, &[])).classify(), Ok(Control::Overrun));
    assert_eq!(classify(golden::NEWLINK_TEAM), Control::Data);
    assert_eq!(classify(golden::EVENT_PORT_UP), Control::Data);
}

#[test]
fn request_has_given_flags_and_sequence_number() {
    let mut request = serialize(link::dump_request(), NLM_F_REQUEST | NLM_F_ACK).unwrap();
    set_sequence(&mut request, 0x0102_0304);
    let frame = first(&request);
    assert_eq!((frame.kind, frame.flags, frame.sequence), (18, 5, 0x0102_0304));
    assert!(frame.has(NLM_F_REQUEST) && frame.has(NLM_F_REQUEST | NLM_F_ACK));
    assert!(!frame.has(NLM_F_REQUEST | NLM_F_MULTIPART));
    set_sequence(&mut [], 1);
}
