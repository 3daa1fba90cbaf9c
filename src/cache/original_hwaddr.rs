use std::collections::HashMap;

use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::model::link::{Link, LinkFlags};
use crate::netlink::codec::link::LinkAttrs;

/// Finds the address that a link had before its master gave it another one.
///
/// In some modes the team driver changes a new port's address first and announces the master last:
/// in between there is a message with the team's address and no master, which looks as if the
/// link's own address had been changed by hand.
#[derive(Debug, Default)]
pub(super) struct HwAddrHistory {
    /// The address before the last change, of links that had no master and were down then, as a new
    /// port is.
    recently: HashMap<IfIndex, Option<HwAddr>>,
}

impl HwAddrHistory {
    /// The original address of a link that was `before` and is now as reported, by a master that
    /// gives its new ports the address `given`, if any.
    pub(super) fn original_hwaddr(
        &mut self,
        before: &Link,
        report: &LinkAttrs<'_>,
        inherited: Option<HwAddr>,
    ) -> Option<HwAddr> {
        let ifindex = report.ifindex;
        match (before.master, report.master) {
            (_, None) => {
                self.watch(before, report);
                report.hwaddr
            }
            (Some(_), Some(_)) => before.original_hwaddr,
            (None, Some(_)) => match self.recently.remove(&ifindex) {
                Some(replaced) if inherited.is_some() && before.hwaddr == inherited => replaced,
                _ => before.hwaddr,
            },
        }
    }

    pub(super) fn forget(&mut self, ifindex: IfIndex) {
        // Of very many links, few change their addresses.
        if !self.recently.is_empty() {
            self.recently.remove(&ifindex);
        }
    }

    /// The driver sets a new port up between its address and its master: any other message about a
    /// link that is down shows that the change was no part of becoming a port.
    fn watch(&mut self, before: &Link, report: &LinkAttrs<'_>) {
        if report.flags.contains(LinkFlags::UP) {
            return;
        }
        if before.master.is_none() && before.hwaddr != report.hwaddr {
            self.recently.insert(report.ifindex, before.hwaddr);
        } else {
            self.forget(report.ifindex);
        }
    }
}
