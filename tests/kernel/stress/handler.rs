//! A change handler that sends commands, and sometimes sleeps or fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use libteam::{BoxError, Changes, HwAddr, IfIndex, Result, TeamHandle};

use super::action::Action;
use super::log::Log;
use super::world::{PERMANENT, PORTS, TRANSIENT};
use super::writer::assert_expected;

pub(super) struct StressHandler {
    log: Arc<Log>,
    rng: Rng,
    over: Arc<AtomicBool>,
    nested: Arc<AtomicUsize>,
    carriers: bool,
}

impl StressHandler {
    /// The text of its error.
    pub(super) const ERROR: &str = "the handler fails on purpose";

    pub(super) fn new(log: &Arc<Log>, over: &Arc<AtomicBool>, carriers: bool, rng: Rng) -> Self {
        Self { log: Arc::clone(log), rng, over: Arc::clone(over), nested: Arc::default(), carriers }
    }

    /// Returns the count of nested calls that handled events.
    pub(super) fn nested(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.nested)
    }

    pub(super) fn run(&mut self, team: &mut TeamHandle, changes: &Changes) -> Result<(), BoxError> {
        // Without this limit, each change would cause another one, without end.
        if self.over.load(Ordering::Relaxed) {
            return Ok(());
        }
        let result = match self.rng.u32(..60) {
            0..3 => {
                thread::sleep(Duration::from_millis(self.rng.u64(1..10)));
                Ok(())
            }
            3..6 => self.look_for_more(TeamHandle::handle_events(team)),
            6 => {
                let refreshed = team.refresh();
                self.look_for_more(refreshed)
            }
            7..10 => self.set_master(team, true),
            10..12 => self.set_master(team, false),
            12..15 => self.set_an_option(team, changes),
            15 => team.set_hwaddr(
                team.ifindex(),
                HwAddr::new(&[2, 0, 0, 0, 0x66, self.rng.u8(..)]).unwrap(),
            ),
            16 if self.carriers => team.set_carrier(self.rng.bool()),
            17 => return Err(Self::ERROR.into()),
            _ => Ok(()),
        };
        if let Err(error) = result {
            assert_expected(&error);
        }
        Ok(())
    }

    fn look_for_more(&self, found: Result<Changes>) -> Result<()> {
        self.nested.fetch_add(1, Ordering::Relaxed);
        found.map(drop)
    }

    fn set_master(&mut self, team: &mut TeamHandle, enslave: bool) -> Result<()> {
        let link = self.link();
        let master = enslave.then(|| team.ifindex());
        let ticket = self.log.begin("a handler", Action::SetMaster { link, master });
        let result = if enslave { team.add_port(link) } else { team.remove_port(link) };
        self.log.end(ticket, result.is_ok());
        result
    }

    fn set_an_option(&mut self, team: &mut TeamHandle, changes: &Changes) -> Result<()> {
        match changes.ports().next() {
            Some(port) => team.set_port_priority(port.latest().ifindex(), self.rng.i32(-3..3)),
            None if self.rng.bool() => team.set_port_enabled(PORTS[0], self.rng.bool()),
            None => team.set_notify_peers_count(self.rng.u32(..3)),
        }
    }

    fn link(&mut self) -> IfIndex {
        let links = if self.rng.bool() { &PERMANENT[..] } else { &TRANSIENT[..] };
        links[self.rng.usize(..links.len())]
    }
}
