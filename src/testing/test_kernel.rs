//! The model of the kernel for the tests of programs that use this crate.

use std::io;
use std::sync::Arc;

use nix::errno::Errno;

use super::kernel::Shared;
use super::kernel::event::Line;
use super::kernel::namespace::{Answer, Namespace};
use crate::error::Result;
use crate::model::ifindex::IfIndex;
use crate::model::option::OptionId;
use crate::model::option_value::OptionValue;
use crate::netlink::builder::SocketBuilder;
use crate::netlink::protocol::Protocol;
use crate::netlink::socket::{Purpose, SocketSource, Transport};
use crate::team::TeamHandle;
use crate::team::builder::TeamBuilder;

/// A model of a network namespace with the team driver, for a program's own tests.
///
/// This crate's own tests use the same model. It replies to requests and sends notifications with
/// the same bytes as the kernel, so that all code of the library runs as in production, including
/// descriptors. The model has a loopback, links without addresses, and one team at a time. To
/// requests that it does not support (other kinds of links, routes, neighbours) it replies with
/// `EOPNOTSUPP`. It replies at once, its errors have a number but no message, and
/// [`TeamHandle::announce`] finds no address to announce.
///
/// A clone is the same kernel, which another thread can use to change links. The kernel exists as
/// long as a clone or a handle exists.
///
/// The methods that change the model act like another process, the network or the driver. The
/// program under test uses its [`TeamHandle`], and the sockets of [`sockets`](Self::sockets).
///
/// # Examples
///
/// ```
/// use libteam::Mode;
/// use libteam::testing::TestKernel;
///
/// let kernel = TestKernel::new();
/// let (eth1, eth2) = (kernel.add_link("eth1"), kernel.add_link("eth2"));
/// let mut team = kernel.create_team("team0")?;
/// team.set_mode(Mode::ActiveBackup)?;
/// team.add_port(eth1)?;
/// team.add_port(eth2)?;
/// team.set_active_port(eth1)?;
/// team.handle_events()?;
///
/// kernel.set_link_up(eth1, false);
/// assert!(team.wait(None)?, "the descriptor is readable");
/// let changes = team.handle_events()?;
/// assert!(changes.ports().any(|port| port.after().is_some_and(|port| !port.is_link_up())));
/// # Ok::<(), libteam::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TestKernel {
    kernel: Shared,
}

impl Default for TestKernel {
    fn default() -> Self {
        Self::new()
    }
}

impl TestKernel {
    /// Creates a kernel with a loopback link and without a team.
    #[must_use]
    pub fn new() -> Self {
        Self { kernel: Shared::empty() }
    }

    /// Wraps an existing model.
    #[cfg(test)]
    pub(crate) fn on(kernel: &Shared) -> Self {
        Self { kernel: kernel.clone() }
    }

    /// Creates a team device in the model and opens it, like [`TeamHandle::create`].
    ///
    /// # Errors
    ///
    /// Those of [`TeamHandle::create`], and `EOPNOTSUPP` if the model has a team already.
    ///
    /// # Examples
    ///
    /// See [`TestKernel`].
    pub fn create_team(&self, name: &str) -> Result<TeamHandle> {
        self.team_builder().create(name)
    }

    /// Opens the model's team device, like [`TeamHandle::open`].
    ///
    /// A test uses this for a second handle, or for a program that is started again.
    ///
    /// # Errors
    ///
    /// Those of [`TeamHandle::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::testing::TestKernel;
    ///
    /// let kernel = TestKernel::new();
    /// let created = kernel.create_team("team0")?;
    /// let opened = kernel.open_team("team0")?;
    /// assert_eq!(opened.ifindex(), created.ifindex());
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn open_team(&self, name: &str) -> Result<TeamHandle> {
        self.team_builder().open(name)
    }

