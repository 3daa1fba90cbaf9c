//! The alphabet of the enumeration: what can happen, and when.

use crate::testing::kernel::event::{Change, Forgery, Happening, Line, Slot, ifindex};
use crate::testing::kernel::{Kernel, SystemCall};

/// The slots of the two links.
const LINKS: [Slot; 2] = [1, 2];
/// The numbers of the two options in [`setting`](crate::testing::kernel::options::setting).
pub(super) const TEAM_OPTION: u8 = 0;
const PORT_OPTION: u8 = 5;

/// What happens during a call: each happening with the number of system calls since the previous
/// one.
pub(super) type During = Vec<(u8, Happening)>;

#[derive(Clone, Debug)]
pub(super) enum Action {
    /// The handle is opened, in a namespace with these links. This is the first action of each
    /// sequence.
    Open(Start, During),
    /// Something happens between two calls.
    Happens(Happening),
    /// The program calls the handle.
    Calls(Call, During),
}

/// The links that exist before the handle is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Only the team.
    NoLink,
    /// One link, which is a port.
    Port,
    /// Two links, the first of which is a port.
    PortAndLink,
}

impl Start {
    pub(super) const ALL: [Self; 3] = [Self::NoLink, Self::Port, Self::PortAndLink];

    pub(super) fn changes(self) -> &'static [Change] {
        match self {
            Self::NoLink => &[],
            Self::Port => &[Change::Create(1, 1), Change::Enslave(1)],
            Self::PortAndLink => &[Change::Create(1, 1), Change::Create(2, 2), Change::Enslave(1)],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    HandleEvents,
    Refresh,
    /// A command: sets the team's option.
    Set,
}

impl Call {
    pub(super) const ALL: [Self; 3] = [Self::HandleEvents, Self::Refresh, Self::Set];
}

impl Action {
    /// Returns the number of letters of the action. A call is one letter, and so is each happening;
    /// a call that reads only a part of the events is one letter. Opening the handle counts as
    /// none, because each sequence begins with it.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Calls(_, during) if matches!(during[..], [(_, Happening::ReadStops)]) => 1,
            Self::Open(_, during) => during.len(),
            Self::Happens(_) => 1,
            Self::Calls(_, during) => 1 + during.len(),
        }
    }
}

/// The state that decides which happenings have an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a condition of its own")]
pub(super) struct Outline {
    exists: [bool; 2],
    port: Option<usize>,
    link_events_lost: bool,
    team_events_lost: bool,
    /// Whether events are queued on the two event sockets.
    link_events_wait: bool,
    team_events_wait: bool,
}

impl Outline {
    pub(super) fn of(kernel: &mut Kernel) -> Self {
        let namespace = &kernel.service.namespace;
        let is_port = |slot: Slot| namespace.ports.iter().any(|(port, _)| *port == ifindex(slot));
        Self {
            exists: LINKS.map(|slot| namespace.links.contains_key(&ifindex(slot))),
            port: LINKS.iter().position(|slot| is_port(*slot)),
            link_events_lost: kernel.socket(Line::LinkEvents).is_congested,
            team_events_lost: kernel.socket(Line::TeamEvents).is_congested,
            link_events_wait: !kernel.socket(Line::LinkEvents).queue.is_empty(),
            team_events_wait: !kernel.socket(Line::TeamEvents).queue.is_empty(),
        }
    }

    /// Returns the namespace of a start, before the handle has sockets.
    pub(super) fn at(start: Start) -> Self {
        let (exists, port) = match start {
            Start::NoLink => ([false; 2], None),
            Start::Port => ([true, false], Some(0)),
            Start::PortAndLink => ([true; 2], Some(0)),
        };
        Self {
            exists,
            port,
            link_events_lost: false,
            team_events_lost: false,
            link_events_wait: false,
            team_events_wait: false,
        }
    }

    /// Returns what can happen between two calls.
    pub(super) fn between_calls(&self) -> Vec<Happening> {
        let mut all = self.happenings();
        if self.link_events_wait {
            all.push(Happening::EventIsTooLong(Line::LinkEvents));
        }
        if self.team_events_wait {
            all.push(Happening::EventIsMalformed(Line::TeamEvents));
        }
        if let Some(link) = self.exists.iter().position(|exists| *exists) {
            all.push(Happening::Forged(Line::LinkEvents, Forgery::Removed(LINKS[link])));
        }
        all
    }

