//! A change of a link in steps, and what takes a step back.

use std::ffi::OsString;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags};

use super::settings::{LinkSettings, Master};
use crate::error::{Error, Result};
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::model::name::Name;
use crate::netlink::codec::link::{self, IFLA_IFNAME, LinkReport, name_attribute};

/// One change of a link: what the kernel does wholly or not at all, but for [`Step::Enslave`], which may leave a link
/// that had another master without any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Down,
    Release,
    Mtu(u32),
    HwAddr(HwAddr),
    Carrier(bool),
    Name(OsString),
    Enslave(IfIndex),
    Up,
}

/// A link at one moment, as far as it can be put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) ifindex: IfIndex,
    pub(crate) name: Name,
    pub(super) up: bool,
    pub(crate) master: Option<IfIndex>,
    pub(super) mtu: u32,
    pub(crate) hwaddr: Option<HwAddr>,
    pub(super) carrier: bool,
}

impl Snapshot {
    pub(super) fn new(report: &LinkReport<'_>) -> Self {
        Self {
            ifindex: report.ifindex,
            name: report.name.into(),
            up: report.flags.contains(crate::model::link::LinkFlags::UP),
            master: report.master,
            mtu: report.mtu,
            hwaddr: report.hwaddr,
            carrier: report.carrier,
        }
    }

    /// Refuses what the kernel would silently cut to the length of the link's own addresses.
    pub(crate) fn check_hwaddr(&self, hwaddr: HwAddr) -> Result<()> {
        if self.hwaddr.is_some_and(|own| own.len() < hwaddr.len()) {
            let setting = "a hardware address";
            return Err(Error::InvalidSetting {
                setting,
                value: hwaddr.to_string(),
                reason: "it is longer than the link's",
            });
        }
        Ok(())
    }
}

/// The steps from a link as it is to one as it is wanted.
///
/// A master takes a link as it is then: down first. Its driver gives a released port the MTU and address back that it
/// had before, so what is to be set is set after that, and before the new master takes it.
pub(super) fn plan(link: &Snapshot, wanted: &LinkSettings) -> Vec<Step> {
    let mut steps = Vec::new();
    let attributes = attributes(wanted);
    if wanted.up == Some(false) {
        steps.push(Step::Down);
    }
    let moves = |new| link.master.is_some_and(|old| old != new);
    match wanted.master {
        Master::None => steps.push(Step::Release),
        Master::Is(new) if moves(new) && !attributes.is_empty() => steps.push(Step::Release),
        Master::Is(_) | Master::Stays => {}
    }
    steps.extend(attributes);
    if let Master::Is(new) = wanted.master {
        steps.push(Step::Enslave(new));
    }
    if wanted.up == Some(true) {
        steps.push(Step::Up);
    }
    steps
}

fn attributes(wanted: &LinkSettings) -> Vec<Step> {
    let steps = [
        wanted.mtu.map(Step::Mtu),
        wanted.hwaddr.map(Step::HwAddr),
        wanted.carrier.map(Step::Carrier),
        wanted.name.clone().map(Step::Name),
    ];
    steps.into_iter().flatten().collect()
}

impl Step {
    pub(super) fn request(&self, ifindex: IfIndex) -> RouteNetlinkMessage {
        let mut message = link::about(ifindex);
        message.attributes.extend(match self {
            Self::Up | Self::Down => {
                // With a change mask of 0 the kernel would take the flags for all there are, and clear the others.
                message.header.change_mask = LinkFlags::Up;
                message.header.flags = if *self == Self::Up { LinkFlags::Up } else { LinkFlags::empty() };
                None
            }
            Self::Release => Some(LinkAttribute::Controller(0)),
            Self::Mtu(bytes) => Some(LinkAttribute::Mtu(*bytes)),
            Self::HwAddr(hwaddr) => Some(LinkAttribute::Address(hwaddr.as_bytes().to_vec())),
            Self::Carrier(up) => Some(LinkAttribute::Carrier((*up).into())),
            Self::Name(name) => Some(name_attribute(IFLA_IFNAME, name)),
            Self::Enslave(master) => Some(LinkAttribute::Controller(master.get())),
        });
        RouteNetlinkMessage::SetLink(message)
    }

