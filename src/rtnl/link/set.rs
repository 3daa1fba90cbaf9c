//! Changes of links, which are undone if one of them fails.

use log::warn;

use super::step::plan;
use super::{LinkInfo, LinkSettings, Step};
use crate::error::Result;
use crate::log_target::COMMAND;
use crate::model::ifindex::IfIndex;
use crate::netlink::error::{ErrorContext, RequestError};
use crate::rtnl::RtnlSocket;

impl RtnlSocket {
    /// Changes the settings of a link: all of them, or none.
    ///
    /// The changes are made in an order that works: down; release from the old master; MTU,
    /// hardware address, carrier, name; the new master; up, or the move to another namespace. Each
    /// change is one request, and an error names the change that failed. `IFF_UP` is the only flag
    /// that is changed.
    ///
    /// If a change fails, the earlier ones are undone: the link gets back its settings, its old
    /// master and its state. Some things are not restored: the settings that the link had as a port
    /// of the old master (e.g. the per-port options of a team), and the routes and IPv6 addresses
    /// that the kernel removes when a link is set down. A setting that cannot be restored is logged
    /// as a warning. A move to another namespace cannot be undone: if the kernel moves the link and
    /// then fails to rename it or to set it up, the link remains in the other namespace.
    ///
    /// # Errors
    ///
    /// - [`InvalidName`]; [`InvalidSetting`] for a hardware address that is longer than the link's,
    ///   which the kernel would truncate, and for a master together with another namespace. Nothing
    ///   is changed then.
    /// - [`NoSuchDevice`].
    /// - [`Kernel`]: [`ResourceBusy`](crate::ErrorKind::ResourceBusy) if the new master is a team
    ///   and the link is up; [`PermissionDenied`](crate::ErrorKind::PermissionDenied) for the MTU
    ///   of a team's port; [`InvalidInput`](crate::ErrorKind::InvalidInput) for an MTU out of
    ///   range, an invalid hardware address, a master that does not exist, a link that cannot be
    ///   moved (a team, a loopback), or a descriptor that is not that of a network namespace;
    ///   [`Unsupported`](crate::ErrorKind::Unsupported) if the master does not accept ports, or the
    ///   driver does not let user space control the carrier;
    ///   [`AlreadyExists`](crate::ErrorKind::AlreadyExists) if another link has the name; and every
    ///   other error of the driver and of the master.
    /// - The errors of [`NetlinkConnection::request`](crate::netlink::NetlinkConnection::request).
    ///   After [`Timeout`] it is unknown whether the kernel made the change that the error names.
    ///
    /// [`InvalidName`]: crate::Error::InvalidName
    /// [`InvalidSetting`]: crate::Error::InvalidSetting
    /// [`Kernel`]: crate::Error::Kernel
    /// [`NoSuchDevice`]: crate::Error::NoSuchDevice
    /// [`Timeout`]: crate::Error::Timeout
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::{ErrorKind, LinkSettings};
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let team = rtnl.create_link(&NewLink::team("team0"))?;
    /// let dummy = rtnl.create_link(&NewLink::dummy("d0").up())?;
    ///
    /// let error = rtnl.set_link(dummy, &LinkSettings::new().mtu(1400).master(team)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    /// rtnl.set_link(dummy, &LinkSettings::new().down().mtu(1400).master(team))?;
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_SETLINK`, `linux/rtnetlink.h`.
    #[doc(alias = "mtu")]
    pub fn set_link(&mut self, ifindex: IfIndex, settings: &LinkSettings) -> Result<()> {
        settings.check()?;
        let before = self
            .link_by_index(ifindex)
            .map_err(|error| error.with_op(format!("changing link {ifindex}")))?;
        settings.hwaddr.map_or(Ok(()), |hwaddr| before.check_hwaddr(hwaddr))?;
        let steps = plan(&before, settings);
        match self.steps(&before, &steps) {
            Ok(()) => Ok(()),
            Err((step, error)) => Err(error).with_context(|| step.describe(&before.name())),
        }
    }

    /// Makes a link a port of a master; if that rejects the link, the link keeps its old master.
    pub(crate) fn enslave(
        &mut self,
        before: &LinkInfo,
        master: IfIndex,
    ) -> Result<(), RequestError> {
        self.steps(before, &[Step::Enslave(master)]).map_err(|(_, error)| error)
    }

    /// Makes one change of a link.
    pub(crate) fn step(&mut self, ifindex: IfIndex, step: &Step) -> Result<(), RequestError> {
        self.socket.execute(step.request(ifindex), 0)
    }

    /// Makes all changes, or none.
    fn steps<'a>(
        &mut self,
        before: &LinkInfo,
        steps: &'a [Step],
    ) -> Result<(), (&'a Step, RequestError)> {
        let mut released = None;
        for (position, step) in steps.iter().enumerate() {
            let mut result = self.step(before.ifindex(), step);
            // The driver of the old master may have restored settings.
            if result.is_ok() && *step == Step::Release {
                result = self.find_link(before.ifindex()).map(|link| released = link);
            }
            if let Err(error) = result {
                let tried = steps.get(..=position).unwrap_or_default();
                self.rollback(before, released.as_ref().unwrap_or(before), tried);
                return Err((step, error));
            }
        }
        Ok(())
    }

    /// Undoes steps, the last of which failed.
    ///
    /// `released` is the state of the link before its attributes were set, which is its state after
    /// the release from the old master.
    ///
    /// Settings that these steps cannot have changed are not restored: another process may have
    /// changed them.
    fn rollback(&mut self, before: &LinkInfo, released: &LinkInfo, tried: &[Step]) {
        let Some((failed, done)) = tried.split_last() else { return };
        let may_have_moved = tried
            .iter()
            .any(|step| matches!(step, Step::Release | Step::Enslave(_) | Step::Move { .. }));
        // A master sets its ports up and down. A link that only was to become a port is up or down
        // as it was, or as another process has set it since.
        let mut may_have_new_state = done.contains(&Step::Down) || done.contains(&Step::Release);
        let mut undo: Vec<Step> =
            done.iter().rev().filter_map(|step| step.inverse(released)).collect();
        if may_have_moved {
            let Some(now) = self.resnapshot(before) else {
                if matches!(failed, Step::Move { .. }) {
                    warn!(
                        target: COMMAND,
                        "{} was moved to the other namespace, but not renamed or set up there",
                        before.name()
                    );
                }
                return;
            };
            if now.master() != before.master() {
                may_have_new_state = true;
                if now.master().is_some() {
                    undo.insert(0, Step::Release);
                }
                undo.extend(before.master().map(Step::Enslave));
            }
        }
        self.undo(before, &undo);
        if may_have_new_state {
            let state = if before.is_admin_up() { Step::Up } else { Step::Down };
            if self.resnapshot(before).is_some_and(|now| now.is_admin_up() != before.is_admin_up())
            {
                self.undo(before, &[state]);
            }
        }
    }

    /// Looks up the link again, or returns `None` if it was deleted or the lookup failed.
    fn resnapshot(&mut self, before: &LinkInfo) -> Option<LinkInfo> {
        let found = self.find_link(before.ifindex());
        let op = || format!("looking up link {}", before.ifindex());
        found.with_context(op).unwrap_or_else(|error| {
            warn!(
                target: COMMAND,
                "the settings of {} may have changed, as they could not be checked: {error}",
                before.name()
            );
            None
        })
    }

    fn undo(&mut self, before: &LinkInfo, steps: &[Step]) {
        let name = before.name();
        for step in steps {
            if let Err(error) =
                self.step(before.ifindex(), step).with_context(|| step.describe(&name))
            {
                warn!(
                    target: COMMAND,
                    "a setting of {name} was changed and could not be restored: {error}"
                );
            }
        }
    }
}
