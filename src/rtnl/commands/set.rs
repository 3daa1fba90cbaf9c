//! Links that are changed, wholly or not at all.

use log::warn;
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;

use super::LinkSettings;
use super::step::{Snapshot, Step, plan};
use crate::error::{DecodeError, Error, Result};
use crate::log_target::COMMAND;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::frame::Frame;
use crate::netlink::codec::link::{self, LinkNews};
use crate::netlink::error::{During, Failure};
use crate::netlink::request::{Part, Request};
use crate::rtnl::RtnlSocket;

pub(super) const NO_LINK: DecodeError = DecodeError::new("there is no link in it");

impl RtnlSocket {
    /// Changes a link.
    ///
    /// The order is one in which each step works: down; released from a master that it is to leave; MTU, hardware
    /// address, carrier, name; the new master; up. Each step is a request of its own, and the error says which one
    /// failed. No other flag of the link than up or down is touched.
    ///
    /// If a step fails, what the earlier ones did is undone: the link gets its settings, its old master and its state
    /// up or down back. What it had only as a port of the old master does not come back (a team's options of the port,
    /// say), nor do routes and IPv6 addresses that the kernel drops when a link goes down. Where even undoing fails, a
    /// warning in the log says so.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidName`]; [`Error::InvalidSetting`] for a hardware address that is longer than the link's, which
    ///   the kernel would cut. Nothing is changed then.
    /// - [`Error::NoSuchDevice`].
    /// - [`Error::Kernel`]: [`Busy`](crate::ErrorKind::Busy) if a team is to take a link that is up;
    ///   [`NotPermitted`](crate::ErrorKind::NotPermitted) for the MTU of a team's port;
    ///   [`Invalid`](crate::ErrorKind::Invalid) for an MTU out of range, a hardware address that is none, a master that
    ///   does not exist; [`NotSupported`](crate::ErrorKind::NotSupported) if the master takes no ports, or the driver
    ///   leaves no carrier to its user; [`Exists`](crate::ErrorKind::Exists) if another link has the name; and whatever
    ///   the driver and the master answer.
    /// - Those of [`NetlinkConnection::request`](crate::NetlinkConnection::request). After an [`Error::Timeout`] it is
    ///   not known whether the kernel still takes the step that it names.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{ErrorKind, LinkSettings, NewLink, RtnlSocket};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let team = rtnl.create_link(&NewLink::team("team0"))?;
    /// let dummy = rtnl.create_link(&NewLink::dummy("d0").up())?;
    ///
    /// let error = rtnl.set_link(dummy, &LinkSettings::new().mtu(1400).master(team)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Busy);
    /// rtnl.set_link(dummy, &LinkSettings::new().down().mtu(1400).master(team))?;
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_SETLINK`, `linux/rtnetlink.h`.
    pub fn set_link(&mut self, ifindex: IfIndex, settings: &LinkSettings) -> Result<()> {
        settings.check()?;
        let before = self.snapshot_of(ifindex)?;
        settings.hwaddr.map_or(Ok(()), |hwaddr| before.check_hwaddr(hwaddr))?;
        let steps = plan(&before, settings);
        match self.steps(&before, &steps) {
            Ok(()) => Ok(()),
            Err((step, failure)) => Err(failure).during(|| step.describe(&before.name)),
        }
    }

    /// Gives a link a master; one that does not take it leaves it to the one that it had.
    pub(crate) fn enslave(&mut self, before: &Snapshot, master: IfIndex) -> Result<(), Failure> {
        self.steps(before, &[Step::Enslave(master)]).map_err(|(_, failure)| failure)
    }

    /// What a link is now.
    pub(crate) fn snapshot_of(&mut self, ifindex: IfIndex) -> Result<Snapshot> {
        let snapshot = self.snapshot(ifindex).during(|| format!("looking up link {ifindex}"))?;
        snapshot.ok_or_else(|| Error::NoSuchDevice { device: format!("index {ifindex}") })
    }

    /// One change of a link by itself.
    pub(crate) fn step(&mut self, ifindex: IfIndex, step: &Step) -> Result<(), Failure> {
        self.socket.execute(step.request(ifindex), 0)
    }

    /// What a link is now; nothing if there is none.
    pub(super) fn snapshot(&mut self, ifindex: IfIndex) -> Result<Option<Snapshot>, Failure> {
        if !ifindex.is_possible() {
            return Ok(None);
        }
        match self.ask_for_link(link::get_request(ifindex)) {
            Ok(None) => Err(NO_LINK.into()),
            Err(failure) if failure.is(Errno::ENODEV) => Ok(None),
            answer => answer,
        }
    }

    /// Asks a question and returns the link that is in the answer.
    pub(super) fn ask_for_link(&mut self, question: RouteNetlinkMessage) -> Result<Option<Snapshot>, Failure> {
        let mut snapshot = None;
        self.socket.send(Request::query(question, 0), |part| {
            snapshot = match part {
                Part::Start { .. } => None,
                Part::Message(frame) => link_in(frame)?,
            };
            Ok(())
        })?;
        Ok(snapshot)
    }

    /// All steps, or none.
    fn steps<'a>(&mut self, before: &Snapshot, steps: &'a [Step]) -> Result<(), (&'a Step, Failure)> {
        let mut released = None;
        for (position, step) in steps.iter().enumerate() {
            let mut result = self.step(before.ifindex, step);
            // The master's driver may have given back what it had taken.
            if result.is_ok() && *step == Step::Release {
                result = self.snapshot(before.ifindex).map(|snapshot| released = snapshot);
            }
            if let Err(failure) = result {
                let tried = steps.get(..=position).unwrap_or_default();
                self.put_back(before, released.as_ref().unwrap_or(before), tried);
                return Err((step, failure));
            }
        }
        Ok(())
    }

    /// Undoes steps of which the last one failed. `free` is what the link was when its attributes were set.
    ///
    /// What these steps cannot have changed is left alone: if it is not as before, that was somebody else.
    fn put_back(&mut self, before: &Snapshot, free: &Snapshot, tried: &[Step]) {
        let may_have_moved = tried.iter().any(|step| matches!(step, Step::Release | Step::Enslave(_)));
        let done = tried.split_last().map_or(&[][..], |(_, done)| done);
        let mut undo: Vec<Step> = done.iter().rev().filter_map(|step| step.inverse(free)).collect();
        if may_have_moved {
            let Some(now) = self.look_again(before) else { return };
            if now.master != before.master {
                if now.master.is_some() {
                    undo.insert(0, Step::Release);
                }
                undo.extend(before.master.map(Step::Enslave));
            }
        }
        self.undo(before, &undo);
        // A master sets its ports up and down as it likes.
        if may_have_moved || done.contains(&Step::Down) {
            let state = if before.up { Step::Up } else { Step::Down };
            if self.look_again(before).is_some_and(|now| now.up != before.up) {
                self.undo(before, &[state]);
            }
        }
    }

    fn look_again(&mut self, before: &Snapshot) -> Option<Snapshot> {
        self.snapshot(before.ifindex).unwrap_or_else(|failure| {
            warn!(target: COMMAND, "{} may not be as it was: {failure:?}", before.name);
            None
        })
    }

    fn undo(&mut self, before: &Snapshot, steps: &[Step]) {
        for step in steps {
            if let Err(error) = self.step(before.ifindex, step).during(|| step.describe(&before.name)) {
                warn!(target: COMMAND, "{} is not as it was before: {error}", before.name);
            }
        }
    }
}

/// The link that a message tells of.
pub(super) fn link_in(frame: Frame<'_>) -> Result<Option<Snapshot>, DecodeError> {
    Ok(match link::decode(frame.kind, frame.payload)? {
        LinkNews::Present(report) => Some(Snapshot::new(&report)),
        _ => None,
    })
}
