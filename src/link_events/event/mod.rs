use super::cause::LinkEventCause;
use crate::error::DecodeError;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::attribute::Attribute;
use crate::netlink::codec::frame::Frame;
use crate::netlink::codec::link::{
    IFLA_EVENT, IFLA_MTU, IFLA_NEW_IFINDEX, IFLA_NEW_NETNSID, RTM_DELLINK, RTM_NEWLINK,
};
use crate::rtnl::LinkInfo;

const AF_UNSPEC: u8 = 0;
const AF_BRIDGE: u8 = 7;

/// A link notification of the kernel.
///
/// Each variant except [`Lost`](Self::Lost) contains the link as the message describes it. A
/// message about a removed link, or of a bridge about its port, has fewer attributes than other
/// messages.
///
/// # Examples
///
/// See [`LinkEvents`](super::LinkEvents) and [`cause`](Self::cause).
///
/// # Source
///
/// rtnetlink(7). `RTM_NEWLINK` is `Added` if all bits of its `ifi_change` are set; `RTM_DELLINK` is
/// `Moved` if it has `IFLA_NEW_NETNSID` or `IFLA_NEW_IFINDEX`; both are about a bridge's port if
/// their `ifi_family` is `AF_BRIDGE`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkEvent {
    /// A link was created, or moved here from another namespace.
    Added(LinkInfo),
    /// A link changed.
    ///
    /// The message marks only changes of [the flags](LinkInfo::changed_flags).
    ///
    /// Some drivers (bonding, GRE, HSR) send notifications about a link that they are still
    /// creating. `Changed` is then the first event of the link. `Added` follows when the link is
    /// complete; if its creation fails, no event follows. Do not treat a `Changed` of an unknown
    /// link as its addition.
    Changed {
        /// The current state of the link.
        link: LinkInfo,
        /// The cause of the notification, if the message has one.
        cause: Option<LinkEventCause>,
    },
    /// A link was deleted.
    Removed(LinkInfo),
    /// A link was moved to another network namespace, where it is `Added`.
    Moved {
        /// The last state of the link here.
        link: LinkInfo,
        /// The ID of the other namespace, which `ip netns list-id` prints.
        ///
        /// It is valid in this namespace only. `None` if the kernel could not assign an ID.
        #[doc(alias = "IFLA_NEW_NETNSID")]
        netnsid: Option<i32>,
        /// The index of the link there; `None` on kernels that do not send it.
        #[doc(alias = "IFLA_NEW_IFINDEX")]
        ifindex: Option<IfIndex>,
    },
    /// A bridge changed the state of one of its ports.
    ///
    /// Changes of the link itself have their own events.
    BridgePortChanged(LinkInfo),
    /// A link is no longer a port of a bridge.
    ///
    /// The link still exists, unless `Removed` follows.
    BridgePortRemoved(LinkInfo),
    /// A message without the state of a link, e.g. one of a wireless driver (`IFLA_WIRELESS`).
    Other(LinkInfo),
    /// Events were lost at this point.
    ///
    /// The receive buffer was full, or a message could not be decoded, which is logged. State that
    /// was derived from the events may be wrong until all links are listed again, as
    /// [`LinkEvents`](super::LinkEvents) shows.
    Lost,
}

impl LinkEvent {
    /// Returns the link of the event, or `None` for [`Lost`](Self::Lost).
    #[must_use]
    pub fn link(&self) -> Option<&LinkInfo> {
        match self {
            Self::Added(link)
            | Self::Changed { link, .. }
            | Self::Removed(link)
            | Self::Moved { link, .. }
            | Self::BridgePortChanged(link)
            | Self::BridgePortRemoved(link)
            | Self::Other(link) => Some(link),
            Self::Lost => None,
        }
    }

    /// Returns the cause of a [`Changed`](Self::Changed) event, if the message has one.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::link_events::{LinkEventCause, LinkEvents};
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::{LinkSettings, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_link(&LinkSettings::new().up())?;
    ///
    /// let events = LinkEvents::new()?;
    /// team.set_notify_peers_count(1)?;
    /// team.add_port(eth1)?;
    /// for event in events {
    ///     let event = event?;
    ///     if event.cause() == Some(LinkEventCause::NotifyPeers) {
    ///         assert_eq!(event.link().map(|link| link.ifindex()), Some(team.ifindex()));
    ///         break;
    ///     }
    /// }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `IFLA_EVENT`, `linux/if_link.h`.
    #[must_use]
    pub fn cause(&self) -> Option<LinkEventCause> {
        match self {
            Self::Changed { cause, .. } => *cause,
            _ => None,
        }
    }

    /// Decodes a message of the multicast group; `None` for a message that is not about a link.
    pub(crate) fn decode(frame: &Frame<'_>) -> Result<Option<Self>, DecodeError> {
        match frame.kind {
            RTM_NEWLINK => decode_newlink(LinkInfo::new(frame.payload)?).map(Some),
            RTM_DELLINK => decode_dellink(LinkInfo::new(frame.payload)?).map(Some),
            _ => Ok(None),
        }
    }
}

fn decode_newlink(link: LinkInfo) -> Result<LinkEvent, DecodeError> {
    match link.family() {
        // Every message about a link itself has an MTU; messages of wireless drivers have only a
        // name.
        AF_UNSPEC if link.attribute(IFLA_MTU).is_none() => Ok(LinkEvent::Other(link)),
        // The kernel marks all flags as changed in the first message about a link, and never in a
        // later one.
        AF_UNSPEC if link.changed_flags().bits() == u32::MAX => Ok(LinkEvent::Added(link)),
        AF_UNSPEC => {
            let number = number(&link, IFLA_EVENT).map(Attribute::u32).transpose()?;
            Ok(LinkEvent::Changed { cause: number.and_then(LinkEventCause::from_raw), link })
        }
        AF_BRIDGE => Ok(LinkEvent::BridgePortChanged(link)),
        _ => Ok(LinkEvent::Other(link)),
    }
}

fn decode_dellink(link: LinkInfo) -> Result<LinkEvent, DecodeError> {
    match link.family() {
        AF_UNSPEC => {
            let netnsid = number(&link, IFLA_NEW_NETNSID).map(Attribute::i32).transpose()?;
            let ifindex = number(&link, IFLA_NEW_IFINDEX).map(Attribute::u32).transpose()?;
            if netnsid.is_none() && ifindex.is_none() {
                return Ok(LinkEvent::Removed(link));
            }
            let netnsid = netnsid.filter(|id| *id >= 0);
            Ok(LinkEvent::Moved { link, netnsid, ifindex: ifindex.and_then(IfIndex::new) })
        }
        AF_BRIDGE => Ok(LinkEvent::BridgePortRemoved(link)),
        _ => Ok(LinkEvent::Other(link)),
    }
}

fn number(link: &LinkInfo, kind: u16) -> Option<Attribute<'_>> {
    link.attribute(kind).map(|value| Attribute { kind, value })
}

#[cfg(test)]
mod tests;
