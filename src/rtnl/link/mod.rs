//! Links: this file lists and looks them up, the other files of the directory create and change
//! them.

mod create;
mod info;
mod namespace;
mod new_link;
mod set;
mod settings;
mod statistics;
mod step;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;

pub use self::info::LinkInfo;
pub use self::new_link::NewLink;
pub use self::settings::LinkSettings;
pub use self::statistics::LinkStatistics;
pub(crate) use self::step::Step;
use super::RtnlSocket;
use crate::error::{DecodeError, Error, Result};
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::link::{self, LinkAttrs, LinkUpdate, RTM_NEWLINK};
use crate::netlink::dump::Dump;
use crate::netlink::error::{ErrorContext, RequestError};
use crate::netlink::request::{Consistency, Part, Request};

/// The kernel's longest alternative name in bytes: `ALTIFNAMSIZ` without the NUL.
const MAX_ALTERNATIVE_NAME: usize = 127;

const NO_LINK: DecodeError = DecodeError::new("the reply does not describe a link");

/// A part of a dump that [`RtnlSocket::for_each_link`] passes to its caller.
#[derive(Debug)]
pub(crate) enum LinkPart<'a> {
    /// A new attempt begins: links of an earlier attempt have to be discarded.
    Start,
    /// A link.
    Link(LinkAttrs<'a>),
}

/// A filter for the links that [`RtnlSocket::links`] lists; by default, all of them.
///
/// # Examples
///
/// See [`RtnlSocket::links`], and [`LinkStatistics`] for
/// [`with_statistics`](Self::with_statistics).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct LinkFilter {
    master: Option<IfIndex>,
    kind: Option<String>,
    statistics: bool,
}

impl LinkFilter {
    /// Selects all links, without their statistics.
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects the ports of this master.
    pub fn master(mut self, master: IfIndex) -> Self {
        self.master = Some(master);
        self
    }

    /// Selects links of this kind: `team`, `veth`, `vlan` and so on.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Requests the packet and byte counters too: see [`LinkInfo::statistics`].
    ///
    /// They make up most of a link's message.
    #[doc(alias = "statistics")]
    pub fn with_statistics(mut self) -> Self {
        self.statistics = true;
        self
    }

    fn matches(&self, link: &LinkInfo) -> bool {
        self.master.is_none_or(|master| link.master() == Some(master))
            && self
                .kind
                .as_ref()
                .is_none_or(|kind| link.kind().as_ref().is_some_and(|found| found == kind))
    }
}

