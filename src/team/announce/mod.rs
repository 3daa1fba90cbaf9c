//! Telling the neighbours of a team where its addresses are, from user space.

mod device;
mod packet;
mod socket;

use std::io;

use nix::errno::Errno;

use self::device::{Frames, addresses_of, can_announce, frames, is_ethernet, vlans_on};
use self::socket::PacketSocket;
use crate::error::Result;
use crate::netlink::error::ErrorContext;
use crate::netlink::netns::run_in_if_needed;
use crate::rtnl::LinkInfo;
use crate::team::TeamHandle;

/// Which devices to announce; the team alone by default.
///
/// # Examples
///
/// See [`TeamHandle::announce_with`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct AnnounceOptions {
    vlans: bool,
}

impl AnnounceOptions {
    /// The team alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also the VLANs on top of the team, and those on top of them (`QinQ`), if so.
    ///
    /// Each is announced through its own device, with that device's hardware address. A VLAN that
    /// was moved to another network namespace is left out.
    pub fn vlans(mut self, included: bool) -> Self {
        self.vlans = included;
        self
    }
}

/// What was announced.
///
/// # Examples
///
/// See [`TeamHandle::announce`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AnnounceReport {
    /// The IPv4 addresses: one gratuitous ARP packet each.
    pub ipv4: usize,
    /// The IPv6 addresses: one unsolicited neighbour advertisement each.
    pub ipv6: usize,
    /// The kernel's lists of VLANs and addresses were interrupted by changes in every attempt: some
    /// may be missing here that were there all along.
    pub is_inconsistent: bool,
}

/// # Announcing addresses
impl TeamHandle {
    /// Announces the team's addresses to its neighbours, once: a gratuitous ARP request for each
    /// IPv4 address, an unsolicited neighbour advertisement for each IPv6 address.
    ///
    /// Neighbours and switches then send to the port over which that came. The driver does so by
    /// itself when a port is enabled ([`set_notify_peers`](Self::set_notify_peers)), but not when
    /// the mode [`ActiveBackup`] gets another active port: announce after
    /// [`set_active_port`](Self::set_active_port), and perhaps a little later once more, for a
    /// switch whose own port was not ready yet.
    ///
    /// The packets are those that the kernel sends, with the hardware address that the team has
    /// now. Left out is what has nobody to hear it or is not the team's to announce: all of it
    /// while the team is down, IPv4 addresses where it does without ARP, `127.0.0.0/8`, and IPv6
    /// addresses that are still checked for duplicates or turned out to be some. Optimistic
    /// addresses are announced without the override flag. Nothing waits for an answer, as there is
    /// none.
    ///
    /// Works in the network namespace that the handle was opened in, from any thread. A thread that
    /// is in another one needs `CAP_SYS_ADMIN` to get there.
    ///
    /// [`ActiveBackup`]: crate::Mode::ActiveBackup
    ///
    /// # Errors
    ///
    /// - [`Error::Io`](crate::Error::Io): `EPERM` without `CAP_NET_RAW` in the namespace;
    ///   `EAFNOSUPPORT` if the kernel has no packet sockets, or the team is no Ethernet device;
    ///   whatever refuses a packet. Packets for other devices are sent all the same.
    /// - [`Error::DeviceGone`](crate::Error::DeviceGone), and those of [`RtnlSocket::addresses`].
    ///
    /// [`RtnlSocket::addresses`]: crate::rtnl::RtnlSocket::addresses
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// assert_eq!(team.announce()?.ipv4, 0, "it is down");
    ///
    /// # ip("address add 192.0.2.1/24 dev team0");
    /// # ip("link set team0 up");
    /// // … with an address, and up:
    /// assert_eq!(team.announce()?.ipv4, 1);
    /// # fn ip(words: &str) {
    /// #     assert!(std::process::Command::new("ip").args(words.split(' ')).status().expect("iproute2").success());
    /// # }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// RFC 5227, section 3; RFC 4861, section 7.2.6. The kernel's `inetdev_send_gratuitous_arp` in
    /// `net/ipv4/devinet.c` and `ndisc_send_unsol_na` in `net/ipv6/ndisc.c`; packet(7).
    pub fn announce(&mut self) -> Result<AnnounceReport> {
        self.announce_with(&AnnounceOptions::new())
    }

