//! Recorded datagrams of Linux 7.2.7 on x86-64. Each file says how it was recorded; comments in a
//! file are for readers only.
//!
//! On a big-endian machine the datagrams are converted first: the codec reads numbers in the
//! machine's own byte order.
//!
//! The files are read at run time, so that the tests of the packed crate, which lacks the files,
//! compile.

mod turned;

use std::fs;
use std::path::Path;

use crate::model::ifindex::IfIndex;
use crate::netlink::codec::frame::{Frame, frames};
use crate::netlink::codec::{ctrl, link, team};

macro_rules! golden {
    ($($name:ident $file:literal)+) => {
        $(pub(crate) const $name: &str = $file;)+
        /// The names of all files.
        const ALL: &[&str] = &[$($name),+];
    };
}

golden! {
    ACKNOWLEDGEMENT "acknowledgement"
    CTRL_FAMILY "ctrl_family"
    DELLINK_BRIDGE_PORT "dellink_bridge_port"
    DELLINK_PORT "dellink_port"
    DUMP_DONE "dump_done"
    DUMP_DONE_REFUSED "dump_done_refused"
    ERROR_ENSLAVE_LOOPBACK "error_enslave_loopback"
    ERROR_ENSLAVE_LOOPBACK_CAPPED "error_enslave_loopback_capped"
    ERROR_LONG_NAME "error_long_name"
    ERROR_LONG_NAME_CAPPED "error_long_name_capped"
    ERROR_PLAIN "error_plain"
    EVENT_OPTION_BINARY "event_option_binary"
    EVENT_OPTION_ELEMENT "event_option_element"
    EVENT_OPTION_FALSE "event_option_false"
    EVENT_OPTION_MODE "event_option_mode"
    EVENT_OPTION_S32 "event_option_s32"
    EVENT_OPTION_U32 "event_option_u32"
    EVENT_OPTIONS_REMOVED "event_options_removed"
    EVENT_PORT_ADDED "event_port_added"
    EVENT_PORT_OPTIONS "event_port_options"
    EVENT_PORT_REMOVED "event_port_removed"
    EVENT_PORT_UP "event_port_up"
    NEWLINK_BRIDGE_PORT "newlink_bridge_port"
    NEWLINK_PORT "newlink_port"
    NEWLINK_TEAM "newlink_team"
    OPTIONS_FIRST "options_first"
    OPTIONS_LAST "options_last"
    PORTS "ports"
    REQUEST_CREATE "request_create"
    REQUEST_DELETE "request_delete"
    REQUEST_FAMILY "request_family"
    REQUEST_LINK "request_link"
    REQUEST_LINK_BY_ALTNAME "request_link_by_altname"
    REQUEST_LINK_BY_NAME "request_link_by_name"
    REQUEST_LINKS "request_links"
    REQUEST_OPTIONS "request_options"
    REQUEST_PORTS "request_ports"
    REQUEST_RELEASE "request_release"
    REQUEST_SET_BINARY "request_set_binary"
    REQUEST_SET_ELEMENT "request_set_element"
    REQUEST_SET_FALSE "request_set_false"
    REQUEST_SET_MASTER "request_set_master"
    REQUEST_SET_S32 "request_set_s32"
    REQUEST_SET_STRING "request_set_string"
    REQUEST_SET_TRUE "request_set_true"
    REQUEST_SET_U32 "request_set_u32"
}

/// The family's number on the kernel of the recordings.
pub(crate) const TEAM_FAMILY: u16 = 30;

/// Returns a file's datagrams in this machine's byte order.
pub(crate) fn bytes(file: &str) -> Vec<u8> {
    let mut datagrams = recorded(file);
    if cfg!(target_endian = "big") {
        turned::turn(&mut datagrams, file.contains("family"));
    }
    datagrams
}

/// Reads a file's bytes: hexadecimal numbers, and comments after `#`.
fn recorded(file: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testing/golden");
    let path = directory.join(file).with_extension("hex");
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).expect("a golden file holds hexadecimal bytes"))
        .collect()
}

/// Returns the first message of a datagram.
pub(crate) fn first(datagram: &[u8]) -> Frame<'_> {
    frames(datagram).next().expect("a datagram holds a message").expect("it is whole")
}

/// Runs every decoder on a datagram, and returns how much they decoded.
fn decode_all(datagram: &[u8]) -> usize {
    let mut understood = 0;
    for frame in frames(datagram).map_while(Result::ok) {
        understood += usize::from(frame.classify().is_ok());
        if let Ok(news) = link::decode(link::RTM_NEWLINK, frame.payload) {
            understood += 1;
            if let link::LinkUpdate::New(report) = news {
                understood += report.alternative_names().count();
            }
        }
        understood += usize::from(link::decode(link::RTM_DELLINK, frame.payload).is_ok());
        understood += usize::from(team::decode(frame.payload, IfIndex::new(10).unwrap()).is_ok());
        understood += usize::from(ctrl::decode_family(frame.payload, team::EVENT_GROUP).is_ok());
    }
    understood
}

#[test]
fn golden_datagram_splits_into_whole_messages() {
    for file in ALL {
        let datagram = bytes(file);
        let lengths: Vec<usize> =
            frames(&datagram).map(|frame| frame.expect(file).payload.len() + 16).collect();
        let covered: usize = lengths.iter().map(|length| length.next_multiple_of(4)).sum();
        assert_eq!(covered, datagram.len(), "{file}: {lengths:?}");
        assert!(decode_all(&datagram) > 0, "{file}");
    }
}

#[test]
fn prefix_of_golden_datagram_does_not_panic() {
    for file in ALL {
        let datagram = bytes(file);
        for end in 0..datagram.len() {
            decode_all(&datagram[..end]);
            // Cut the same message with a corrected length: then the attributes are cut, not the
            // message.
            if end >= 16 {
                let mut whole = datagram[..end].to_vec();
                whole[..4].copy_from_slice(&u32::try_from(end).unwrap().to_ne_bytes());
                decode_all(&whole);
            }
        }
    }
}

#[test]
fn flipped_byte_of_golden_datagram_does_not_panic() {
    for file in ALL {
        let mut datagram = bytes(file);
        for position in 0..datagram.len() {
            for flip in [0x01, 0xff] {
                datagram[position] ^= flip;
                decode_all(&datagram);
                datagram[position] ^= flip;
            }
        }
    }
}