impl RtnlSocket {
    /// Lists the links of the namespace.
    ///
    /// Sends one dump request. The kernel filters as far as it can, and the method filters the
    /// rest. The links have no statistics unless the filter requests them.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`] if the filter's master does not exist.
    /// - [`Error::Interrupted`] and the other errors of
    ///   [`NetlinkConnection::dump`](crate::netlink::NetlinkConnection::dump).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{LinkFilter, RtnlSocket};
    /// use libteam::TeamHandle;
    ///
    /// # test_netns::enter();
    /// let team = TeamHandle::create("team0")?;
    /// let mut rtnl = RtnlSocket::new()?;
    ///
    /// let teams = rtnl.links(&LinkFilter::new().kind("team"))?;
    /// assert!(teams.is_consistent());
    /// let names: Vec<_> = teams.items().iter().map(|link| link.name()).collect();
    /// assert_eq!(names, ["team0"]);
    ///
    /// let ports = rtnl.links(&LinkFilter::new().master(team.ifindex()))?;
    /// assert!(ports.items().is_empty());
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETLINK`, rtnetlink(7); `RTEXT_FILTER_SKIP_STATS`, `linux/rtnetlink.h`.
    #[doc(alias = "rtnl_link_alloc_cache")]
    pub fn links(&mut self, filter: &LinkFilter) -> Result<Dump<LinkInfo>> {
        let op = "listing the links";
        let request =
            link::filtered_dump_request(filter.master, filter.kind.as_deref(), filter.statistics);
        let reply = self.socket.collect(Request::dump(op, request), |frame| {
            let link =
                if frame.kind == RTM_NEWLINK { Some(LinkInfo::new(frame.payload)?) } else { None };
            Ok(link.filter(|link| filter.matches(link)))
        });
        self.check_links_exist(reply, op, filter.master)
    }

    /// Looks up the link with this index, with its statistics.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`] if no link has the index.
    /// - [`Error::Timeout`] if the kernel does not reply; [`Error::NoReply`] if it acknowledges the
    ///   request without sending a link.
    /// - [`Error::Kernel`] if the kernel rejects the request, and the other errors of
    ///   [`NetlinkConnection::request`].
    ///
    /// [`NetlinkConnection::request`]: crate::netlink::NetlinkConnection::request
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::RtnlSocket;
    /// use libteam::{Error, IfIndex};
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let first = IfIndex::new(1).expect("1 is not 0");
    /// assert_eq!(rtnl.link_by_index(first)?.name(), "lo");
    ///
    /// let none = IfIndex::new(4711).expect("4711 is not 0");
    /// assert!(matches!(rtnl.link_by_index(none), Err(Error::NoSuchDevice { .. })));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETLINK`, rtnetlink(7).
    pub fn link_by_index(&mut self, ifindex: IfIndex) -> Result<LinkInfo> {
        let device = format!("index {ifindex}");
        self.get_link(link::get_request(ifindex), device, || format!("looking up link {ifindex}"))
    }

    /// Looks up the link with this name or alternative name, with its statistics.
    ///
    /// A name has up to 15 bytes, an alternative name up to 127.
    ///
    /// # Errors
    ///
    /// Those of [`link_by_index`](Self::link_by_index). For a string that cannot be a name (empty,
    /// with a NUL, or longer than 127 bytes), the error is [`Error::NoSuchDevice`] and nothing is
    /// sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::RtnlSocket;
    /// use libteam::Error;
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// assert_eq!(rtnl.link_by_name("lo")?.ifindex().get(), 1);
    /// assert!(matches!(rtnl.link_by_name("eth7"), Err(Error::NoSuchDevice { .. })));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETLINK`, rtnetlink(7); `IFLA_IFNAME` and `IFLA_ALT_IFNAME`, `linux/if_link.h`.
    pub fn link_by_name(&mut self, name: impl AsRef<OsStr>) -> Result<LinkInfo> {
        let name = name.as_ref();
        let text = name.to_string_lossy();
        if name.is_empty() || name.as_bytes().contains(&0) || name.len() > MAX_ALTERNATIVE_NAME {
            let (op, device) = (format!("looking up link {text:?}"), format!("{text:?}"));
            return Err(Error::NoSuchDevice { op, device });
        }
        let op = || format!("looking up link {text}");
        self.get_link(link::get_by_name_request(name), text.clone().into_owned(), op)
    }

    /// Passes all links, or the ports of one master, to `part` as they are received.
    ///
    /// A kernel that does not support the filter sends all links.
    pub(crate) fn for_each_link(
        &mut self,
        master: Option<IfIndex>,
        mut part: impl FnMut(LinkPart<'_>),
    ) -> Result<Consistency> {
        let op = "listing the links";
        self.socket
            .send(Request::dump(op, link::filtered_dump_request(master, None, false)), |raw| {
                match raw {
                    Part::Start { .. } => part(LinkPart::Start),
                    Part::Message(frame) => {
                        if let LinkUpdate::New(attrs) = link::decode(frame.kind, frame.payload)? {
                            part(LinkPart::Link(attrs));
                        }
                    }
                }
                Ok(())
            })
            .with_context(|| op.to_owned())
    }

    /// Requests one link; `device` describes the link in an error.
    fn get_link(
        &mut self,
        request: RouteNetlinkMessage,
        device: String,
        op: impl Fn() -> String,
    ) -> Result<LinkInfo> {
        match self.request_link(request) {
            Err(error) if error.is(Errno::ENODEV) => Err(Error::NoSuchDevice { op: op(), device }),
            reply => reply.with_context(&op)?.ok_or_else(|| Error::NoReply { op: op() }),
        }
    }

    /// Requests one link; `None` if the kernel acknowledges the request without sending a link.
    fn request_link(
        &mut self,
        request: RouteNetlinkMessage,
    ) -> Result<Option<LinkInfo>, RequestError> {
        let mut found = None;
        self.socket.send(Request::query(request, 0), |part| {
            found = match part {
                Part::Start { .. } => None,
                Part::Message(frame) if frame.kind == RTM_NEWLINK => {
                    Some(LinkInfo::new(frame.payload)?)
                }
                Part::Message(_) => return Err(NO_LINK),
            };
            Ok(())
        })?;
        Ok(found)
    }

    /// Looks up a link that is about to be changed, or returns `None` if it was deleted.
    fn find_link(&mut self, ifindex: IfIndex) -> Result<Option<LinkInfo>, RequestError> {
        match self.request_link(link::get_request(ifindex)) {
            Ok(None) => Err(NO_LINK.into()),
            Err(error) if error.is(Errno::ENODEV) => Ok(None),
            reply => reply,
        }
    }
}

#[cfg(test)]
mod tests;
