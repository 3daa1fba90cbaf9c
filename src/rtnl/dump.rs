//! The common code of all dump requests.

use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;

use super::RtnlSocket;
use crate::error::Result;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::frame::Frame;
use crate::netlink::codec::packet::{self, Packet};
use crate::netlink::dump::Dump;
use crate::netlink::error::{ErrorContext, RequestError};
use crate::netlink::request::Request;

/// A dump request, and the type of the messages that reply to it.
#[derive(Debug)]
pub(super) struct DumpRequest<'a> {
    pub(super) op: &'a str,
    pub(super) message: RouteNetlinkMessage,
    pub(super) reply_type: u16,
}

impl RtnlSocket {
    /// Requests a dump and keeps the messages that match.
    pub(super) fn list<P: Packet>(
        &mut self,
        request: DumpRequest<'_>,
        matches: impl Fn(&P, Frame<'_>) -> bool,
    ) -> Result<Dump<P>, RequestError> {
        self.socket.collect(Request::dump(request.op, request.message), |frame| {
            if frame.kind != request.reply_type {
                return Ok(None);
            }
            Ok(Some(packet::read(frame.payload)?).filter(|packet| matches(packet, frame)))
        })
    }

    /// Returns the reply, or an error if a link of the filter does not exist.
    ///
    /// The error is [`Error::NoSuchDevice`](crate::Error::NoSuchDevice). For a missing link, the
    /// kernel's reply depends on the family: `ENODEV`, or an empty dump.
    pub(super) fn check_links_exist<T>(
        &mut self,
        reply: Result<Dump<T>, RequestError>,
        op: &str,
        links: impl IntoIterator<Item = IfIndex>,
    ) -> Result<Dump<T>> {
        let may_be_missing = match &reply {
            Ok(dump) => dump.items.is_empty(),
            Err(error) => error.is(Errno::ENODEV),
        };
        if may_be_missing {
            for ifindex in links {
                self.link_by_index(ifindex)?;
            }
        }
        reply.with_context(|| op.to_owned())
    }
}
