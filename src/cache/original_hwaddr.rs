use std::collections::HashMap;

use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::model::link::{Link, LinkFlags};
use crate::netlink::codec::link::LinkAttrs;

/// Determines the address that a link had before its master gave it another one.
///
/// In some modes, the team driver first changes the address of a new port, and announces the master
/// later. The message in between, with the team's address and no master, looks as if a user had
/// changed the address of the link.
#[derive(Debug, Default)]
pub(super) struct HwAddrHistory {
    /// The address before its last change, for links without master that are down.
    ///
    /// A link is in this state while it becomes a port.
    recently: HashMap<IfIndex, Option<HwAddr>>,
}

impl HwAddrHistory {
    /// Returns the original address of a link, given its state before and a message about it.
    ///
    /// `inherited` is the address that the link's new master gives to its ports, if any.
    pub(super) fn original_hwaddr(
        &mut self,
        before: &Link,
        attrs: &LinkAttrs<'_>,
        inherited: Option<HwAddr>,
    ) -> Option<HwAddr> {
        let ifindex = attrs.ifindex;
        match (before.master, attrs.master) {
            (_, None) => {
                self.record(before, attrs);
                attrs.hwaddr
            }
            (Some(_), Some(_)) => before.original_hwaddr,
            (None, Some(_)) => match self.recently.remove(&ifindex) {
                Some(replaced) if inherited.is_some() && before.hwaddr == inherited => replaced,
                _ => before.hwaddr,
            },
        }
    }

    pub(super) fn forget(&mut self, ifindex: IfIndex) {
        // Return early: of many links, few change their addresses.
        if !self.recently.is_empty() {
            self.recently.remove(&ifindex);
        }
    }

    /// Records a change of the address of a link without master, if it may be becoming a port.
    ///
    /// The driver sets a new port up after it changed its address and before it sets the master.
    /// Another message about a link that is still down shows that the change had another reason.
    fn record(&mut self, before: &Link, attrs: &LinkAttrs<'_>) {
        if attrs.flags.contains(LinkFlags::UP) {
            return;
        }
        if before.master.is_none() && before.hwaddr != attrs.hwaddr {
            self.recently.insert(attrs.ifindex, before.hwaddr);
        } else {
            self.forget(attrs.ifindex);
        }
    }
}