    /// Says what is done to a link of this name, for an error.
    pub(super) fn describe(&self, link: &Name) -> String {
        match self {
            Self::Down => format!("setting {link} down"),
            Self::Release => format!("releasing {link} from its master"),
            Self::Mtu(bytes) => format!("setting the MTU of {link} to {bytes}"),
            Self::HwAddr(hwaddr) => format!("setting the hardware address of {link} to {hwaddr}"),
            Self::Carrier(true) => format!("setting the carrier of {link} up"),
            Self::Carrier(false) => format!("setting the carrier of {link} down"),
            Self::Name(name) => format!("renaming {link} to {}", name.to_string_lossy()),
            Self::Enslave(master) => format!("making {link} a port of link {master}"),
            Self::Up => format!("setting {link} up"),
        }
    }

    /// The step that sets what this one set to what it was; none where that is no attribute of the link by itself.
    pub(super) fn inverse(&self, before: &Snapshot) -> Option<Self> {
        match self {
            Self::Mtu(_) => Some(Self::Mtu(before.mtu)),
            Self::HwAddr(_) => before.hwaddr.map(Self::HwAddr),
            Self::Carrier(_) => Some(Self::Carrier(before.carrier)),
            Self::Name(_) => Some(Self::Name(before.name.as_os_str().to_owned())),
            Self::Down | Self::Release | Self::Enslave(_) | Self::Up => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};

    use super::*;
    use crate::netlink::codec::frame::serialize;
    use crate::testing::golden::{REQUEST_RELEASE, REQUEST_SET_MASTER, bytes};

    const FLAGS: u16 = NLM_F_REQUEST | NLM_F_ACK;

    fn ifindex(number: u32) -> IfIndex {
        IfIndex::new(number).unwrap()
    }

    fn port(master: Option<u32>) -> Snapshot {
        let master = master.and_then(IfIndex::new);
        let name = "d0".into();
        Snapshot { ifindex: ifindex(20), name, up: true, master, mtu: 1500, hwaddr: None, carrier: true }
    }

    #[test]
    fn requests_are_what_the_kernel_takes() {
        let port = ifindex(20);
        assert_eq!(serialize(Step::Enslave(ifindex(10)).request(port), FLAGS).unwrap(), bytes(REQUEST_SET_MASTER));
        assert_eq!(serialize(Step::Release.request(port), FLAGS).unwrap(), bytes(REQUEST_RELEASE));
    }

    #[test]
    fn up_and_down_name_the_one_flag_that_changes() {
        for (step, flags) in [(Step::Up, 1_u32), (Step::Down, 0)] {
            let bytes = serialize(step.request(ifindex(20)), FLAGS).unwrap();
            assert_eq!(bytes.len(), 32);
            assert_eq!(bytes[24..28], flags.to_ne_bytes());
            assert_eq!(bytes[28..32], 1_u32.to_ne_bytes());
        }
    }

    #[test]
    fn every_step_is_in_its_place() {
        let hwaddr = "02:00:00:00:00:01".parse().unwrap();
        let attributes = LinkSettings::new().name("d1").carrier(false).hwaddr(hwaddr).mtu(1400);
        let middle = [Step::Mtu(1400), Step::HwAddr(hwaddr), Step::Carrier(false), Step::Name("d1".into())];
        let expect = |master, settings: &LinkSettings, first: &[Step], last: &[Step]| {
            assert_eq!(plan(&port(master), settings), [first, &middle, last].concat(), "{settings:?}");
        };
        let ten = ifindex(10);
        expect(None, &attributes.clone().up(), &[], &[Step::Up]);
        expect(None, &attributes.clone().down().master(ten), &[Step::Down], &[Step::Enslave(ten)]);
        expect(Some(10), &attributes.clone().master(ten).up(), &[], &[Step::Enslave(ten), Step::Up]);
        expect(Some(9), &attributes.clone().master(ten), &[Step::Release], &[Step::Enslave(ten)]);
        expect(Some(9), &attributes.clone().down().no_master(), &[Step::Down, Step::Release], &[]);
    }

    #[test]
    fn a_change_of_the_master_alone_is_one_request() {
        let ten = ifindex(10);
        assert_eq!(plan(&port(Some(9)), &LinkSettings::new().master(ten)), [Step::Enslave(ten)]);
        assert_eq!(plan(&port(Some(9)), &LinkSettings::new()), []);
    }
}