    /// Returns what can happen at any time.
    fn happenings(&self) -> Vec<Happening> {
        let mut all = vec![];
        for (link, slot) in LINKS.into_iter().enumerate() {
            if !self.exists[link] {
                all.push(Change::Create(slot, slot));
                continue;
            }
            all.extend([Change::Delete(slot), Change::OtherName(slot)]);
            if self.port.is_none() {
                all.push(Change::Enslave(slot));
            } else if self.port == Some(link) {
                all.extend([Change::Release(slot), Change::OtherValue(slot, PORT_OPTION)]);
            }
        }
        all.push(Change::OtherValue(0, TEAM_OPTION));
        let mut all: Vec<_> = all.into_iter().map(Happening::Change).collect();
        if !self.link_events_lost {
            all.push(Happening::Overrun(Line::LinkEvents));
        }
        if !self.team_events_lost {
            all.push(Happening::Overrun(Line::TeamEvents));
        }
        all
    }

    /// Returns what can happen during a call.
    pub(super) fn during_calls(&self) -> Vec<Happening> {
        let mut all = self.happenings();
        all.extend([Happening::ReceiveFails, Happening::ReadStops, Happening::ReplyIsLate]);
        all
    }

    /// Returns whether it makes a difference if something happens before or after a system call.
    ///
    /// If not, the sequence in which it happens before the next system call is the same, and only
    /// one of the two is played.
    pub(super) fn matters(&self, happening: Happening, system_call: SystemCall) -> bool {
        let (of_links, of_team) = match happening {
            Happening::Change(change) => self.sides(change),
            Happening::Overrun(line) => {
                return match system_call {
                    SystemCall::Receive { line: other, .. } => line == other,
                    // The notification of a command may be lost.
                    SystemCall::Send(_) => line == Line::TeamEvents,
                    SystemCall::Join => true,
                    SystemCall::Wait | SystemCall::SetFilter(_) => false,
                };
            }
            Happening::ReceiveFails => return matches!(system_call, SystemCall::Receive { .. }),
            Happening::ReplyIsLate => return matches!(system_call, SystemCall::Send(_)),
            _ => {
                return matches!(system_call, SystemCall::Receive { line, .. } if line.is_for_events());
            }
        };
        match system_call {
            SystemCall::Send(Line::Rtnl) => of_links,
            SystemCall::Send(_) => of_team,
            SystemCall::Receive { is_open, line: Line::Rtnl | Line::LinkEvents } => {
                is_open && of_links
            }
            SystemCall::Receive { is_open, .. } => is_open && of_team,
            SystemCall::Join => true,
            SystemCall::SetFilter(line) => line == Line::TeamEvents || of_links,
            SystemCall::Wait => false,
        }
    }

    /// Returns whether a change affects links, and whether it affects the team's ports and options.
    fn sides(&self, change: Change) -> (bool, bool) {
        match change {
            Change::Create(..) | Change::OtherName(_) => (true, false),
            Change::Delete(slot) if self.port != Some(usize::from(slot - LINKS[0])) => {
                (true, false)
            }
            Change::OtherValue(..) => (false, true),
            _ => (true, true),
        }
    }

    /// Returns the outline after something has happened.
    pub(super) fn after(mut self, happening: Happening) -> Self {
        let index = |slot: Slot| usize::from(slot - LINKS[0]);
        match happening {
            Happening::Change(Change::Create(slot, _)) => self.exists[index(slot)] = true,
            Happening::Change(Change::Delete(slot)) => {
                self.exists[index(slot)] = false;
                self.port = self.port.filter(|port| *port != index(slot));
            }
            Happening::Change(Change::Enslave(slot)) => self.port = Some(index(slot)),
            Happening::Change(Change::Release(_)) => self.port = None,
            // Reading may have ended the loss in the meantime: then the same can happen again.
            _ => {}
        }
        self
    }
}
