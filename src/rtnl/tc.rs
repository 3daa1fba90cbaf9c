//! Traffic control: queueing disciplines, their classes, and the filters that classify packets.

use std::collections::HashSet;

use indexmap::IndexSet;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};

use nix::errno::Errno;

use super::RtnlSocket;
use super::dump::DumpRequest;
use crate::error::Result;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::packet::{RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER};
use crate::netlink::dump::Dump;
use crate::netlink::error::{ErrorContext, RequestError};

/// The link of a filter in a shared block (`TCM_IFINDEX_MAGIC_BLOCK`).
///
/// The parent of such a filter is the number of the block.
const SHARED_BLOCK: i32 = -1;

/// A selector of queueing disciplines, classes or filters; by default, those of all links.
///
/// # Examples
///
/// See [`RtnlSocket::qdiscs`], [`RtnlSocket::classes`] and [`RtnlSocket::filters`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct TcSelector {
    link: Option<IfIndex>,
    parent: Option<TcHandle>,
}

impl TcSelector {
    /// Selects the objects of all links.
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects the objects of this link.
    pub fn link(mut self, link: IfIndex) -> Self {
        self.link = Some(link);
        self
    }

    /// Selects the objects that are attached to this parent.
    ///
    /// The parent is a class, a queueing discipline (minor number 0), the root of a link
    /// ([`TcHandle::ROOT`]), or its ingress ([`TcHandle::INGRESS`]). For classes, a queueing
    /// discipline selects all its classes, including those below another class.
    pub fn parent(mut self, parent: TcHandle) -> Self {
        self.parent = Some(parent);
        self
    }
}

/// A point at which classes or filters may be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct TcAttachPoint {
    link: i32,
    /// The parent, or 0 for an unspecified one.
    parent: u32,
}

impl TcAttachPoint {
    fn message(self) -> TcMessage {
        let mut message = TcMessage::with_index(self.link);
        message.header.parent = self.parent.into();
        message
    }
}

impl RtnlSocket {
    /// Lists the queueing disciplines, like `tc qdisc show`.
    ///
    /// Sends one dump request. The kernel lists those of all links, and the method filters them.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`](crate::Error::NoSuchDevice) if the selector's link does not exist.
    /// - [`Error::Interrupted`](crate::Error::Interrupted) and the other errors of
    ///   [`NetlinkConnection::dump`](crate::netlink::NetlinkConnection::dump).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::netlink_packet_route::tc::{TcAttribute, TcHandle};
    /// use libteam::rtnl::{RtnlSocket, TcSelector};
    ///
    /// # test_netns::enter();
    /// # test_netns::run("ip link set lo up");
    /// let mut rtnl = RtnlSocket::new()?;
    /// let lo = rtnl.link_by_name("lo")?.ifindex();
    /// let root = rtnl.qdiscs(&TcSelector::new().link(lo).parent(TcHandle::ROOT))?;
    /// let [root] = root.items() else { panic!("one root: {root:?}") };
    /// assert!(root.attributes.contains(&TcAttribute::Kind("noqueue".to_owned())));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETQDISC`, rtnetlink(7).
    #[doc(alias = "RTM_GETQDISC")]
    pub fn qdiscs(&mut self, selector: &TcSelector) -> Result<Dump<TcMessage>> {
        let op = "listing the queueing disciplines";
        let point = TcAttachPoint { link: selector.link.map_or(0, as_i32), parent: 0 };
        let request = RouteNetlinkMessage::GetQueueDiscipline(point.message());
        let reply = self.list(
            DumpRequest { op, message: request, reply_type: RTM_NEWQDISC },
            |qdisc: &TcMessage, _| {
                selector.link.is_none_or(|link| qdisc.header.index == as_i32(link))
                    && selector.parent.is_none_or(|parent| qdisc.header.parent == parent)
            },
        );
        self.check_links_exist(reply, op, selector.link)
    }

