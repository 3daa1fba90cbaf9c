//! Links that come and go.

use log::warn;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL};
use nix::errno::Errno;

use super::NewLink;
use super::set::{NO_LINK, link_in};
use super::step::{Snapshot, Step};
use crate::error::{Error, Result};
use crate::log_target::COMMAND;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::link;
use crate::netlink::error::{During, Failure};
use crate::netlink::request::{Part, Request};
use crate::rtnl::RtnlSocket;

impl RtnlSocket {
    /// Creates a link and returns its index.
    ///
    /// A link that has the name already is never touched, whatever its kind. All or nothing: a link that cannot be
    /// given its master, or cannot be set up, is not left behind.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidName`], and [`Error::InvalidSetting`] for an attribute of more than 65531 bytes, before anything
    ///   is sent.
    /// - [`Error::Kernel`]: [`Exists`](crate::ErrorKind::Exists) if a link has the name, as its own or an alternative
    ///   one, or the index; [`NotSupported`](crate::ErrorKind::NotSupported) if the kernel has no such kind;
    ///   [`Invalid`](crate::ErrorKind::Invalid) for an MTU out of the driver's range or a hardware address that is
    ///   none; and whatever the driver and the master answer.
    /// - Those of [`NetlinkConnection::request`](crate::NetlinkConnection::request). After an
    ///   [`Error::Timeout`] it is not known whether there is a link now.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{ErrorKind, NewLink, RtnlSocket};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let team = rtnl.create_link(&NewLink::team("team0"))?;
    /// rtnl.create_link(&NewLink::dummy("d0").master(team).up())?;
    ///
    /// let error = rtnl.create_link(&NewLink::bridge("team0")).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Exists);
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_NEWLINK` with `NLM_F_CREATE` and `NLM_F_EXCL`, rtnetlink(7).
    pub fn create_link(&mut self, link: &NewLink) -> Result<IfIndex> {
        link.check()?;
        let created = self.request_creation(link).during(|| format!("creating {}", link.describe()))?;
        if link.is_set_up_later() {
            let result = self.step(created.ifindex, &Step::Up);
            result.during(|| format!("setting the new {} up", link.describe())).inspect_err(|_| {
                self.take_back(link, created.ifindex);
            })?;
        }
        Ok(created.ifindex)
    }

    /// The new link, which the kernel echoes since 6.2; before that it has to be looked up.
    fn request_creation(&mut self, link: &NewLink) -> Result<Snapshot, Failure> {
        let flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO;
        let mut echoed = None;
        self.socket.send(Request::command(link.request(), flags), |part| {
            if let Part::Message(frame) = part {
                echoed = link_in(frame)?;
            }
            Ok(())
        })?;
        match echoed {
            Some(created) => Ok(created),
            None => self.ask_for_link(link::get_by_name_request(link.name()))?.ok_or(NO_LINK.into()),
        }
    }

    /// Deletes a link that was created but cannot be used. The error of the creation is the one to tell.
    fn take_back(&mut self, link: &NewLink, ifindex: IfIndex) {
        if let Err(error) = self.delete(ifindex).during(|| format!("deleting {}", link.describe())) {
            warn!(target: COMMAND, "{} was created, cannot be used, and stays: {error}", link.describe());
        }
    }

    /// Deletes a link. The ports of a master stay as links of their own; the far end of a virtual cable goes too.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`].
    /// - [`Error::Kernel`] with [`NotSupported`](crate::ErrorKind::NotSupported) for a link that cannot be deleted: the
    ///   loopback, or a network card.
    /// - Those of [`NetlinkConnection::request`](crate::NetlinkConnection::request).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{ErrorKind, NewLink, RtnlSocket};
    ///
    /// # enter_namespace();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let dummy = rtnl.create_link(&NewLink::dummy("d0"))?;
    /// rtnl.delete_link(dummy)?;
    /// assert_eq!(rtnl.delete_link(dummy).unwrap_err().kind(), ErrorKind::NotFound);
    /// # fn enter_namespace() { nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root"); }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_DELLINK`, rtnetlink(7).
    pub fn delete_link(&mut self, ifindex: IfIndex) -> Result<()> {
        let no_such_device = || Err(Error::NoSuchDevice { device: format!("index {ifindex}") });
        if !ifindex.is_possible() {
            return no_such_device();
        }
        match self.delete(ifindex) {
            Err(failure) if failure.is(Errno::ENODEV) => no_such_device(),
            result => {
                let name = self.name_for(&result, ifindex);
                result.during(|| format!("deleting {name}"))
            }
        }
    }

    /// As [`delete_link`](Self::delete_link), before it is put into words.
    pub(crate) fn delete(&mut self, ifindex: IfIndex) -> Result<(), Failure> {
        self.socket.execute(link::delete_request(ifindex), 0)
    }

    /// What to call a link in the error of a request about it.
    pub(super) fn name_for(&mut self, result: &Result<(), Failure>, ifindex: IfIndex) -> String {
        let snapshot = match result {
            Err(Failure::Refused(_)) => self.snapshot(ifindex).ok().flatten(),
            _ => None,
        };
        snapshot.map_or_else(|| format!("link {ifindex}"), |link| link.name.to_string())
    }
}
