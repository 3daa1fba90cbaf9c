//! Creation and deletion of links.

use log::warn;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL};
use nix::errno::Errno;

use super::{LinkInfo, NO_LINK, NewLink, Step};
use crate::error::{Error, Result};
use crate::log_target::COMMAND;
use crate::model::ifindex::IfIndex;
use crate::netlink::codec::link::{self, RTM_NEWLINK};
use crate::netlink::error::{ErrorContext, RequestError};
use crate::netlink::request::{Part, Request};
use crate::rtnl::RtnlSocket;

impl RtnlSocket {
    /// Creates a link and returns its index.
    ///
    /// An existing link with the same name is never changed. The operation is atomic: a link that
    /// its master rejects, or that cannot be set up, is deleted again. It takes one request, and a
    /// second one to set up a link that has a master.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidName`]; [`Error::InvalidSetting`] for an attribute of more than 65531
    ///   bytes, or for the namespace of a peer that links of this kind do not have. Nothing is sent
    ///   then.
    /// - [`Error::Kernel`]: [`AlreadyExists`](crate::ErrorKind::AlreadyExists) if a link has this
    ///   name, as its own or an alternative name, or this index;
    ///   [`Unsupported`](crate::ErrorKind::Unsupported) if the kernel does not support the kind;
    ///   [`InvalidInput`](crate::ErrorKind::InvalidInput) for an MTU that the driver does not
    ///   support, or an invalid hardware address; and every other error of the driver and of the
    ///   master.
    /// - The errors of [`NetlinkConnection::request`](crate::netlink::NetlinkConnection::request).
    ///   After [`Error::Timeout`] it is unknown whether the link exists.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::ErrorKind;
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let team = rtnl.create_link(&NewLink::team("team0"))?;
    /// rtnl.create_link(&NewLink::dummy("d0").master(team).up())?;
    ///
    /// let error = rtnl.create_link(&NewLink::bridge("team0")).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_NEWLINK` with `NLM_F_CREATE` and `NLM_F_EXCL`, rtnetlink(7).
    pub fn create_link(&mut self, link: &NewLink) -> Result<IfIndex> {
        link.check()?;
        let created =
            self.request_creation(link).with_context(|| format!("creating {}", link.describe()))?;
        if link.is_set_up_later() {
            let result = self.step(created, &Step::Up);
            result.with_context(|| format!("setting the new {} up", link.describe())).inspect_err(
                |_| {
                    self.rollback_create(link, created);
                },
            )?;
        }
        Ok(created)
    }

    /// Requests the creation of a link and returns the index.
    ///
    /// The kernel sends the new link back since Linux 6.2. On older kernels, the link is looked up.
    fn request_creation(&mut self, link: &NewLink) -> Result<IfIndex, RequestError> {
        let flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO;
        let mut echoed = None;
        self.socket.send(Request::command(link.request(), flags), |part| {
            match part {
                Part::Message(frame) if frame.kind == RTM_NEWLINK => {
                    echoed = Some(LinkInfo::new(frame.payload)?.ifindex());
                }
                Part::Start { .. } | Part::Message(_) => {}
            }
            Ok(())
        })?;
        if let Some(ifindex) = echoed {
            return Ok(ifindex);
        }
        let created = self.request_link(link::get_by_name_request(link.name()))?;
        created.map(|link| link.ifindex()).ok_or(NO_LINK.into())
    }

    /// Deletes a link that was created but cannot be used.
    ///
    /// A failure is only logged, because the caller returns the first error.
    fn rollback_create(&mut self, link: &NewLink, ifindex: IfIndex) {
        if let Err(error) =
            self.delete(ifindex).with_context(|| format!("deleting {}", link.describe()))
        {
            warn!(
                target: COMMAND,
                "{} was created, but cannot be used and has to be deleted: {error}",
                link.describe()
            );
        }
    }

    /// Deletes a link.
    ///
    /// Ports of a deleted master are released. With a veth link, its peer is deleted too.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchDevice`] if the link does not exist.
    /// - [`Error::Kernel`] with `EOPNOTSUPP` ([`Unsupported`](crate::ErrorKind::Unsupported)) for a
    ///   link that cannot be deleted: the loopback link, or a physical device.
    /// - The errors of [`NetlinkConnection::request`](crate::netlink::NetlinkConnection::request).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::ErrorKind;
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let dummy = rtnl.create_link(&NewLink::dummy("d0"))?;
    /// rtnl.delete_link(dummy)?;
    /// assert_eq!(rtnl.delete_link(dummy).unwrap_err().kind(), ErrorKind::NotFound);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_DELLINK`, rtnetlink(7).
    pub fn delete_link(&mut self, ifindex: IfIndex) -> Result<()> {
        match self.delete(ifindex) {
            Err(error) if error.is(Errno::ENODEV) => {
                let (op, device) = (format!("deleting link {ifindex}"), format!("index {ifindex}"));
                Err(Error::NoSuchDevice { op, device })
            }
            result => {
                let link = self.describe_link(&result, ifindex);
                result.with_context(|| format!("deleting {link}"))
            }
        }
    }

    /// Like [`delete_link`](Self::delete_link), without the context of an error.
    pub(crate) fn delete(&mut self, ifindex: IfIndex) -> Result<(), RequestError> {
        self.socket.execute(link::delete_request(ifindex), 0)
    }

    /// Returns the link's name, or else its index, for an error message.
    ///
    /// The name is requested only if the kernel rejected the request.
    pub(in crate::rtnl) fn describe_link(
        &mut self,
        result: &Result<(), RequestError>,
        ifindex: IfIndex,
    ) -> String {
        let link = match result {
            Err(RequestError::Kernel(_)) => self.link_by_index(ifindex).ok(),
            _ => None,
        };
        link.map_or_else(|| format!("link {ifindex}"), |link| link.name().into_owned())
    }
}
