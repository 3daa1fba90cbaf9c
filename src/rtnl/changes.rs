//! What can be done to links.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL};

use super::RtnlSocket;
use crate::error::Result;
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::link::{self, LinkNews};
use crate::netlink::failure::{During, Failure};

impl RtnlSocket {
    /// Creates a team device and returns its index.
    pub(crate) fn create_team(&mut self, name: &str) -> Result<IfIndex> {
        let mut ifindex = None;
        // The kernel echoes the new link since 6.2; before that it has to be looked up.
        let flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO;
        self.connection
            .inner()
            .request(link::create_team_request(name), flags, |frame| {
                if let LinkNews::Present(report) = link::decode(frame.kind, frame.payload)? {
                    ifindex = Some(report.ifindex);
                }
                Ok(())
            })
            .during(|| format!("creating team device {name}"))?;
        match ifindex {
            Some(ifindex) => Ok(ifindex),
            None => Ok(self.link_by_name(name)?.ifindex()),
        }
    }

    /// Deletes a link.
    pub(crate) fn delete(&mut self, ifindex: IfIndex) -> Result<(), Failure> {
        self.connection.inner().request(link::delete_request(ifindex), 0, |_| Ok(()))
    }

    /// Gives a link a master, or releases it from the one it has.
    pub(crate) fn set_master(&mut self, ifindex: IfIndex, master: Option<IfIndex>) -> Result<(), Failure> {
        self.connection.inner().request(link::set_master_request(ifindex, master), 0, |_| Ok(()))
    }

    /// Gives a link a carrier, or takes it.
    pub(crate) fn set_carrier(&mut self, ifindex: IfIndex, up: bool) -> Result<(), Failure> {
        self.connection.inner().request(link::set_carrier_request(ifindex, up), 0, |_| Ok(()))
    }

    /// Gives a link a hardware address.
    pub(crate) fn set_hwaddr(&mut self, ifindex: IfIndex, hwaddr: HwAddr) -> Result<(), Failure> {
        self.connection.inner().request(link::set_hwaddr_request(ifindex, hwaddr), 0, |_| Ok(()))
    }
}
