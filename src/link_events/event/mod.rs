use super::cause::LinkEventCause;
use crate::error::DecodeError;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::attribute::Attribute;
use crate::netlink::codec::frame::Frame;
use crate::netlink::codec::link::{IFLA_EVENT, IFLA_MTU, IFLA_NEW_IFINDEX, IFLA_NEW_NETNSID, RTM_DELLINK, RTM_NEWLINK};
use crate::rtnl::LinkInfo;

const AF_UNSPEC: u8 = 0;
const AF_BRIDGE: u8 = 7;

/// One thing that the kernel announced of the links of a network namespace.
///
/// Except for [`Lost`](Self::Lost), each holds the link as the message tells it. A message about a removed link, or one
/// of a bridge, tells less than others.
///
/// # Examples
///
/// See [`LinkEvents`](super::LinkEvents) and [`cause`](Self::cause).
///
/// # Source
///
/// rtnetlink(7). `RTM_NEWLINK` is `Added` where its `ifi_change` has all bits set, `RTM_DELLINK` is `Moved` where it
/// holds `IFLA_NEW_NETNSID` or `IFLA_NEW_IFINDEX`; both are a bridge's where their `ifi_family` is `AF_BRIDGE`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkEvent {
    /// A link is there that was not: it was made, or came from another namespace.
    Added(LinkInfo),
    /// Something of a link changed. What it is the message does not say, except for
    /// [the flags](LinkInfo::changed_flags).
    ///
    /// Some drivers (bonding, GRE, HSR) announce a link while they are still making it. This is then the first that is
    /// heard of it: `Added` follows once it is made, and nothing at all if that fails. So what is not known should not
    /// be taken for added here.
    Changed {
        /// The link as it is now.
        link: LinkInfo,
        /// What made the kernel announce it, where it says so.
        cause: Option<LinkEventCause>,
    },
    /// A link was deleted.
    Removed(LinkInfo),
    /// A link left for another network namespace; there it is `Added`.
    Moved {
        /// The link as it was here.
        link: LinkInfo,
        /// The number of the other namespace, as `ip netns list-id` shows it here: it has a meaning in this one only.
        /// `None` if the kernel could not give it one.
        #[doc(alias = "IFLA_NEW_NETNSID")]
        namespace: Option<i32>,
        /// The link's index there. `None` on kernels that do not tell.
        #[doc(alias = "IFLA_NEW_IFINDEX")]
        ifindex: Option<IfIndex>,
    },
    /// A bridge tells of one of its ports: what it thinks of a link that is announced by itself too.
    BridgePortChanged(LinkInfo),
    /// A link is no port of a bridge any more. It lives on, unless `Removed` follows.
    BridgePortRemoved(LinkInfo),
    /// A message that tells nothing of a link's life or state: one of a wireless driver (`IFLA_WIRELESS`), say.
    Other(LinkInfo),
    /// Events were lost here: the receive buffer was full, or the kernel sent something that cannot be understood, which
    /// the log tells. What is known of the links may be wrong until they are asked for again, as
    /// [`LinkEvents`](super::LinkEvents) shows.
    Lost,
}

impl LinkEvent {
    /// The link that this is about, as the message tells it; `None` where events were lost.
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

    /// What made the kernel announce a change, where it says so.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{LinkEventCause, LinkEvents, LinkSettings, NewLink, RtnlSocket, TeamHandle};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let eth1 = rtnl.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// rtnl.set_link(team.team_ifindex(), &LinkSettings::new().up())?;
    ///
    /// let events = LinkEvents::new()?;
    /// team.set_notify_peers_count(1)?;
    /// team.add_port(eth1)?;
    /// for event in events {
    ///     let event = event?;
    ///     if event.cause() == Some(LinkEventCause::NotifyPeers) {
    ///         assert_eq!(event.link().map(|link| link.ifindex()), Some(team.team_ifindex()));
    ///         break;
    ///     }
    /// }
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
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

    /// Reads a message of the multicast group; `None` for one that is about no link.
    pub(crate) fn decode(frame: &Frame<'_>) -> Result<Option<Self>, DecodeError> {
        match frame.kind {
            RTM_NEWLINK => announced(LinkInfo::new(frame.payload)?).map(Some),
            RTM_DELLINK => gone(LinkInfo::new(frame.payload)?).map(Some),
            _ => Ok(None),
        }
    }
}

/// Reads an `RTM_NEWLINK`.
fn announced(link: LinkInfo) -> Result<LinkEvent, DecodeError> {
    match link.family() {
        // Every message about a link itself has an MTU; those of wireless drivers have nothing but a name.
        AF_UNSPEC if link.attribute(IFLA_MTU).is_none() => Ok(LinkEvent::Other(link)),
        // The kernel says that all flags changed when it tells of a link for the first time, and never later.
        AF_UNSPEC if link.changed_flags().bits() == u32::MAX => Ok(LinkEvent::Added(link)),
        AF_UNSPEC => {
            let number = number(&link, IFLA_EVENT).map(Attribute::u32).transpose()?;
            Ok(LinkEvent::Changed { cause: number.and_then(LinkEventCause::of), link })
        }
        AF_BRIDGE => Ok(LinkEvent::BridgePortChanged(link)),
        _ => Ok(LinkEvent::Other(link)),
    }
}

/// Reads an `RTM_DELLINK`.
fn gone(link: LinkInfo) -> Result<LinkEvent, DecodeError> {
    match link.family() {
        AF_UNSPEC => {
            let namespace = number(&link, IFLA_NEW_NETNSID).map(Attribute::i32).transpose()?;
            let ifindex = number(&link, IFLA_NEW_IFINDEX).map(Attribute::u32).transpose()?;
            if namespace.is_none() && ifindex.is_none() {
                return Ok(LinkEvent::Removed(link));
            }
            let namespace = namespace.filter(|number| *number >= 0);
            Ok(LinkEvent::Moved { link, namespace, ifindex: ifindex.and_then(IfIndex::new) })
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
