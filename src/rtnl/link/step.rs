//! The steps of a change of a link, and their inverses.

use std::ffi::{OsStr, OsString};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags};

use super::LinkInfo;
use super::namespace::NamespaceFd;
use super::settings::{LinkSettings, Master};
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::link::{self, IFLA_IFNAME, name_attribute};

/// One change of a link, which takes one request.
///
/// The kernel applies a step completely or not at all, with two exceptions: [`Step::Enslave`] may
/// leave a link that had another master without a master, and [`Step::Move`] may move a link and
/// then fail to rename it or to set it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Down,
    Release,
    Mtu(u32),
    HwAddr(HwAddr),
    Carrier(bool),
    Name(OsString),
    Enslave(IfIndex),
    /// Moves the link to another network namespace, and sets its name and state there.
    Move {
        namespace: NamespaceFd,
        name: Option<OsString>,
        up: bool,
    },
    Up,
}

/// Returns the steps that apply the settings to a link, in an order that works.
///
/// - Down is the first step, because some drivers accept other changes only then.
/// - MTU and address follow the release, because the driver of the old master restores both.
/// - They precede the new master, which takes the link with its current settings.
/// - A move is the last step, because a link in another namespace cannot be changed from here. A
///   move would also release a port, but after its MTU and address were set. Besides, Linux 6.1 and
///   6.12 never free a port that is moved after its team changed its MTU.
pub(super) fn plan(link: &LinkInfo, settings: &LinkSettings) -> Vec<Step> {
    let mut steps = Vec::new();
    let attributes = attributes(settings);
    if settings.up == Some(false) {
        steps.push(Step::Down);
    }
    let has_other_master = |new| link.master().is_some_and(|old| old != new);
    match settings.master {
        Master::Clear => steps.push(Step::Release),
        Master::Set(new) if has_other_master(new) && !attributes.is_empty() => {
            steps.push(Step::Release);
        }
        Master::Keep if settings.namespace.is_some() && link.master().is_some() => {
            steps.push(Step::Release);
        }
        Master::Set(_) | Master::Keep => {}
    }
    steps.extend(attributes);
    if let Master::Set(new) = settings.master {
        steps.push(Step::Enslave(new));
    }
    let up = settings.up == Some(true);
    match &settings.namespace {
        Some(namespace) => {
            steps.push(Step::Move { namespace: namespace.clone(), name: name(settings), up });
        }
        None if up => steps.push(Step::Up),
        None => {}
    }
    steps
}

fn attributes(settings: &LinkSettings) -> Vec<Step> {
    let steps = [
        settings.mtu.map(Step::Mtu),
        settings.hwaddr.map(Step::HwAddr),
        settings.carrier.map(Step::Carrier),
        name(settings).filter(|_| settings.namespace.is_none()).map(Step::Name),
    ];
    steps.into_iter().flatten().collect()
}

fn name(settings: &LinkSettings) -> Option<OsString> {
    settings.name.clone()
}

impl Step {
    pub(super) fn request(&self, ifindex: IfIndex) -> RouteNetlinkMessage {
        let mut message = link::with_index(ifindex);
        let ifname = |name: &OsStr| name_attribute(IFLA_IFNAME, name);
        if matches!(self, Self::Up | Self::Down | Self::Move { up: true, .. }) {
            // With a change mask of 0, the kernel would replace all flags.
            message.header.change_mask = LinkFlags::Up;
            message.header.flags =
                if *self == Self::Down { LinkFlags::empty() } else { LinkFlags::Up };
        }
        match self {
            Self::Up | Self::Down => {}
            Self::Release => message.attributes.push(LinkAttribute::Controller(0)),
            Self::Mtu(bytes) => message.attributes.push(LinkAttribute::Mtu(*bytes)),
            Self::HwAddr(hwaddr) => {
                message.attributes.push(LinkAttribute::Address(hwaddr.as_bytes().to_vec()));
            }
            Self::Carrier(up) => message.attributes.push(LinkAttribute::Carrier((*up).into())),
            Self::Name(name) => message.attributes.push(ifname(name)),
            Self::Enslave(master) => {
                message.attributes.push(LinkAttribute::Controller(master.get()));
            }
            Self::Move { namespace, name, .. } => {
                message.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
                message.attributes.extend(name.as_deref().map(ifname));
            }
        }
        RouteNetlinkMessage::SetLink(message)
    }

    /// Describes the step for an error message.
    pub(super) fn describe(&self, link: &str) -> String {
        match self {
            Self::Down => format!("setting {link} down"),
            Self::Release => format!("releasing {link} from its master"),
            Self::Mtu(bytes) => format!("setting the MTU of {link} to {bytes}"),
            Self::HwAddr(hwaddr) => format!("setting the hardware address of {link} to {hwaddr}"),
            Self::Carrier(true) => format!("setting the carrier of {link} up"),
            Self::Carrier(false) => format!("setting the carrier of {link} down"),
            Self::Name(name) => format!("renaming {link} to {}", name.to_string_lossy()),
            Self::Enslave(master) => format!("making {link} a port of link {master}"),
            Self::Move { .. } => format!("moving {link} to another network namespace"),
            Self::Up => format!("setting {link} up"),
        }
    }

