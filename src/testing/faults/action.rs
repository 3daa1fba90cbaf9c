//! The strategies: what can happen to a session, and how often.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Union;

use crate::model::link_scope::LinkScope;
use crate::testing::kernel::event::{
    Change, Fault, Forgery, Happening, Line, Malformation, SLOTS, Setting, Slot,
};

#[derive(Clone, Debug)]
pub(super) enum Action {
    Happens(Happening),
    /// A call, and what happens during it, each with the number of system calls since the previous
    /// one.
    Calls(Call, Vec<(u8, Happening)>),
    /// The process drops `CAP_NET_ADMIN`, or gets it back.
    HasNetAdmin(bool),
}

/// An operation of a program on a handle.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    /// Brings the cache up to date and takes the changes.
    HandleEvents,
    /// Brings the cache up to date like a command, and takes no changes.
    Update,
    Refresh,
    AddPort(Slot),
    RemovePort(Slot),
    SetHwaddr(Slot, u8),
    /// Sets an option twice, in one datagram.
    SetOption(Slot, u8, [u8; 2]),
    LookUp(Slot),
}

pub(super) fn setting() -> impl Strategy<Value = Setting> {
    let sizes = (1..24_usize, 8..16_usize, 1..5_usize, 1..4_u32, 1..5_usize);
    let scope = prop_oneof![Just(LinkScope::All), Just(LinkScope::Team)];
    // From less than the shortest filter needs to more than two of the longest need.
    let filter_memory = prop_oneof![Just(usize::MAX), 15..60_usize];
    (sizes, any::<bool>(), 0..5_u8, 0..4_u8, any::<bool>(), scope, filter_memory).prop_map(
        |(sizes, team_is_up, mode, ports, dumps_by_position, scope, filter_memory)| Setting {
            events: sizes.0,
            answers: sizes.1,
            items: sizes.2,
            attempts: sizes.3,
            batch: sizes.4,
            team_is_up,
            mode,
            ports,
            dumps_by_position,
            scope,
            filter_memory,
        },
    )
}

/// Generates changes and calls, with the faults that a kernel reports.
pub(super) fn with_faults() -> impl Strategy<Value = Vec<Action>> {
    actions(fault().boxed())
}

/// Like [`with_faults`], but also with faults that a session cannot detect.
pub(super) fn with_unnoticed_faults() -> impl Strategy<Value = Vec<Action>> {
    actions(prop_oneof![fault(), unnoticed_fault()].boxed())
}

/// Generates what happens during one call.
pub(super) fn during_call() -> impl Strategy<Value = Vec<(u8, Happening)>> {
    happenings(fault().boxed())
}

fn actions(fault: BoxedStrategy<Fault>) -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        12 => happening(fault.clone()).prop_map(Action::Happens),
        8 => (call(), happenings(fault)).prop_map(|(call, during)| Action::Calls(call, during)),
        1 => any::<bool>().prop_map(Action::HasNetAdmin),
    ];
    vec(action, 1..24)
}

fn happenings(fault: BoxedStrategy<Fault>) -> impl Strategy<Value = Vec<(u8, Happening)>> {
    vec((0..10_u8, happening(fault)), 0..6)
}

fn happening(fault: BoxedStrategy<Fault>) -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => change().prop_map(Happening::Change),
        2 => (line(), fault).prop_map(|(line, fault)| Happening::Fault(line, fault)),
    ]
}

fn line() -> impl Strategy<Value = Line> {
    proptest::sample::select(vec![Line::Rtnl, Line::TeamDriver, Line::LinkEvents, Line::TeamEvents])
}