    /// As [`announce`](Self::announce), with the VLANs on top of the team, say.
    ///
    /// # Errors
    ///
    /// As [`announce`](Self::announce).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{AnnounceOptions, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// # ip("link set team0 up");
    /// # ip("link add link team0 name team0.7 type vlan id 7");
    /// # ip("address add 192.0.2.1/24 dev team0.7");
    /// # ip("link set team0.7 up");
    /// // team0.7 has an address, team0 itself has none.
    /// assert_eq!(team.announce()?.ipv4, 0);
    /// assert_eq!(team.announce_with(&AnnounceOptions::new().vlans(true))?.ipv4, 1);
    /// # fn ip(words: &str) {
    /// #     assert!(std::process::Command::new("ip").args(words.split(' ')).status().expect("iproute2").success());
    /// # }
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// As [`announce`](Self::announce).
    pub fn announce_with(&mut self, announcement: &AnnounceOptions) -> Result<AnnounceReport> {
        let op = |team: &str| format!("announcing the addresses of {team}");
        self.sync(op)?;
        let announced = self.announce_now(announcement);
        if announced.is_err() {
            // That the team is gone is the better error.
            self.sync(op)?;
        }
        announced
    }

    fn announce_now(&mut self, announcement: &AnnounceOptions) -> Result<AnnounceReport> {
        let mut announced = AnnounceReport::default();
        let ifindex = self.ifindex();
        let team = self.session.rtnl.link_by_index(ifindex)?;
        if !is_ethernet(&team) {
            return Err(io::Error::from(Errno::EAFNOSUPPORT)).with_context(|| announcing(&team));
        }
        let mut devices = vec![team];
        if announcement.vlans {
            let vlans = vlans_on(&mut self.session.rtnl, ifindex)?;
            announced.is_inconsistent |= !vlans.is_consistent();
            devices.extend(vlans);
        }
        devices.retain(can_announce);
        if devices.is_empty() {
            return Ok(announced);
        }
        let addresses = addresses_of(&mut self.session.rtnl, &devices)?;
        announced.is_inconsistent |= !addresses.is_consistent();
        let mut batches: Vec<_> = devices
            .into_iter()
            .map(|device| (frames(&device, addresses.items()), device))
            .collect();
        batches.retain(|(frames, _)| !frames.is_empty());
        self.send_batches(&batches, &mut announced)?;
        Ok(announced)
    }

    /// Sends all that can be sent, and returns the first error.
    fn send_batches(
        &self,
        batches: &[(Frames, LinkInfo)],
        announced: &mut AnnounceReport,
    ) -> Result<()> {
        if batches.is_empty() {
            return Ok(());
        }
        let socket = self.open_socket().with_context(|| "opening a packet socket".to_owned())?;
        let mut result = Ok(());
        for (frames, device) in batches {
            match socket.send_all(device.ifindex(), frames.ipv4.iter().chain(&frames.ipv6)) {
                Ok(()) => {
                    announced.ipv4 += frames.ipv4.len();
                    announced.ipv6 += frames.ipv6.len();
                }
                Err(error) if has_stopped(&error) => {}
                Err(error) => result = result.and(Err(error).with_context(|| announcing(device))),
            }
        }
        result
    }

    /// Opens a socket in the network namespace of the handle, wherever the calling thread is.
    fn open_socket(&self) -> io::Result<PacketSocket> {
        match &self.home {
            Some(home) => run_in_if_needed(home, PacketSocket::open),
            None => Err(io::Error::other(
                "/proc did not show the network namespace of the handle when it was opened",
            )),
        }
    }
}

fn announcing(device: &LinkInfo) -> String {
    format!("announcing the addresses of {}", device.name())
}

/// Whether a device was deleted or set down since it was looked at.
fn has_stopped(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(number, Some(Errno::ENETDOWN | Errno::ENODEV | Errno::ENXIO))
}
