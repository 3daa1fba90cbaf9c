//! Links: all of them, and one by its index or name.

use std::borrow::Cow;

use netlink_packet_route::RouteNetlinkMessage;
use rustix::io::Errno;

use super::RtnlSocket;
use crate::error::{DecodeError, Error, Result};
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::link::{self, LinkNews, LinkReport};
use crate::netlink::connection::{Consistency, Part};
use crate::netlink::failure::{During, Failure};

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

impl RtnlSocket {
    /// Asks for all links, one by one as they come.
    pub(crate) fn each_link(&mut self, mut part: impl FnMut(LinkPart<'_>)) -> Result<Consistency> {
        self.connection
            .stream(link::dump_request(), |raw| {
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
        self.get(link::get_request(ifindex), &format!("looking up link {ifindex}"), &mut found)
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
        self.get(link::get_by_name_request(name), &format!("looking up {name}"), &mut |report| {
            device = Some(Device::from(report));
        })?;
        device.ok_or_else(|| Error::NoSuchDevice { device: name.to_owned() })
    }

    /// Asks for one link; false if there is none.
    fn get(&mut self, request: RouteNetlinkMessage, op: &str, found: &mut dyn FnMut(&LinkReport<'_>)) -> Result<bool> {
        let mut answered = false;
        let answer = self.connection.inner().request(request, 0, |frame| {
            match link::decode(frame.kind, frame.payload)? {
                LinkNews::Present(report) => found(&report),
                _ => return Err(DecodeError::new("the answer is no link")),
            }
            answered = true;
            Ok(())
        });
        match answer {
            Ok(()) if !answered => Err(Error::NoReply { op: op.to_owned() }),
            Err(failure) if is_no_device(&failure) => Ok(false),
            answer => answer.during(|| op.to_owned()).map(|()| true),
        }
    }
}

/// Whether the kernel says that there is no such link.
fn is_no_device(failure: &Failure) -> bool {
    failure.refusal() == Some(Errno::NODEV)
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
