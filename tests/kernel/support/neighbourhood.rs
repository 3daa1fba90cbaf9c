//! A team in the mode `activebackup` with receivers at the far ends of its ports, and the packets
//! that announce its addresses.

use std::thread::sleep;
use std::time::Duration;

use libteam::{Mode, TeamHandle};

use crate::support::frames::Wire;
use crate::support::netns::{ip, veth};

/// Long enough for the kernel to send its own announcements.
pub(crate) const ANNOUNCE_DELAY: Duration = Duration::from_millis(400);

/// `team0`, up, with the ports `eth1`, which is active, and `eth2`, and their far ends `far1` and
/// `far2`. It has only the IP addresses that a test adds.
pub(crate) struct Neighbourhood {
    pub(crate) team: TeamHandle,
    pub(crate) wires: [Wire; 2],
}

impl Neighbourhood {
    pub(crate) fn new() -> Self {
        for (key, value) in [("disable_ipv6", "1"), ("accept_dad", "1"), ("dad_transmits", "1")] {
            set_ipv6("default", key, value);
        }
        let mut team = TeamHandle::create("team0").unwrap();
        team.set_mode(Mode::ActiveBackup).unwrap();
        for number in 1..=2 {
            veth(&format!("eth{number}"), &format!("far{number}"));
            let port = team.lookup_ifindex(format!("eth{number}")).unwrap();
            team.add_port(port).unwrap();
        }
        ip("link set team0 addrgenmode none");
        ip("link set team0 up");
        set_ipv6("team0", "disable_ipv6", "0");
        let eth1 = team.lookup_ifindex("eth1").unwrap();
        team.set_active_port(eth1).unwrap();
        crate::support::changes::handle_until(&mut team, "all links are up", |team| {
            team.carrier() == Some(true) && team.ports().all(libteam::Port::is_link_up)
        });
        Self { team, wires: ["far1", "far2"].map(Wire::open) }
    }

    /// Returns the announcements that arrived at one of the far ends since the last call.
    pub(crate) fn received(&self, far_end: usize) -> Vec<Vec<u8>> {
        announcements(&self.wires[far_end])
    }

    /// Makes the driver announce the team, as often as configured, by enabling a port that is not
    /// active.
    pub(crate) fn enable_spare(&mut self) {
        let eth2 = self.team.lookup_ifindex("eth2").unwrap();
        self.team.set_port_enabled(eth2, false).unwrap();
        self.team.set_port_enabled(eth2, true).unwrap();
    }
}

/// Sets an IPv6 sysctl of a link.
pub(crate) fn set_ipv6(link: &str, key: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/ipv6/conf/{link}/{key}"), value).unwrap();
}

/// Returns the announcements that arrived at a link since its frames were last read, in a fixed
/// order. The kernel may deliver frames with a delay: all have arrived when no more come.
pub(crate) fn announcements(wire: &Wire) -> Vec<Vec<u8>> {
    let mut received = Vec::new();
    loop {
        sleep(Duration::from_millis(100));
        let frames = wire.frames();
        if frames.is_empty() {
            received.retain(|frame: &Vec<u8>| is_announcement(frame));
            received.sort();
            return received;
        }
        received.extend(frames.into_iter().map(|(_, frame)| frame));
    }
}

/// Returns the announcements that arrived at a link since its frames were last read, and those that
/// arrive within this time; each with its timestamp.
pub(crate) fn frames_within(wire: &Wire, time: Duration) -> Vec<(Duration, Vec<u8>)> {
    sleep(time);
    let mut received = wire.frames();
    received.retain(|(_, frame)| is_announcement(frame));
    received
}

/// Returns whether a frame is ARP or a neighbour advertisement.
fn is_announcement(frame: &[u8]) -> bool {
    match frame[12..14] {
        [0x08, 0x06] => true,
        [0x86, 0xdd] => frame[20] == 58 && frame[54] == 136,
        _ => false,
    }
}
