//! The kernel's connection tracking table.

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
    Unexpected,
}

#[derive(Debug)]
pub(crate) struct Table {
    connection: NetlinkConnection,
}

impl Table {
    pub(crate) fn open() -> Result<Self, Failure> {
        Ok(Self { connection: NetlinkConnection::new(Protocol::NETFILTER)? })
    }

    /// Returns the entries that match a filter. The kernel filters by family and mark; the whole
    /// filter is checked here.
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
                return Err(Failure::Unexpected);
            };
            let flow = Flow::read(family, attributes).ok_or(Failure::Unexpected)?;
            if filter.matches(&flow) {
                flows.push(flow);
            }
        }
        Ok(flows)
    }

    /// Deletes this entry, not a later one with the same addresses. Returns false if it does not
    /// exist any more.
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