    /// Returns a builder that opens and creates the model's team with other settings.
    ///
    /// The builder does not read environment variables.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::LinkScope;
    /// use libteam::testing::TestKernel;
    ///
    /// let builder = TestKernel::new().team_builder().link_scope(LinkScope::All);
    /// let team = builder.create("team0")?;
    /// assert!(team.links().any(|link| link.name() == "lo"));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn team_builder(&self) -> TeamBuilder {
        TeamBuilder::with_sockets(self.sockets())
    }

    /// Returns a builder that opens the model's other sockets.
    ///
    /// These are [`RtnlSocket`](crate::rtnl::RtnlSocket) and
    /// [`LinkEvents`](crate::link_events::LinkEvents).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::LinkSettings;
    /// use libteam::testing::TestKernel;
    ///
    /// let kernel = TestKernel::new();
    /// let eth1 = kernel.add_link("eth1");
    /// let mut rtnl = kernel.sockets().rtnl()?;
    /// rtnl.set_link(eth1, &LinkSettings::new().up())?;
    /// assert!(rtnl.link_by_name("eth1")?.has_carrier());
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn sockets(&self) -> SocketBuilder {
        SocketBuilder::new().source(Arc::new(self.clone()))
    }

    /// Adds a link, which is administratively down and has a carrier as soon as it is set up.
    ///
    /// # Panics
    ///
    /// Panics if a link has this name.
    #[track_caller]
    #[must_use]
    pub fn add_link(&self, name: &str) -> IfIndex {
        let mut ifindex = 0;
        self.change(&format!("adding the link {name}"), |model| {
            model.add(name, "dummy", 0).map(|added| ifindex = added)
        });
        match IfIndex::new(ifindex) {
            Some(ifindex) => ifindex,
            None => fail(&format!("adding the link {name}"), Errno::EINVAL),
        }
    }

    /// Deletes a link, or the team, like `ip link del` or the removal of a driver.
    ///
    /// # Panics
    ///
    /// Panics if no link has the index, or if the link is the loopback.
    #[track_caller]
    pub fn delete_link(&self, ifindex: IfIndex) {
        self.change(&format!("deleting link {ifindex}"), |model| model.delete(ifindex.get()));
    }

    /// Sets whether a link has a carrier, as if its cable were plugged in or pulled out.
    ///
    /// A link that is administratively down gets its carrier when it is set up.
    ///
    /// # Panics
    ///
    /// Panics if no link has the index, or if the link is the team or the loopback.
    #[track_caller]
    pub fn set_link_up(&self, ifindex: IfIndex, up: bool) {
        self.change(&format!("plugging link {ifindex}"), |model| model.plug(ifindex.get(), up));
    }

    /// Sets the speed that a link has while it is up, in Mbit/s; 10000 by default.
    ///
    /// The driver does not announce a change of the speed. A handle reads the new speed when the
    /// port's link goes up again, and in [`refresh`](TeamHandle::refresh).
    ///
    /// # Panics
    ///
    /// Panics if no link has the index.
    #[track_caller]
    pub fn set_speed(&self, ifindex: IfIndex, mbps: u32) {
        self.change(&format!("setting the speed of link {ifindex}"), |model| {
            model.set_speed(ifindex.get(), mbps)
        });
    }

    /// Makes a link a port of the team, as if another process did.
    ///
    /// # Panics
    ///
    /// Panics if the kernel would refuse the request: if the link is up, has a master or does not
    /// exist, or if there is no team.
    #[track_caller]
    pub fn add_port(&self, ifindex: IfIndex) {
        self.change(&format!("adding port {ifindex}"), |model| model.enslave(ifindex.get()));
    }

    /// Releases a port of the team, as if another process did.
    ///
    /// # Panics
    ///
    /// Panics if the link is not a port.
    #[track_caller]
    pub fn remove_port(&self, ifindex: IfIndex) {
        self.change(&format!("removing port {ifindex}"), |model| model.release(ifindex.get()));
    }

    /// Sets an option of the team, as if another process did.
    ///
    /// # Panics
    ///
    /// Panics if the driver would refuse the value or does not have the option.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::testing::TestKernel;
    /// use libteam::{Mode, OptionId};
    ///
    /// let kernel = TestKernel::new();
    /// let mut team = kernel.create_team("team0")?;
    /// kernel.set_option(&OptionId::global("mode"), "random");
    /// team.handle_events()?;
    /// assert_eq!(team.mode(), Some(Mode::Random));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    #[track_caller]
    pub fn set_option(&self, id: &OptionId, value: impl Into<OptionValue>) {
        let value = value.into();
        self.change(&format!("setting option {id} to {value}"), |model| model.set(id, value));
    }

    /// Drops notifications, as the kernel does when receive buffers are full.
    ///
    /// This affects each handle and each [`LinkEvents`](crate::link_events::LinkEvents) that is open
    /// now. It still receives the queued notifications, but no new ones until it has read the queue
    /// and noticed the loss; a handle does so in `handle_events`, and then reads everything again.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::testing::TestKernel;
    ///
    /// let kernel = TestKernel::new();
    /// let eth1 = kernel.add_link("eth1");
    /// let mut team = kernel.create_team("team0")?;
    /// kernel.lose_notifications();
    /// kernel.add_port(eth1);
    ///
    /// let changes = team.handle_events()?;
    /// assert!(changes.is_resynced() && team.is_port(eth1));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn lose_notifications(&self) {
        self.kernel.lock().lose_notifications();
    }

    /// Refuses the next request that changes something, with this error number.
    ///
    /// The request has no effect. Several calls refuse as many requests. A command may send several
    /// requests.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::testing::TestKernel;
    /// use libteam::{ErrorKind, Mode};
    ///
    /// const EBUSY: i32 = 16;
    /// let kernel = TestKernel::new();
    /// let mut team = kernel.create_team("team0")?;
    /// kernel.refuse_next(EBUSY);
    /// assert_eq!(team.set_mode(Mode::Random).unwrap_err().kind(), ErrorKind::ResourceBusy);
    /// team.set_mode(Mode::Random)?;
    /// # Ok::<(), libteam::Error>(())
    /// ```
    pub fn refuse_next(&self, errno: i32) {
        self.kernel.lock().refusals.push_back(errno);
    }

    /// Changes the model and sends the notifications.
    #[track_caller]
    fn change(&self, doing: &str, change: impl FnOnce(&mut Namespace) -> Answer) {
        let mut kernel = self.kernel.lock();
        let result = change(&mut kernel.service.namespace);
        let notices = kernel.service.namespace.take_notices();
        kernel.notify(notices);
        drop(kernel);
        if let Err(errno) = result {
            fail(doing, Errno::from_raw(errno));
        }
    }
}

/// Panics because a test requested a change that the kernel would refuse.
#[track_caller]
#[expect(clippy::panic, reason = "a mistake of the test that drives the model")]
fn fail(doing: &str, errno: Errno) -> ! {
    panic!("{doing}: {errno}")
}

impl SocketSource for TestKernel {
    fn open(
        &self,
        protocol: Protocol,
        purpose: Purpose,
        receive_buffer: usize,
    ) -> io::Result<Box<dyn Transport>> {
        let line = match (protocol, purpose) {
            (Protocol::ROUTE, Purpose::Requests) => Line::Rtnl,
            (Protocol::ROUTE, Purpose::Events) => Line::LinkEvents,
            (Protocol::GENERIC, Purpose::Requests) => Line::TeamDriver,
            (Protocol::GENERIC, Purpose::Events) => Line::TeamEvents,
            _ => return Err(Errno::EPROTONOSUPPORT.into()),
        };
        Ok(Box::new(self.kernel.open(line, receive_buffer)?))
    }
}