fn call() -> impl Strategy<Value = Call> {
    let slot = 0..SLOTS;
    prop_oneof![
        8 => Just(Call::HandleEvents),
        3 => Just(Call::Update),
        2 => Just(Call::Refresh),
        1 => slot.clone().prop_map(Call::AddPort),
        1 => slot.clone().prop_map(Call::RemovePort),
        1 => (slot.clone(), 0..4_u8).prop_map(|(slot, value)| Call::SetHwaddr(slot, value)),
        2 => (slot.clone(), any::<u8>(), any::<[u8; 2]>()).prop_map(|(slot, which, values)| {
            Call::SetOption(slot, which, values)
        }),
        1 => slot.prop_map(Call::LookUp),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let (slot, value) = (0..SLOTS, 0..4_u8);
    prop_oneof![
        4 => (slot.clone(), value.clone()).prop_map(|(slot, value)| Change::Create(slot, value)),
        3 => slot.clone().prop_map(Change::Delete),
        2 => (slot.clone(), value.clone()).prop_map(|(slot, value)| Change::Rename(slot, value)),
        1 => (slot.clone(), slot.clone()).prop_map(|(one, other)| Change::SwapNames(one, other)),
        1 => (slot.clone(), value.clone()).prop_map(|(slot, value)| Change::Hwaddr(slot, value)),
        1 => (slot.clone(), value.clone()).prop_map(|(slot, value)| Change::Mtu(slot, value)),
        1 => slot.clone().prop_map(Change::Up),
        1 => slot.clone().prop_map(Change::Down),
        3 => slot.clone().prop_map(Change::Flip),
        1 => (slot.clone(), value.clone()).prop_map(|(slot, value)| Change::AlternativeName(slot, value)),
        5 => slot.clone().prop_map(Change::Enslave),
        3 => slot.clone().prop_map(Change::Release),
        2 => value.clone().prop_map(Change::Mode),
        4 => (slot, any::<u8>(), value.clone()).prop_map(|(slot, which, value)| Change::Set(slot, which, value)),
        1 => Just(Change::LongProgram),
        1 => value.prop_map(Change::Noise),
        1 => prop_oneof![Just(Change::Noise(0)), Just(Change::DeleteTeam)],
        1 => prop_oneof![Just(Change::ReuseTeamIndex), Just(Change::OtherTeam)],
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    use Fault::*;
    let malformation = [Malformation::TooLong, Malformation::TooShort, Malformation::Attribute];
    Union::new_weighted(vec![
        (1, Just(Interrupted).boxed()),
        (1, Just(ReceiveFails).boxed()),
        (1, Just(WaitFails).boxed()),
        (1, Just(SendFails).boxed()),
        (3, (0..4_u8).prop_map(Overrun).boxed()),
        (1, Just(Repeated).boxed()),
        (2, any::<u16>().prop_map(Cut).boxed()),
        (1, Just(TooLong).boxed()),
        (2, proptest::sample::select(malformation.to_vec()).prop_map(Malformed).boxed()),
        (3, forgery().prop_map(Foreign).boxed()),
        (1, prop_oneof![3 => many(), 1 => 9_000..10_000_u16].prop_map(Babble).boxed()),
        (1, many().prop_map(Flood).boxed()),
        (1, Just(Slow).boxed()),
        (2, Just(Late).boxed()),
        (1, Just(Unanswered).boxed()),
        (1, Just(Nothing).boxed()),
        (1, Just(FilterFails).boxed()),
        (1, Just(BufferFails).boxed()),
    ])
}

/// Generates a small number, about what one read takes, or more than one call reads.
fn many() -> impl Strategy<Value = u16> {
    prop_oneof![1..20_u16, 240..270_u16, 490..530_u16, 1030..1400_u16]
}

fn unnoticed_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Swallowed),
        Just(Fault::Reordered),
        any::<u8>().prop_map(Fault::Again),
        (any::<u16>(), any::<u8>()).prop_map(|(at, by)| Fault::Flipped(at, by)),
    ]
}

fn forgery() -> impl Strategy<Value = Forgery> {
    let slot = 0..SLOTS;
    prop_oneof![
        slot.clone().prop_map(Forgery::Removed),
        slot.clone().prop_map(Forgery::Renamed),
        slot.prop_map(Forgery::Released),
        Just(Forgery::Mode),
        Just(Forgery::Acknowledgement),
        Just(Forgery::KernelError),
        Just(Forgery::End),
        any::<u8>().prop_map(Forgery::Garbage),
        Just(Forgery::Huge),
    ]
}
