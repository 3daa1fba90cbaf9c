//! What can happen to the model: changes by other processes, and faults.

use crate::model::link_scope::LinkScope;

/// How a case is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// How many datagrams an event socket holds, and a command socket at first.
    pub(crate) events: usize,
    pub(crate) answers: usize,
    /// How many links, ports or options go into one datagram.
    pub(crate) items: usize,
    pub(crate) attempts: u32,
    /// How many datagrams one receive takes at most.
    pub(crate) batch: usize,
    pub(crate) team_is_up: bool,
    /// The mode, if it is one of the four, and how many ports there are from the start.
    pub(crate) mode: u8,
    pub(crate) ports: u8,
    /// Whether a dump goes on behind as many links as it has listed, as in older kernels, or behind
    /// the last index that it has listed.
    pub(crate) dumps_by_position: bool,
    pub(crate) scope: LinkScope,
    /// How many instructions of filters a socket has memory for.
    pub(crate) filter_memory: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Happening {
    Change(Change),
    Fault(Line, Fault),
    /// The event socket overruns now: what comes is lost until the socket was read empty.
    Overrun(Line),
    /// The next receive fails (`ENOMEM`), whichever socket it is on.
    ReceiveFails,
    /// The reply to the next request comes when it is not waited for any more.
    ReplyIsLate,
    /// The last event that waits is longer than the buffer of its reader.
    EventIsTooLong(Line),
    /// The last event that waits cannot be decoded.
    EventIsMalformed(Line),
    /// Another process sends this, as if it were the kernel.
    Forged(Line, Forgery),
    /// Signals interrupt the next receives on event sockets, until their reader gives up.
    ReadStops,
}

impl Happening {
    /// Whether it is something that a call does not notice if it happens before it begins.
    #[cfg(test)]
    pub(crate) fn is_possible_between_calls(self) -> bool {
        !matches!(self, Self::ReceiveFails | Self::ReadStops | Self::ReplyIsLate)
    }
}

/// One of a few links. The first is the team.
pub(crate) type Slot = u8;
pub(crate) const SLOTS: Slot = 5;
pub(crate) const TEAM: u32 = 2;

/// The index of the link in a slot.
pub(crate) fn ifindex(slot: Slot) -> u32 {
    TEAM + u32::from(slot % SLOTS)
}

/// A change of the namespace. One that the kernel would refuse does nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Create(Slot, u8),
    Delete(Slot),
    Rename(Slot, u8),
    /// A link takes the other one of two names.
    OtherName(Slot),
    SwapNames(Slot, Slot),
    Hwaddr(Slot, u8),
    Mtu(Slot, u8),
    Up(Slot),
    Down(Slot),
    /// The carrier comes or goes.
    Flip(Slot),
    AlternativeName(Slot, u8),
    Enslave(Slot),
    Release(Slot),
    Mode(u8),
    /// Another process sets an option, of the port in this slot if it is one of a port.
    Set(Slot, u8, u8),
    /// Another process sets an option to the other one of two values.
    OtherValue(Slot, u8),
    /// Another process sets an option to a value that is too long for the driver to report.
    LongProgram,
    /// A message that is not about links or this team.
    Noise(u8),
    /// The team is deleted, or what has its index since then.
    DeleteTeam,
    /// A link of another kind gets the team's index.
    ReuseTeamIndex,
    /// The driver reports a port and an option of another team that has the index.
    OtherTeam,
}

/// What a socket is for; a session has one of each of the first four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Rtnl,
    TeamDriver,
    LinkEvents,
    TeamEvents,
    /// A socket that was closed.
    Closed,
}

impl Line {
    pub(crate) fn is_for_events(self) -> bool {
        matches!(self, Self::LinkEvents | Self::TeamEvents)
    }
}

/// What goes wrong at the next system call that it can go wrong at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A signal.
    Interrupted,
    /// A receive fails with `ENOMEM`.
    ReceiveFails,
    /// A wait fails with `ENOMEM`.
    WaitFails,
    /// A request is not sent: `ENOBUFS`.
    SendFails,
    /// The socket overruns. A command socket keeps so many datagrams of those that it has; an event
    /// socket keeps all, and loses what comes until it was read empty.
    Overrun(u8),
    /// A datagram comes twice.
    Repeated,
    /// A datagram ends in the middle of a message.
    Cut(u16),
    /// A datagram is longer than the buffer.
    TooLong,
    /// A length in the first message of a datagram is wrong.
    Malformed(Malformation),
    /// A datagram of a sender that is not the kernel.
    Foreign(Forgery),
    /// So many datagrams of another sender, each of which takes a thousandth of the time that an
    /// answer has.
    Babble(u16),
    /// So many events come, one at each receive.
    Flood(u16),
    /// The answer to a request comes during the wait for it.
    Slow,
    /// The answer to a request comes after the wait for it.
    Late,
    /// The answer to a request never comes.
    Unanswered,
    /// There seems to be nothing to receive.
    Nothing,
    /// A filter is refused: `ENOMEM`.
    FilterFails,
    /// A larger receive buffer is refused: `EPERM`.
    BufferFails,
    // The kernel does not cause the following faults, and a session cannot notice them.
    /// An event or an answer is lost without a report.
    Swallowed,
    /// A datagram comes behind the next one.
    Reordered,
    /// A datagram that was received before comes again.
    Again(u8),
    /// A byte of a datagram is another one.
    Flipped(u16, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformation {
    TooLong,
    TooShort,
    Attribute,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgery {
    /// A link is gone.
    Removed(Slot),
    /// A link has another name.
    Renamed(Slot),
    /// A port is gone.
    Released(Slot),
    /// The mode is another one.
    Mode,
    /// The last request was carried out.
    Acknowledgement,
    /// The last request was refused.
    KernelError,
    /// That was the whole answer.
    End,
    /// Bytes that are not a netlink message.
    Garbage(u8),
    Huge,
}
