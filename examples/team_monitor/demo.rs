//! A team for `--demo`: four ports in a network namespace of its own, with traffic, and with
//! changes of one port after the other.

use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::Duration;

use libteam::bpf::{BpfProgram, HashFields};
use libteam::rtnl::{NewLink, RtnlSocket};
use libteam::{BoxError, IfIndex, LinkSettings, Mode, Result, TeamHandle};
use nix::sys::signal::{SigSet, SigmaskHow};

use crate::namespace::enter_new_namespace;

pub(crate) const TEAM: &str = "team0";
const PORTS: [&str; 4] = ["eth1", "eth2", "eth3", "eth4"];
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const BROADCAST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 255);
/// The number of packets that are sent at once, each to another UDP port, so that the hash spreads
/// them over the ports of the team.
const FLOWS: u16 = 40;
const FIRST_FLOW: u16 = 20_000;

/// Moves the calling thread to a new network namespace, creates the team there, and starts the
/// traffic and the changes.
pub(crate) fn start() -> Result<(), BoxError> {
    enter_new_namespace()?;
    let mut stage = Stage::build()?;
    let socket = UdpSocket::bind((ADDRESS, 0))?;
    socket.set_broadcast(true)?;
    // Only the thread that shows the team handles signals.
    let signals = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    thread::spawn(move || send(&socket));
    // No error is expected in this namespace; after one the changes end.
    thread::spawn(move || while stage.act().is_ok() {});
    Ok(signals.thread_set_mask()?)
}

struct Stage {
    team: TeamHandle,
    rtnl: RtnlSocket,
    /// The veth pairs: ports and far ends.
    cables: [Cable; 4],
}

#[derive(Clone, Copy)]
struct Cable {
    port: IfIndex,
    far_end: IfIndex,
}

impl Stage {
    fn build() -> Result<Self> {
        let mut rtnl = RtnlSocket::new()?;
        let mut team = TeamHandle::create(TEAM)?;
        team.set_mode(Mode::LoadBalance)?;
        team.set_bpf_hash_func(&BpfProgram::hash(HashFields::IP | HashFields::UDP))?;
        team.set_lb_stats_refresh_interval(Duration::from_millis(200))?;
        let mut cable = |name: &str| {
            let far_name = format!("{name}-peer");
            let port = rtnl.create_link(&NewLink::veth(name, &far_name))?;
            let far_end = rtnl.link_by_name(&far_name)?.ifindex();
            rtnl.set_link(far_end, &LinkSettings::new().up())?;
            team.add_port(port)?;
            Ok::<_, libteam::Error>(Cable { port, far_end })
        };
        let [first, second, third, fourth] = PORTS;
        let cables = [cable(first)?, cable(second)?, cable(third)?, cable(fourth)?];
        team.set_link(&LinkSettings::new().up())?;
        rtnl.add_address(team.ifindex(), ADDRESS.into(), 24)?;
        Ok(Self { team, rtnl, cables })
    }

    /// Changes each port and undoes the change.
    fn act(&mut self) -> Result<()> {
        let [first, second, third, fourth] = self.cables;
        for _ in 0..2 {
            self.set(fourth, &LinkSettings::new().down())?;
            self.set(fourth, &LinkSettings::new().up())?;
        }
        for is_enabled in [false, true] {
            self.team.set_port_enabled(second.port, is_enabled)?;
            pause();
        }
        self.set(third, &LinkSettings::new().down())?;
        for priority in [7, 0] {
            self.team.set_port_priority(first.port, priority)?;
            pause();
        }
        self.set(third, &LinkSettings::new().up())?;
        self.team.remove_port(first.port)?;
        pause();
        self.team.add_port(first.port)?;
        pause();
        Ok(())
    }

    fn set(&mut self, cable: Cable, settings: &LinkSettings) -> Result<()> {
        self.rtnl.set_link(cable.far_end, settings)?;
        pause();
        Ok(())
    }
}

fn pause() {
    thread::sleep(Duration::from_secs(1));
}

fn send(socket: &UdpSocket) {
    loop {
        for flow in FIRST_FLOW..FIRST_FLOW + FLOWS {
            // Sending fails while no port has a link.
            drop(socket.send_to(&[0; 1200], (BROADCAST, flow)));
        }
        thread::sleep(Duration::from_millis(20));
    }
}
