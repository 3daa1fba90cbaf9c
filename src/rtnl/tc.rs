//! Queueing disciplines, their classes, and the filters that choose among these.

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
use crate::netlink::error::{During, Failure};

/// What a filter of a shared block has in place of its link (`TCM_IFINDEX_MAGIC_BLOCK`); its parent is the block then.
const SHARED_BLOCK: i32 = -1;

/// Which queueing disciplines, classes or filters to list; by default those of all links.
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
    /// Those of all links.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of this link.
    pub fn link(mut self, link: IfIndex) -> Self {
        self.link = Some(link);
        self
    }

    /// Only those that are attached here: to a class, to a queueing discipline (minor number 0), to a link's root, or to
    /// where packets come in ([`TcHandle::ROOT`], [`TcHandle::INGRESS`]).
    ///
    /// The classes that are attached to a queueing discipline are all that it has, also those below other classes.
    pub fn parent(mut self, parent: TcHandle) -> Self {
        self.parent = Some(parent);
        self
    }
}

/// A place to which classes or filters may be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct TcAttachPoint {
    link: i32,
    /// 0 where it is not told.
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
    /// Lists the queueing disciplines, as `tc qdisc show` does. The kernel lists those of all links, so that all of the
    /// filtering is done here.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`](crate::Error::NoSuchDevice) if the filter's link does not exist.
    /// - [`Error::Interrupted`](crate::Error::Interrupted) and the others of
    ///   [`NetlinkConnection::dump`](crate::NetlinkConnection::dump).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::netlink_packet_route::tc::{TcAttribute, TcHandle};
    /// use libteam::{RtnlSocket, TcSelector};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let lo = rtnl.link_by_name("lo")?.ifindex();
    /// let root = rtnl.qdiscs(&TcSelector::new().link(lo).parent(TcHandle::ROOT))?;
    /// let [root] = root.items() else { panic!("one root: {root:?}") };
    /// assert!(root.attributes.contains(&TcAttribute::Kind("noqueue".to_owned())));
    /// # fn enter_namespace() {
    /// #     nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
    /// #     let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status();
    /// #     assert!(up.expect("iproute2").success());
    /// # }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETQDISC`, rtnetlink(7).
    #[doc(alias = "RTM_GETQDISC")]
    pub fn qdiscs(&mut self, filter: &TcSelector) -> Result<Dump<TcMessage>> {
        let op = "listing the queueing disciplines";
        let place = TcAttachPoint { link: filter.link.map_or(0, as_i32), parent: 0 };
        let request = RouteNetlinkMessage::GetQueueDiscipline(place.message());
        let answer =
            self.list(DumpRequest { op, message: request, reply_type: RTM_NEWQDISC }, |qdisc: &TcMessage, _| {
                filter.link.is_none_or(|link| qdisc.header.index == as_i32(link))
                    && filter.parent.is_none_or(|parent| qdisc.header.parent == parent)
            });
        self.check_links_exist(answer, op, filter.link)
    }

    /// Lists the classes of queueing disciplines.
    ///
    /// The kernel is asked link by link; without a link in the filter that is for each that has a queueing discipline.
    /// The result is consistent only if all answers are.
    ///
    /// # Errors
    ///
    /// As [`qdiscs`](Self::qdiscs).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::netlink_packet_route::tc::TcHandle;
    /// use libteam::{RtnlSocket, TcSelector};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let classes = rtnl.classes(&TcSelector::new())?;
    /// let handles: Vec<TcHandle> = classes.items().iter().map(|class| class.header.handle).collect();
    /// assert_eq!(handles, [TcHandle { major: 1, minor: 0x10 }]);
    /// # fn enter_namespace() {
    /// #     nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
    /// #     let commands = [
    /// #         "ip link set lo up",
    /// #         "tc qdisc add dev lo root handle 1: htb",
    /// #         "tc class add dev lo parent 1: classid 1:10 htb rate 1mbit",
    /// #     ];
    /// #     for words in commands {
    /// #         let mut words = words.split(' ');
    /// #         let status = std::process::Command::new(words.next().expect("a program")).args(words).status();
    /// #         assert!(status.expect("iproute2").success());
    /// #     }
    /// # }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETTCLASS`, rtnetlink(7).
    #[doc(alias = "RTM_GETTCLASS")]
    pub fn classes(&mut self, filter: &TcSelector) -> Result<Dump<TcMessage>> {
        let op = "listing the classes";
        let (links, mut all) = self.links_with_qdiscs(filter.link)?;
        for link in links {
            all.extend(self.classes_of(op, link, filter.parent)?);
        }
        self.check_links_exist(Ok(all), op, filter.link)
    }

    /// Lists the filters of queueing disciplines and classes.
    ///
    /// The kernel is asked for each place where filters can be: without a parent in the filter that is each queueing
    /// discipline, its ways in and out, and each class. The result is consistent only if all answers are. The filters of
    /// a block that links share are listed once, with the number of the block as their parent and -1 as their link.
    ///
    /// # Errors
    ///
    /// As [`qdiscs`](Self::qdiscs).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::netlink_packet_route::tc::TcAttribute;
    /// use libteam::{RtnlSocket, TcSelector};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let lo = rtnl.link_by_name("lo")?.ifindex();
    /// let filters = rtnl.filters(&TcSelector::new().link(lo))?;
    /// let is_u32 = |kind: &TcAttribute| *kind == TcAttribute::Kind("u32".to_owned());
    /// assert!(filters.items().iter().all(|filter| filter.attributes.iter().any(is_u32)));
    /// assert!(!filters.items().is_empty());
    /// # fn enter_namespace() {
    /// #     nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
    /// #     let commands = [
    /// #         "ip link set lo up",
    /// #         "tc qdisc add dev lo root handle 1: htb",
    /// #         "tc filter add dev lo parent 1: protocol ip u32 match ip dst 192.0.2.1 flowid 1:1",
    /// #     ];
    /// #     for words in commands {
    /// #         let mut words = words.split(' ');
    /// #         let status = std::process::Command::new(words.next().expect("a program")).args(words).status();
    /// #         assert!(status.expect("iproute2").success());
    /// #     }
    /// # }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETTFILTER`, rtnetlink(7); `TCM_IFINDEX_MAGIC_BLOCK`, `linux/rtnetlink.h`.
    #[doc(alias = "RTM_GETTFILTER")]
    pub fn filters(&mut self, filter: &TcSelector) -> Result<Dump<TcMessage>> {
        let op = "listing the filters";
        let (places, mut all) = match filter.parent {
            Some(parent) => self.places_below(filter.link, parent)?,
            None => self.all_places(filter.link)?,
        };
        let mut blocks = HashSet::new();
        for place in places {
            let mut more = self.filters_at(op, place)?;
            more.items.retain(|filter| block_of(filter).is_none_or(|block| !blocks.contains(&block)));
            blocks.extend(more.items.iter().filter_map(block_of));
            all.extend(more);
        }
        self.check_links_exist(Ok(all), op, filter.link)
    }

    fn classes_of(&mut self, op: &str, link: i32, parent: Option<TcHandle>) -> Result<Dump<TcMessage>> {
        // The kernel looks at the queueing discipline that the parent belongs to, which the root does not.
        let qdisc = parent.filter(|parent| *parent != TcHandle::ROOT).map_or(TcHandle::UNSPEC, qdisc_of);
        let request = TcAttachPoint { link, parent: qdisc.into() }.message();
        let request = RouteNetlinkMessage::GetTrafficClass(request);
        let answer =
            self.list(DumpRequest { op, message: request, reply_type: RTM_NEWTCLASS }, |class: &TcMessage, _| {
                class.header.index == link && parent.is_none_or(|parent| is_class_below(class, parent))
            });
        none_of_no_link(answer).during(|| op.to_owned())
    }

    fn filters_at(&mut self, op: &str, place: TcAttachPoint) -> Result<Dump<TcMessage>> {
        let request = RouteNetlinkMessage::GetTrafficFilter(place.message());
        let answer =
            self.list(DumpRequest { op, message: request, reply_type: RTM_NEWTFILTER }, |filter: &TcMessage, _| {
                let header = &filter.header;
                header.index == SHARED_BLOCK || header.index == place.link && u32::from(header.parent) == place.parent
            });
        none_of_no_link(answer).during(|| op.to_owned())
    }

    /// The links that may have classes or filters: the one asked for, or all with a queueing discipline. The dump is
    /// empty, and as consistent as what they were found by.
    fn links_with_qdiscs(&mut self, link: Option<IfIndex>) -> Result<(IndexSet<i32>, Dump<TcMessage>)> {
        let mut basis = Dump::empty();
        if let Some(link) = link {
            return Ok((IndexSet::from([as_i32(link)]), basis));
        }
        let qdiscs = self.qdiscs(&TcSelector::new())?;
        basis.merge_status(&qdiscs);
        Ok((qdiscs.items().iter().map(|qdisc| qdisc.header.index).collect(), basis))
    }

    /// The same place on each such link.
    fn places_below(
        &mut self,
        link: Option<IfIndex>,
        parent: TcHandle,
    ) -> Result<(IndexSet<TcAttachPoint>, Dump<TcMessage>)> {
        let (links, basis) = self.links_with_qdiscs(link)?;
        Ok((links.into_iter().map(|link| TcAttachPoint { link, parent: parent.into() }).collect(), basis))
    }

    /// All places where filters can be.
    fn all_places(&mut self, link: Option<IfIndex>) -> Result<(IndexSet<TcAttachPoint>, Dump<TcMessage>)> {
        let filter = TcSelector { link, parent: None };
        let (qdiscs, classes) = (self.qdiscs(&filter)?, self.classes(&filter)?);
        let mut basis = Dump::empty();
        basis.merge_status(&qdiscs);
        basis.merge_status(&classes);
        let of_qdiscs = qdiscs.items().iter().flat_map(places_of_qdisc);
        let of_classes = classes.items().iter().map(|class| place(class, class.header.handle));
        Ok((of_qdiscs.chain(of_classes).collect(), basis))
    }
}

