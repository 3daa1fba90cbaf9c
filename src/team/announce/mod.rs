//! Announcements of a team's addresses to its neighbours, sent from user space.

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

/// The devices whose addresses to announce; by default, the team alone.
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
    /// Announces the team alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether to announce the VLANs on top of the team too, including nested ones (`QinQ`).
    ///
    /// The addresses of a VLAN are announced through its own device, with that device's hardware
    /// address. VLANs that were moved to another network namespace are left out.
    pub fn vlans(mut self, included: bool) -> Self {
        self.vlans = included;
        self
    }
}

/// The number of announced addresses.
///
/// # Examples
///
/// See [`TeamHandle::announce`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AnnounceReport {
    /// The number of announced IPv4 addresses: one gratuitous ARP packet each.
    pub ipv4: usize,
    /// The number of announced IPv6 addresses: one unsolicited neighbour advertisement each.
    pub ipv6: usize,
    /// Whether addresses may be missing, because changes interrupted every attempt to list them.
    pub is_inconsistent: bool,
}

/// # Announcing addresses
impl TeamHandle {
    /// Announces the team's addresses to its neighbours, once.
    ///
    /// The method sends a gratuitous ARP request for each IPv4 address, and an unsolicited
    /// neighbour advertisement for each IPv6 address. Switches then forward the team's traffic to
    /// the port through which the packets came. Before it sends, the method requests the team's
    /// link and addresses.
    ///
    /// The driver itself announces the addresses when a port is enabled
    /// ([`set_notify_peers`](Self::set_notify_peers)), but not when the active port of the mode
    /// [`ActiveBackup`] changes. So call this after [`set_active_port`](Self::set_active_port), and
    /// perhaps once more a little later, for a switch whose port was not ready yet.
    ///
    /// The packets are the same as those of the kernel, with the current hardware address of the
    /// team. The method does not announce:
    ///
    /// - any address while the team is down,
    /// - IPv4 addresses if the team uses no ARP, and addresses in `127.0.0.0/8`,
    /// - IPv6 addresses during duplicate address detection, and duplicate addresses.
    ///
    /// Optimistic IPv6 addresses are announced without the override flag. The method does not wait
    /// for replies.
    ///
    /// The method works from any thread, and sends in the network namespace in which the handle was
    /// opened. A thread in another namespace requires `CAP_SYS_ADMIN`.
    ///
    /// [`ActiveBackup`]: crate::Mode::ActiveBackup
    ///
    /// # Errors
    ///
    /// - [`Error::Io`](crate::Error::Io) with `EPERM` without `CAP_NET_RAW` in the namespace, or
    ///   with `EAFNOSUPPORT` if the kernel has no packet sockets or the team is not an Ethernet
    ///   device; also if sending a packet fails. Packets of other devices are sent nevertheless.
    /// - [`Error::DeviceGone`](crate::Error::DeviceGone) if the team was deleted, and the errors of
    ///   [`RtnlSocket::addresses`].
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
    /// assert_eq!(team.announce()?.ipv4, 0, "nothing is announced while the team is down");
    ///
    /// # ip("address add 192.0.2.1/24 dev team0");
    /// # ip("link set team0 up");
    /// // The team has an address now, and is up.
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

    /// Like [`announce`](Self::announce), with options, e.g. for the VLANs on top of the team.
    ///
    /// # Errors
    ///
    /// Those of [`announce`](Self::announce).
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
    /// That of [`announce`](Self::announce).
    pub fn announce_with(&mut self, options: &AnnounceOptions) -> Result<AnnounceReport> {
        let op = |team: &str| format!("announcing the addresses of {team}");
        self.sync(op)?;
        let announced = self.announce_now(options);
        if announced.is_err() {
            // If the team was deleted, return that error instead.
            self.sync(op)?;
        }
        announced
    }

    fn announce_now(&mut self, options: &AnnounceOptions) -> Result<AnnounceReport> {
        let mut announced = AnnounceReport::default();
        let ifindex = self.ifindex();
        let team = self.session.rtnl.link_by_index(ifindex)?;
        if !is_ethernet(&team) {
            return Err(io::Error::from(Errno::EAFNOSUPPORT)).with_context(|| announcing(&team));
        }
        let mut devices = vec![team];
        if options.vlans {
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

    /// Sends the frames of all devices, and returns the first error.
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

    /// Opens a socket in the network namespace of the handle.
    fn open_socket(&self) -> io::Result<PacketSocket> {
        match &self.netns {
            Some(netns) => run_in_if_needed(netns, PacketSocket::open),
            None => Err(io::Error::other(
                "/proc did not show the network namespace of the handle when it was opened",
            )),
        }
    }
}

fn announcing(device: &LinkInfo) -> String {
    format!("announcing the addresses of {}", device.name())
}

/// Returns whether a device was deleted or set down in the meantime.
fn has_stopped(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(number, Some(Errno::ENETDOWN | Errno::ENODEV | Errno::ENXIO))
}
