//! rtnetlink commands: links are created, deleted, asked for and given a master here.

use std::borrow::Cow;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use rustix::io::Errno;

use crate::error::{DecodeError, Error, Result};
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::link::{self, LinkNews, LinkReport};
use crate::netlink::connection::{Connection, Consistency, Part};
use crate::netlink::failure::{During, Failure};

/// The handle's connection for rtnetlink commands.
#[derive(Debug)]
pub(crate) struct Rtnl {
    connection: Connection,
    dump_attempts: u32,
}

/// What a dump of all links brings.
#[derive(Debug)]
pub(crate) enum LinkPart<'a> {
    /// An attempt begins.
    Start,
    /// A link that there is.
    Link(LinkReport<'a>),
}

/// What is asked about a device of which only the name or the index is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) ifindex: IfIndex,
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    pub(crate) hwaddr: Option<HwAddr>,
}

impl Rtnl {
    pub(crate) fn new(connection: Connection, dump_attempts: u32) -> Self {
        Self { connection, dump_attempts }
    }

    /// Asks for all links. An interrupted dump is asked for again, as often as the handle was told to.
    pub(crate) fn dump_links(&mut self, mut part: impl FnMut(LinkPart<'_>)) -> Result<Consistency> {
        self.connection
            .dump(link::dump_request(), self.dump_attempts, |raw| {
                match raw {
                    Part::Start => part(LinkPart::Start),
                    Part::Message(frame) => {
                        if let LinkNews::Present(report) = link::decode(frame.kind, frame.payload)? {
                            part(LinkPart::Link(report));
                        }
                    }
                }
                Ok(())
            })
            .during(|| "listing the links".to_owned())
    }

    /// Asks for one link; false if there is none with this index.
    pub(crate) fn get_link(&mut self, ifindex: IfIndex, mut found: impl FnMut(&LinkReport<'_>)) -> Result<bool> {
        let found_it = self.get(link::get_request(ifindex), &mut found);
        found_it.during(|| format!("looking up link {ifindex}"))
    }

    /// Which device has this index.
    pub(crate) fn device(&mut self, ifindex: IfIndex) -> Result<Device> {
        let mut device = None;
        self.get_link(ifindex, |report| device = Some(Device::from(report)))?;
        device.ok_or_else(|| Error::NoSuchDevice { device: format!("index {ifindex}") })
    }

    /// Which device has this name or alternative name.
    pub(crate) fn device_by_name(&mut self, name: &str) -> Result<Device> {
        let mut device = None;
        self.get(link::get_by_name_request(name), &mut |report| device = Some(Device::from(report)))
            .during(|| format!("looking up {name}"))?;
        device.ok_or_else(|| Error::NoSuchDevice { device: name.to_owned() })
    }

    /// Creates a team device and returns its index.
    pub(crate) fn create_team(&mut self, name: &str) -> Result<IfIndex> {
        let mut ifindex = None;
        // The kernel echoes the new link since 6.2; before that it has to be looked up.
        let flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO;
        self.connection
            .request(link::create_team_request(name), flags, |frame| {
                if let LinkNews::Present(report) = link::decode(frame.kind, frame.payload)? {
                    ifindex = Some(report.ifindex);
                }
                Ok(())
            })
            .during(|| format!("creating team device {name}"))?;
        match ifindex {
            Some(ifindex) => Ok(ifindex),
            None => Ok(self.device_by_name(name)?.ifindex),
        }
    }

    /// Deletes a link.
    pub(crate) fn delete(&mut self, ifindex: IfIndex) -> Result<(), Failure> {
        self.connection.request(link::delete_request(ifindex), 0, |_| Ok(()))
    }

    /// Gives a link a master, or releases it from the one it has.
    pub(crate) fn set_master(&mut self, ifindex: IfIndex, master: Option<IfIndex>) -> Result<(), Failure> {
        self.connection.request(link::set_master_request(ifindex, master), 0, |_| Ok(()))
    }

    /// Gives a link a carrier, or takes it.
    pub(crate) fn set_carrier(&mut self, ifindex: IfIndex, up: bool) -> Result<(), Failure> {
        self.connection.request(link::set_carrier_request(ifindex, up), 0, |_| Ok(()))
    }

    /// Gives a link a hardware address.
    pub(crate) fn set_hwaddr(&mut self, ifindex: IfIndex, hwaddr: HwAddr) -> Result<(), Failure> {
        self.connection.request(link::set_hwaddr_request(ifindex, hwaddr), 0, |_| Ok(()))
    }

    fn get(&mut self, request: RouteNetlinkMessage, found: &mut dyn FnMut(&LinkReport<'_>)) -> Result<bool, Failure> {
        let answer = self.connection.request(request, 0, |frame| match link::decode(frame.kind, frame.payload)? {
            LinkNews::Present(report) => {
                found(&report);
                Ok(())
            }
            _ => Err(DecodeError::new("the answer is no link")),
        });
        match answer {
            Ok(()) => Ok(true),
            Err(failure) if failure.refusal() == Some(Errno::NODEV) => Ok(false),
            Err(failure) => Err(failure),
        }
    }
}

impl From<&LinkReport<'_>> for Device {
    fn from(report: &LinkReport<'_>) -> Self {
        Self {
            ifindex: report.ifindex,
            name: report.name.clone().into_owned(),
            kind: report.kind.clone().map(Cow::into_owned),
            hwaddr: report.hwaddr,
        }
    }
}