/// Where a queueing discipline has filters. One without a number of its own has none.
fn places_of_qdisc(qdisc: &TcMessage) -> Vec<TcAttachPoint> {
    let ingress = TcHandle { minor: TcHandle::MIN_INGRESS, ..TcHandle::INGRESS };
    let egress = TcHandle { minor: TcHandle::MIN_EGRESS, ..TcHandle::INGRESS };
    match kind_of(qdisc) {
        Some("clsact") => vec![place(qdisc, ingress), place(qdisc, egress)],
        Some("ingress") => vec![place(qdisc, ingress)],
        _ if qdisc.header.handle == TcHandle::UNSPEC => Vec::new(),
        _ => vec![place(qdisc, qdisc.header.handle)],
    }
}

fn place(message: &TcMessage, parent: TcHandle) -> TcAttachPoint {
    TcAttachPoint { link: message.header.index, parent: parent.into() }
}

fn kind_of(message: &TcMessage) -> Option<&str> {
    message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Kind(kind) => Some(kind.as_str()),
        _ => None,
    })
}

/// The shared block that a filter belongs to.
fn block_of(filter: &TcMessage) -> Option<u32> {
    (filter.header.index == SHARED_BLOCK).then(|| filter.header.parent.into())
}

fn qdisc_of(handle: TcHandle) -> TcHandle {
    TcHandle { minor: 0, ..handle }
}

/// A class at the top of its queueing discipline has the link's root as its parent.
fn is_class_below(class: &TcMessage, parent: TcHandle) -> bool {
    class.header.parent == parent || parent.minor == 0 && qdisc_of(class.header.handle) == parent
}

/// A link that went since it was listed has nothing; whether one was there at all is looked at in the end.
fn none_of_no_link(answer: Result<Dump<TcMessage>, Failure>) -> Result<Dump<TcMessage>, Failure> {
    match answer {
        Err(failure) if failure.is(Errno::ENODEV) => Ok(Dump::empty()),
        answer => answer,
    }
}

/// Traffic control's messages have the index of a link as a signed number.
fn as_i32(link: IfIndex) -> i32 {
    i32::try_from(link.get()).unwrap_or(i32::MAX)
}
