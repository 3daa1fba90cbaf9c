//! Links: all of them, and one by its index or name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;

use super::RtnlSocket;
use super::record::LinkRecord;
use crate::error::{DecodeError, Error, Result};
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::link::{self, LinkNews, LinkReport, RTM_NEWLINK};
use crate::netlink::dump::Dump;
use crate::netlink::error::{During, Failure};
use crate::netlink::request::{Consistency, Part, Request};

/// What a dump of all links brings.
#[derive(Debug)]
pub(crate) enum LinkPart<'a> {
    /// An attempt begins.
    Start,
    /// A link that there is.
    Link(LinkReport<'a>),
}

/// Which links to list; by default all.
///
/// # Examples
///
/// See [`RtnlSocket::links`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct LinkFilter {
    master: Option<IfIndex>,
    kind: Option<String>,
}

impl LinkFilter {
    /// All links.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only the ports of this master.
    pub fn master(mut self, master: IfIndex) -> Self {
        self.master = Some(master);
        self
    }

    /// Only links of this kind: `team`, `veth`, `vlan` and so on.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    fn matches(&self, link: &LinkRecord) -> bool {
        self.master.is_none_or(|master| link.master() == Some(master))
            && self.kind.as_ref().is_none_or(|kind| link.kind().as_ref().is_some_and(|found| found == kind))
    }
}

impl RtnlSocket {
    /// Lists the links of the namespace, without their statistics. The kernel filters where it can; what it sends is
    /// checked again.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`] if the filter's master does not exist.
    /// - [`Error::Interrupted`] and the others of [`NetlinkConnection::dump`](crate::NetlinkConnection::dump).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{LinkFilter, RtnlSocket, TeamHandle};
    ///
    /// # enter_namespace();
    /// let team = TeamHandle::create("team0")?;
    /// let mut rtnl = RtnlSocket::new()?;
    ///
    /// let teams = rtnl.links(&LinkFilter::new().kind("team"))?;
    /// assert!(teams.is_consistent());
    /// let names: Vec<_> = teams.items().iter().map(|link| link.name()).collect();
    /// assert_eq!(names, ["team0"]);
    ///
    /// let ports = rtnl.links(&LinkFilter::new().master(team.team_ifindex()))?;
    /// assert!(ports.items().is_empty());
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETLINK`, rtnetlink(7); `RTEXT_FILTER_SKIP_STATS`, `linux/rtnetlink.h`.
    #[doc(alias = "rtnl_link_alloc_cache")]
    pub fn links(&mut self, filter: &LinkFilter) -> Result<Dump<LinkRecord>> {
        let op = "listing the links";
        let request = link::filtered_dump_request(filter.master, filter.kind.as_deref());
        let answer = self.socket.collect(Request::dump(op, request), |frame| {
            let link = if frame.kind == RTM_NEWLINK { Some(LinkRecord::new(frame.payload)?) } else { None };
            Ok(link.filter(|link| filter.matches(link)))
        });
        self.name_missing(answer, op, filter.master)
    }

    /// Asks for the link that has this index.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`] if there is none.
    /// - [`Error::Timeout`] if the kernel does not answer, and [`Error::NoReply`] if it acknowledges the request without
    ///   telling of the link.
    /// - [`Error::Kernel`] if it refuses, and the others of [`NetlinkConnection::request`].
    ///
    /// [`NetlinkConnection::request`]: crate::NetlinkConnection::request
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Error, IfIndex, RtnlSocket};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let first = IfIndex::new(1).expect("1 is not 0");
    /// assert_eq!(rtnl.link_by_index(first)?.name(), "lo");
    ///
    /// let none = IfIndex::new(4711).expect("4711 is not 0");
    /// assert!(matches!(rtnl.link_by_index(none), Err(Error::NoSuchDevice { .. })));
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETLINK`, rtnetlink(7).
    pub fn link_by_index(&mut self, ifindex: IfIndex) -> Result<LinkRecord> {
        let device = format!("index {ifindex}");
        if !ifindex.is_possible() {
            return Err(Error::NoSuchDevice { device });
        }
        self.one(link::get_request(ifindex), &device)
    }

    /// Asks for the link that has this name or alternative name; of these one may have up to 127 bytes.
    ///
    /// # Errors
    ///
    /// As [`link_by_index`](Self::link_by_index). What cannot be a name (nothing at all, or a NUL in it) is the name of
    /// no device; nothing is sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Error, RtnlSocket};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// assert_eq!(rtnl.link_by_name("lo")?.ifindex().get(), 1);
    /// assert!(matches!(rtnl.link_by_name("eth7"), Err(Error::NoSuchDevice { .. })));
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETLINK`, rtnetlink(7); `IFLA_IFNAME` and `IFLA_ALT_IFNAME`, `linux/if_link.h`.
    pub fn link_by_name(&mut self, name: impl AsRef<OsStr>) -> Result<LinkRecord> {
        let name = name.as_ref();
        if name.is_empty() || name.as_bytes().contains(&0) || name.len() > MAX_ALTERNATIVE_NAME {
            return Err(Error::NoSuchDevice { device: format!("{:?}", name.to_string_lossy()) });
        }
        self.one(link::get_by_name_request(name), &name.to_string_lossy())
    }

    /// Asks for all links, or for the ports of one master, one by one as they come. An old kernel sends all even so.
    pub(crate) fn each_link(
        &mut self,
        master: Option<IfIndex>,
        mut part: impl FnMut(LinkPart<'_>),
    ) -> Result<Consistency> {
        let op = "listing the links";
        self.socket
            .send(Request::dump(op, link::filtered_dump_request(master, None)), |raw| {
                match raw {
                    Part::Start { .. } => part(LinkPart::Start),
                    Part::Message(frame) => {
                        if let LinkNews::Present(report) = link::decode(frame.kind, frame.payload)? {
                            part(LinkPart::Link(report));
                        }
                    }
                }
                Ok(())
            })
            .during(|| op.to_owned())
    }

    /// Asks for one link.
    fn one(&mut self, request: RouteNetlinkMessage, device: &str) -> Result<LinkRecord> {
        let op = || format!("looking up link {device}");
        let mut found = None;
        let answer = self.socket.send(Request::query(request, 0), |part| {
            found = match part {
                Part::Start { .. } => None,
                Part::Message(frame) if frame.kind == RTM_NEWLINK => Some(LinkRecord::new(frame.payload)?),
                Part::Message(_) => return Err(DecodeError::new("the answer is no link")),
            };
            Ok(())
        });
        match answer {
            Err(failure) if is_no_device(&failure) => Err(Error::NoSuchDevice { device: device.to_owned() }),
            answer => answer.during(op).and_then(|_| found.ok_or_else(|| Error::NoReply { op: op() })),
        }
    }
}

/// The kernel's longest alternative name in bytes: its `ALTIFNAMSIZ` without the NUL.
const MAX_ALTERNATIVE_NAME: usize = 127;

/// Whether the kernel says that there is no such link.
fn is_no_device(failure: &Failure) -> bool {
    failure.is(Errno::ENODEV)
}
