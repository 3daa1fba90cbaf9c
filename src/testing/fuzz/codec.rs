//! Bytes from a socket.

use std::os::unix::ffi::OsStrExt;

use crate::cache::Cache;
use crate::cache::recheck::Recheck;
use crate::model::ifindex::IfIndex;
use crate::model::link::Link;
use crate::model::link_scope::LinkScope;
use crate::model::name::Name;
use crate::model::option::{OptionId, TeamOption};
use crate::model::option_value::OptionValue;
use crate::model::port::Duplex;
use crate::netlink::codec::attribute::attributes;
use crate::netlink::codec::ctrl::decode_family;
use crate::netlink::codec::frame::{Control, HEADER_LEN, frames, serialize};
use crate::netlink::codec::genl::split_header;
use crate::netlink::codec::link::{self, LinkUpdate, RTM_DELLINK, RTM_NEWLINK};
use crate::netlink::codec::team::{
    self, EVENT_GROUP, ItemFlags, OptionItem, TeamMessage, TeamRequest,
};

/// The team that the captured messages are about.
pub(super) const TEAM: Option<IfIndex> = IfIndex::new(10);
const ANOTHER_TEAM: Option<IfIndex> = IfIndex::new(11);

/// Splits a datagram: its messages cover it, or end with one error.
pub(super) fn frame(datagram: &[u8]) {
    let mut covered = 0_usize;
    let mut found = frames(datagram);
    while let Some(frame) = found.next() {
        let Ok(frame) = frame else {
            assert!(found.next().is_none(), "something follows an error");
            return;
        };
        let start = covered + HEADER_LEN;
        assert_eq!(datagram.get(start..start + frame.payload.len()), Some(frame.payload));
        covered = (start + frame.payload.len()).next_multiple_of(4);
        if let Ok(Control::Error(refusal)) = frame.classify() {
            assert!((1..4096).contains(&refusal.errno));
            assert!(!refusal.message.unwrap_or_default().contains('\0'));
        }
    }
    assert!(covered >= datagram.len(), "{} bytes were not looked at", datagram.len() - covered);
}

/// A list of attributes: they cover it, or end with one error, and each is read as what its length
/// allows.
pub(super) fn attribute(list: &[u8]) {
    let mut covered = 0_usize;
    let mut found = attributes(list);
    while let Some(attribute) = found.next() {
        let Ok(attribute) = attribute else {
            assert!(found.next().is_none(), "something follows an error");
            return;
        };
        let start = covered + 4;
        let length = attribute.value.len();
        assert_eq!(list.get(start..start + length), Some(attribute.value));
        covered = (start + length).next_multiple_of(4);
        assert!(attribute.kind < 0x4000, "the type has flags in it");
        assert_eq!(attribute.u8().is_ok(), length == 1);
        assert_eq!(attribute.u16().is_ok(), length == 2);
        assert_eq!(attribute.u32().is_ok(), length == 4);
        assert_eq!(attribute.i32().is_ok(), length == 4);
        assert_eq!(attribute.ifindex().is_ok(), attribute.i32().is_ok_and(|index| index > 0));
        assert!(!attribute.text().contains('\0'));
    }
    assert!(covered >= list.len(), "{} bytes were not looked at", list.len() - covered);
}

/// Decodes the payload of a link message. The same message again changes nothing.
pub(super) fn link(payload: &[u8]) {
    let (Ok(news), Some(team)) = (link::decode(RTM_NEWLINK, payload), TEAM) else { return };
    let removed = link::decode(RTM_DELLINK, payload);
    let LinkUpdate::New(report) = &news else {
        assert_eq!(news, LinkUpdate::Ignored);
        return;
    };
    assert_eq!(removed, Ok(LinkUpdate::Deleted(report.ifindex)));
    assert!(
        [report.hwaddr, report.permanent_hwaddr]
            .iter()
            .flatten()
            .all(|hwaddr| (1..=32).contains(&hwaddr.len()))
    );
    assert!(report.kind.iter().all(|kind| !kind.contains('\0')));
    assert!(
        report.alternative_names().chain([report.name]).all(|name| !name.as_bytes().contains(&0))
    );

    let mut cache = Cache::new(team, Name::default(), LinkScope::All);
    cache.apply_link(&news, &mut Recheck::default());
    let name = cache.links().get(report.ifindex).map(Link::name_os);
    assert_eq!(name, Some(report.name));
    let link = cache.links().get(report.ifindex).map(ToString::to_string).unwrap_or_default();
    assert!(
        link.starts_with(&format!(" {}: {}: ", report.ifindex, report.name.to_string_lossy())),
        "{link}"
    );
    assert_eq!(cache.take_changes().links().len(), 1);
    cache.apply_link(&news, &mut Recheck::default());
    assert!(cache.take_changes().is_empty(), "the same news are none");
    cache.check_invariants();
}

/// Decodes the payload of a message of the driver. An option that is sent and read again is equal.
pub(super) fn team(payload: &[u8]) {
    let (Some(team), Some(another)) = (TEAM, ANOTHER_TEAM) else { return };
    let Ok(Some(report)) = team::decode(payload, team) else { return };
    assert_eq!(team::decode(payload, another), Ok(None));
    match report {
        TeamMessage::Options(options) | TeamMessage::TruncatedOptions(options) => {
            for OptionItem { option, .. } in options {
                assert!(!option.id.name.contains('\0'));
                sent_and_read(&option.id, &option.value);
                drop(option.to_string());
            }
        }
        TeamMessage::Ports(ports) => ports.iter().for_each(|report| {
            let port = &report.port;
            assert!(!matches!(port.speed_mbps(), Some(0 | u32::MAX)));
            assert!(port.speed_mbps().is_some() || port.duplex() == Duplex::Unknown);
            drop(port.to_string());
        }),
    }
}

/// Decodes the payload of the controller's answer.
pub(super) fn ctrl(payload: &[u8]) {
    if decode_family(payload, EVENT_GROUP).is_ok() {
        // What the answer does not name is not found in it.
        assert!(decode_family(payload, "\0").is_err());
    }
}

/// Puts an option into a request and reads the request as if it were an answer. Some cannot be put
/// into one.
pub(super) fn sent_and_read(id: &OptionId, value: &OptionValue) {
    let Some(team) = TEAM else { return };
    let Ok(request) = TeamRequest::options_set(team, id, value) else { return };
    let Ok(mut message) = serialize(request.for_family(0), 0) else { return };
    // Requests and answers differ in the command.
    if let Some(command) = message.get_mut(HEADER_LEN) {
        *command = 2;
    }
    frame(&message);
    let payload = message.get(HEADER_LEN..).unwrap_or_default();
    attribute(split_header(payload).map_or(&[][..], |(_, attributes)| attributes));
    let read = team::decode(payload, team);
    let option = TeamOption { id: id.clone(), value: value.clone(), port_name: None };
    assert_eq!(
        read,
        Ok(Some(TeamMessage::Options(vec![OptionItem { option, flags: ItemFlags::default() }])))
    );
}