    /// Returns the step that restores the setting of `before`.
    ///
    /// `None` if this step does more than set an attribute of the link.
    pub(super) fn inverse(&self, before: &LinkInfo) -> Option<Self> {
        match self {
            Self::Mtu(_) => Some(Self::Mtu(before.mtu())),
            Self::HwAddr(_) => before.hwaddr().map(Self::HwAddr),
            Self::Carrier(_) => Some(Self::Carrier(before.has_carrier())),
            Self::Name(_) => Some(Self::Name(before.name_os().to_owned())),
            Self::Down | Self::Release | Self::Enslave(_) | Self::Move { .. } | Self::Up => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};

    use super::*;
    use crate::netlink::codec::frame::serialize;
    use crate::netlink::codec::link::{IFLA_MASTER, IFLA_MTU};
    use crate::testing::golden::{REQUEST_RELEASE, REQUEST_SET_MASTER, bytes};
    use crate::testing::script::attribute;

    const IFLA_NET_NS_FD: u16 = 28;
    const FLAGS: u16 = NLM_F_REQUEST | NLM_F_ACK;

    fn ifindex(number: u32) -> IfIndex {
        IfIndex::new(number).unwrap()
    }

    /// Returns link 20 with this master.
    fn link(master: Option<u32>) -> LinkInfo {
        let mut payload = vec![0, 0, 1, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        payload.extend(attribute(IFLA_MTU, &1500_u32.to_ne_bytes()));
        payload.extend(
            master.into_iter().flat_map(|master| attribute(IFLA_MASTER, &master.to_ne_bytes())),
        );
        LinkInfo::new(&payload).unwrap()
    }

    fn namespace() -> NamespaceFd {
        NamespaceFd::duplicate(std::io::stderr()).unwrap()
    }

    #[test]
    fn master_requests_equal_recorded_ones() {
        let link = ifindex(20);
        assert_eq!(
            serialize(Step::Enslave(ifindex(10)).request(link), FLAGS).unwrap(),
            bytes(REQUEST_SET_MASTER)
        );
        assert_eq!(serialize(Step::Release.request(link), FLAGS).unwrap(), bytes(REQUEST_RELEASE));
    }

    #[test]
    fn up_and_down_change_one_flag() {
        for (step, flags) in [(Step::Up, 1_u32), (Step::Down, 0)] {
            let bytes = serialize(step.request(ifindex(20)), FLAGS).unwrap();
            assert_eq!(bytes.len(), 32);
            assert_eq!(bytes[24..28], flags.to_ne_bytes());
            assert_eq!(bytes[28..32], 1_u32.to_ne_bytes());
        }
    }

    #[test]
    fn steps_are_in_a_working_order() {
        let hwaddr = "02:00:00:00:00:01".parse().unwrap();
        let attributes = LinkSettings::new().name("d1").carrier(false).hwaddr(hwaddr).mtu(1400);
        let middle =
            [Step::Mtu(1400), Step::HwAddr(hwaddr), Step::Carrier(false), Step::Name("d1".into())];
        let expect = |master, settings: &LinkSettings, first: &[Step], last: &[Step]| {
            assert_eq!(
                plan(&link(master), settings),
                [first, &middle, last].concat(),
                "steps of {settings:?}"
            );
        };
        let ten = ifindex(10);
        expect(None, &attributes.clone().up(), &[], &[Step::Up]);
        expect(None, &attributes.clone().down().master(ten), &[Step::Down], &[Step::Enslave(ten)]);
        expect(
            Some(10),
            &attributes.clone().master(ten).up(),
            &[],
            &[Step::Enslave(ten), Step::Up],
        );
        expect(Some(9), &attributes.clone().master(ten), &[Step::Release], &[Step::Enslave(ten)]);
        expect(Some(9), &attributes.clone().down().no_master(), &[Step::Down, Step::Release], &[]);
    }

    #[test]
    fn change_of_master_alone_is_one_step() {
        let ten = ifindex(10);
        assert_eq!(plan(&link(Some(9)), &LinkSettings::new().master(ten)), [Step::Enslave(ten)]);
        assert_eq!(plan(&link(Some(9)), &LinkSettings::new()), []);
    }

    #[test]
    fn move_is_last_step_and_sets_name_and_state() {
        let settings = || LinkSettings {
            namespace: Some(namespace()),
            ..LinkSettings::new().mtu(1400).name("d1")
        };
        let last = |settings: &LinkSettings| plan(&link(None), settings).pop().unwrap();
        let steps = plan(&link(Some(9)), &settings().down().no_master());
        assert_eq!(steps[..3], [Step::Down, Step::Release, Step::Mtu(1400)]);
        assert_eq!(steps.len(), 4);
        assert_eq!(plan(&link(Some(9)), &settings())[..2], [Step::Release, Step::Mtu(1400)]);
        assert_eq!(plan(&link(None), &settings()).len(), 2, "steps of a link without a master");
        for up in [false, true] {
            let settings = if up { settings().up() } else { settings() };
            let Step::Move { namespace, name, up: is_up } = last(&settings) else {
                panic!("the last step of {settings:?} is not a move")
            };
            assert_eq!((Some(namespace), name, is_up), (settings.namespace, Some("d1".into()), up));
        }
    }

    #[test]
    fn move_is_one_request_with_descriptor_name_and_flag() {
        let namespace = namespace();
        let fd = namespace.as_raw_fd();
        let request =
            Step::Move { namespace, name: Some("d1".into()), up: true }.request(ifindex(20));
        let bytes = serialize(request, FLAGS).unwrap();
        let attributes =
            [attribute(IFLA_NET_NS_FD, &fd.to_ne_bytes()), attribute(IFLA_IFNAME, b"d1\0")]
                .concat();
        assert_eq!(bytes[24..32], [1_u32, 1].map(u32::to_ne_bytes).concat());
        assert_eq!(bytes[32..], attributes);
    }
}