    /// Lists the classes of queueing disciplines.
    ///
    /// Sends one request for the selector's link, or one for each link with a queueing discipline.
    /// The result is consistent only if all replies are.
    ///
    /// # Errors
    ///
    /// Those of [`qdiscs`](Self::qdiscs).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::netlink_packet_route::tc::TcHandle;
    /// use libteam::rtnl::{RtnlSocket, TcSelector};
    ///
    /// # test_netns::enter();
    /// # test_netns::run("ip link set lo up");
    /// # test_netns::run("tc qdisc add dev lo root handle 1: htb");
    /// # test_netns::run("tc class add dev lo parent 1: classid 1:10 htb rate 1mbit");
    /// let mut rtnl = RtnlSocket::new()?;
    /// let classes = rtnl.classes(&TcSelector::new())?;
    /// let handles: Vec<TcHandle> = classes.items().iter().map(|class| class.header.handle).collect();
    /// assert_eq!(handles, [TcHandle { major: 1, minor: 0x10 }]);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETTCLASS`, rtnetlink(7).
    #[doc(alias = "RTM_GETTCLASS")]
    pub fn classes(&mut self, selector: &TcSelector) -> Result<Dump<TcMessage>> {
        let op = "listing the classes";
        let (links, mut all) = self.links_with_qdiscs(selector.link)?;
        for link in links {
            all.extend(self.classes_of(op, link, selector.parent)?);
        }
        self.check_links_exist(Ok(all), op, selector.link)
    }

