//! What the dumps of all families have in common.

use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;

use super::RtnlSocket;
use crate::error::Result;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::frame::Frame;
use crate::netlink::codec::packet::{self, Packet};
use crate::netlink::dump::Dump;
use crate::netlink::error::{During, Failure};
use crate::netlink::request::Request;

/// What is asked for, and what answers it.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) op: &'a str,
    pub(super) request: RouteNetlinkMessage,
    /// The type of the messages that answer it.
    pub(super) answer: u16,
}

impl RtnlSocket {
    /// Asks for a dump; what does not match is left out.
    pub(super) fn list<P: Packet>(
        &mut self,
        question: Question<'_>,
        matches: impl Fn(&P, Frame<'_>) -> bool,
    ) -> Result<Dump<P>, Failure> {
        self.socket.collect(Request::dump(question.op, question.request), |frame| {
            if frame.kind != question.answer {
                return Ok(None);
            }
            Ok(Some(packet::read(frame.payload)?).filter(|packet| matches(packet, frame)))
        })
    }

    /// Makes it the same error in all families that a link which a filter names does not exist: of some the kernel
    /// answers `ENODEV`, of others nothing at all.
    pub(super) fn name_missing<T>(
        &mut self,
        answer: Result<Dump<T>, Failure>,
        op: &str,
        named: impl IntoIterator<Item = IfIndex>,
    ) -> Result<Dump<T>> {
        let may_be_missing = match &answer {
            Ok(dump) => dump.items.is_empty(),
            Err(failure) => failure.is(Errno::ENODEV),
        };
        if may_be_missing {
            for ifindex in named {
                self.link_by_index(ifindex)?;
            }
        }
        answer.during(|| op.to_owned())
    }
}
