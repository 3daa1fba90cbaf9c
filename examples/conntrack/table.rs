//! The kernel's table over netlink.

use libteam::netlink::netlink_packet_core::DefaultNla;
use libteam::netlink::{NetlinkConnection, Protocol};
use libteam::{Error, ErrorKind};
use netlink_packet_netfilter::conntrack::{ConntrackAttribute, ConntrackMessage};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};

use crate::filter::Filter;
use crate::flow::Flow;

const CTA_MARK_MASK: u16 = 21;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Kernel(#[from] Error),
    #[error("the kernel sent a message that is not a connection")]
    Alien,
}

#[derive(Debug)]
pub(crate) struct Table {
    connection: NetlinkConnection,
}

impl Table {
    pub(crate) fn open() -> Result<Self, Failure> {
        Ok(Self { connection: NetlinkConnection::new(Protocol::NETFILTER)? })
    }

    /// The entries that a filter chooses. The kernel looks at the family and the mark itself, and
    /// sends no others; all of the filter is checked here.
    pub(crate) fn list(&mut self, filter: &Filter) -> Result<Vec<Flow>, Failure> {
        let mut attributes = Vec::new();
        if let Some(mark) = filter.mark {
            let mask = DefaultNla::new(CTA_MARK_MASK, mark.mask.to_be_bytes().to_vec());
            attributes
                .extend([ConntrackAttribute::CtaMark(mark.value), ConntrackAttribute::Other(mask)]);
        }
        let family = filter.family().unwrap_or(NetfilterProtoFamily::Unspec);
        let request = message(family, ConntrackMessage::Get(attributes));
        let mut flows = Vec::new();
        for answer in self.connection.dump::<_, NetfilterMessage>(request)? {
            let family = answer.header.family;
            let NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)) = answer.inner
            else {
                return Err(Failure::Alien);
            };
            let flow = Flow::read(family, attributes).ok_or(Failure::Alien)?;
            if filter.chooses(&flow) {
                flows.push(flow);
            }
        }
        Ok(flows)
    }

    /// Deletes this entry, not another of the same addresses that came after it; false if it is
    /// gone already.
    pub(crate) fn delete(&mut self, flow: &Flow) -> Result<bool, Failure> {
        let request = message(flow.family, ConntrackMessage::Delete(flow.key.clone()));
        match self.connection.execute(request, 0) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn message(family: NetfilterProtoFamily, message: ConntrackMessage) -> NetfilterMessage {
    NetfilterMessage::new(NetfilterHeader::new(family, 0, 0), message)
}