    /// Lists the filters of queueing disciplines and classes.
    ///
    /// Sends one request per attach point. If the selector has no parent, the attach points are all
    /// queueing disciplines (for `clsact`, its ingress and egress) and classes. The result is
    /// consistent only if all replies are. The filters of a block that several links share are
    /// listed once, with the number of the block as their parent and -1 as their link.
    ///
    /// # Errors
    ///
    /// Those of [`qdiscs`](Self::qdiscs).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::netlink_packet_route::tc::TcAttribute;
    /// use libteam::rtnl::{RtnlSocket, TcSelector};
    ///
    /// # test_netns::enter();
    /// # test_netns::run("ip link set lo up");
    /// # test_netns::run("tc qdisc add dev lo root handle 1: htb");
    /// # test_netns::run("tc filter add dev lo parent 1: protocol ip u32 match ip dst 192.0.2.1 flowid 1:1");
    /// let mut rtnl = RtnlSocket::new()?;
    /// let lo = rtnl.link_by_name("lo")?.ifindex();
    /// let filters = rtnl.filters(&TcSelector::new().link(lo))?;
    /// let is_u32 = |kind: &TcAttribute| *kind == TcAttribute::Kind("u32".to_owned());
    /// assert!(filters.items().iter().all(|filter| filter.attributes.iter().any(is_u32)));
    /// assert!(!filters.items().is_empty());
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETTFILTER`, rtnetlink(7); `TCM_IFINDEX_MAGIC_BLOCK`, `linux/rtnetlink.h`.
    #[doc(alias = "RTM_GETTFILTER")]
    pub fn filters(&mut self, selector: &TcSelector) -> Result<Dump<TcMessage>> {
        let op = "listing the filters";
        let (points, mut all) = match selector.parent {
            Some(parent) => self.attach_points_below(selector.link, parent)?,
            None => self.all_attach_points(selector.link)?,
        };
        let mut blocks = HashSet::new();
        for point in points {
            let mut more = self.filters_at(op, point)?;
            more.items
                .retain(|filter| block_of(filter).is_none_or(|block| !blocks.contains(&block)));
            blocks.extend(more.items.iter().filter_map(block_of));
            all.extend(more);
        }
        self.check_links_exist(Ok(all), op, selector.link)
    }

    fn classes_of(
        &mut self,
        op: &str,
        link: i32,
        parent: Option<TcHandle>,
    ) -> Result<Dump<TcMessage>> {
        // The kernel filters by the queueing discipline of the parent, which the root does not
        // have.
        let qdisc =
            parent.filter(|parent| *parent != TcHandle::ROOT).map_or(TcHandle::UNSPEC, qdisc_of);
        let request = TcAttachPoint { link, parent: qdisc.into() }.message();
        let request = RouteNetlinkMessage::GetTrafficClass(request);
        let reply = self.list(
            DumpRequest { op, message: request, reply_type: RTM_NEWTCLASS },
            |class: &TcMessage, _| {
                class.header.index == link
                    && parent.is_none_or(|parent| is_class_below(class, parent))
            },
        );
        empty_if_no_such_link(reply).with_context(|| op.to_owned())
    }

    fn filters_at(&mut self, op: &str, point: TcAttachPoint) -> Result<Dump<TcMessage>> {
        let request = RouteNetlinkMessage::GetTrafficFilter(point.message());
        let reply = self.list(
            DumpRequest { op, message: request, reply_type: RTM_NEWTFILTER },
            |filter: &TcMessage, _| {
                let header = &filter.header;
                header.index == SHARED_BLOCK
                    || header.index == point.link && u32::from(header.parent) == point.parent
            },
        );
        empty_if_no_such_link(reply).with_context(|| op.to_owned())
    }

    /// Returns the links that may have classes or filters, and a dump with only a status.
    ///
    /// The links are the selected one, or all with a queueing discipline. The status is that of the
    /// dump from which the links come.
    fn links_with_qdiscs(
        &mut self,
        link: Option<IfIndex>,
    ) -> Result<(IndexSet<i32>, Dump<TcMessage>)> {
        let mut basis = Dump::empty();
        if let Some(link) = link {
            return Ok((IndexSet::from([as_i32(link)]), basis));
        }
        let qdiscs = self.qdiscs(&TcSelector::new())?;
        basis.merge_status(&qdiscs);
        Ok((qdiscs.items().iter().map(|qdisc| qdisc.header.index).collect(), basis))
    }

    /// Returns the attach point below this parent on each link that may have filters.
    fn attach_points_below(
        &mut self,
        link: Option<IfIndex>,
        parent: TcHandle,
    ) -> Result<(IndexSet<TcAttachPoint>, Dump<TcMessage>)> {
        let (links, basis) = self.links_with_qdiscs(link)?;
        Ok((
            links.into_iter().map(|link| TcAttachPoint { link, parent: parent.into() }).collect(),
            basis,
        ))
    }

    /// Returns all attach points of filters.
    fn all_attach_points(
        &mut self,
        link: Option<IfIndex>,
    ) -> Result<(IndexSet<TcAttachPoint>, Dump<TcMessage>)> {
        let selector = TcSelector { link, parent: None };
        let (qdiscs, classes) = (self.qdiscs(&selector)?, self.classes(&selector)?);
        let mut basis = Dump::empty();
        basis.merge_status(&qdiscs);
        basis.merge_status(&classes);
        let of_qdiscs = qdiscs.items().iter().flat_map(attach_points_of_qdisc);
        let of_classes =
            classes.items().iter().map(|class| attach_point(class, class.header.handle));
        Ok((of_qdiscs.chain(of_classes).collect(), basis))
    }
}

/// Returns the attach points of a queueing discipline's filters, none if it has no handle.
fn attach_points_of_qdisc(qdisc: &TcMessage) -> Vec<TcAttachPoint> {
    let ingress = TcHandle { minor: TcHandle::MIN_INGRESS, ..TcHandle::INGRESS };
    let egress = TcHandle { minor: TcHandle::MIN_EGRESS, ..TcHandle::INGRESS };
    match kind_of(qdisc) {
        Some("clsact") => vec![attach_point(qdisc, ingress), attach_point(qdisc, egress)],
        Some("ingress") => vec![attach_point(qdisc, ingress)],
        _ if qdisc.header.handle == TcHandle::UNSPEC => Vec::new(),
        _ => vec![attach_point(qdisc, qdisc.header.handle)],
    }
}

fn attach_point(message: &TcMessage, parent: TcHandle) -> TcAttachPoint {
    TcAttachPoint { link: message.header.index, parent: parent.into() }
}

fn kind_of(message: &TcMessage) -> Option<&str> {
    message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Kind(kind) => Some(kind.as_str()),
        _ => None,
    })
}

/// Returns the shared block of a filter, if it belongs to one.
fn block_of(filter: &TcMessage) -> Option<u32> {
    (filter.header.index == SHARED_BLOCK).then(|| filter.header.parent.into())
}

fn qdisc_of(handle: TcHandle) -> TcHandle {
    TcHandle { minor: 0, ..handle }
}

/// Returns whether a class belongs to a parent.
///
/// The parent of a class at the top of its queueing discipline is the root.
fn is_class_below(class: &TcMessage, parent: TcHandle) -> bool {
    class.header.parent == parent || parent.minor == 0 && qdisc_of(class.header.handle) == parent
}

/// Replaces the error for a link that was deleted in the meantime by an empty dump.
///
/// The caller checks at the end whether the selected link exists.
fn empty_if_no_such_link(
    reply: Result<Dump<TcMessage>, RequestError>,
) -> Result<Dump<TcMessage>, RequestError> {
    match reply {
        Err(error) if error.is(Errno::ENODEV) => Ok(Dump::empty()),
        reply => reply,
    }
}

/// Returns the index of a link as the signed number of traffic control messages.
fn as_i32(link: IfIndex) -> i32 {
    i32::try_from(link.get()).unwrap_or(i32::MAX)
}
