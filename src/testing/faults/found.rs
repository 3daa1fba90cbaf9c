//! Cases that the property tests and the enumeration found, as ordinary tests.

use super::*;
use crate::testing::kernel::event::Malformation;

fn setting(mode: u8, ports: u8, scope: LinkScope) -> Setting {
    Setting {
        events: 1,
        answers: 8,
        items: 1,
        attempts: 1,
        batch: 1,
        team_is_up: true,
        mode,
        ports,
        dumps_by_position: false,
        scope,
        filter_memory: usize::MAX,
    }
}

fn change(change: Change) -> Happening {
    Happening::Change(change)
}

fn fault(line: Line, fault: Fault) -> Happening {
    Happening::Fault(line, fault)
}

fn play(setting: Setting, actions: impl IntoIterator<Item = Action>) {
    let mut case = Case::new(setting, true);
    for action in actions {
        case.play(action).unwrap();
    }
    case.end(Call::HandleEvents).unwrap();
}

#[test]
fn failed_resync_reports_no_older_state() {
    play(
        Setting { events: 10, ..setting(0, 3, LinkScope::All) },
        [
            Action::Calls(Call::Refresh, vec![(2, change(Change::Delete(1)))]),
            Action::Happens(fault(Line::Rtnl, Fault::SendFails)),
            Action::Calls(Call::HandleEvents, vec![(1, change(Change::Delete(2)))]),
            Action::Calls(
                Call::HandleEvents,
                vec![(0, fault(Line::LinkEvents, Fault::Babble(256)))],
            ),
        ],
    );
}

#[test]
fn list_lost_on_the_way_is_not_reported_as_cut() {
    play(
        setting(2, 0, LinkScope::All),
        [
            Action::Calls(
                Call::HandleEvents,
                vec![
                    (0, change(Change::LongProgram)),
                    (0, change(Change::Delete(2))),
                    (0, change(Change::Delete(1))),
                ],
            ),
            Action::Calls(
                Call::Refresh,
                vec![
                    (3, change(Change::Hwaddr(0, 0))),
                    (8, fault(Line::TeamDriver, Fault::Cut(0))),
                ],
            ),
        ],
    );
}

#[test]
fn port_with_some_options_requests_the_list() {
    for ports in [0, 1] {
        let setting = Setting { events: 20, items: 2, ..setting(2, ports, LinkScope::All) };
        let changes = [
            Change::LongProgram,
            Change::Enslave(4),
            Change::Set(4, 2, 1),
            Change::Set(4, 5, 1),
            Change::Set(4, 7, 1),
        ];
        play(setting, changes.map(|it| Action::Happens(change(it))));
    }
}

#[test]
fn error_behind_last_datagram_does_not_stay() {
    let setting = Setting { events: 4, batch: 2, ..setting(4, 0, LinkScope::All) };
    play(
        setting,
        [
            Action::Calls(Call::HandleEvents, vec![]),
            Action::Calls(
                Call::HandleEvents,
                vec![
                    (1, change(Change::Mtu(1, 1))),
                    (1, fault(Line::LinkEvents, Fault::ReceiveFails)),
                ],
            ),
        ],
    );
}

#[test]
fn foreign_datagrams_do_not_hide_end_of_old_events() {
    let setting = Setting { events: 9, team_is_up: false, ..setting(0, 1, LinkScope::All) };
    play(
        setting,
        [
            Action::Calls(Call::Refresh, vec![(1, change(Change::Delete(1)))]),
            Action::Calls(
                Call::HandleEvents,
                vec![(1, fault(Line::TeamEvents, Fault::Babble(248)))],
            ),
        ],
    );
}

#[test]
fn list_that_is_whole_again_is_not_reported_as_cut() {
    let setting = Setting { team_is_up: false, ..setting(2, 2, LinkScope::All) };
    play(
        setting,
        [
            Action::Happens(change(Change::Down(0))),
            Action::Calls(
                Call::HandleEvents,
                vec![(3, change(Change::Enslave(3))), (0, change(Change::LongProgram))],
            ),
            Action::Calls(Call::Update, vec![]),
            Action::Happens(change(Change::Set(0, 7, 0))),
            Action::Calls(Call::Refresh, vec![(4, fault(Line::Rtnl, Fault::Late))]),
        ],
    );
}

#[test]
fn port_options_survive_lost_mode_change() {
    let setting = Setting { team_is_up: false, ..setting(0, 0, LinkScope::Team) };
    play(
        setting,
        [
            Action::Calls(
                Call::HandleEvents,
                vec![(0, fault(Line::Rtnl, Fault::Cut(0))), (0, change(Change::Mode(2)))],
            ),
            Action::Happens(fault(Line::Rtnl, Fault::Malformed(Malformation::TooLong))),
            Action::Happens(change(Change::Create(0, 0))),
            Action::HasNetAdmin(false),
            Action::Calls(Call::AddPort(0), vec![]),
            Action::Calls(Call::AddPort(0), vec![(2, change(Change::Enslave(1)))]),
            Action::Happens(change(Change::LongProgram)),
            Action::Calls(Call::HandleEvents, vec![]),
        ],
    );
}

#[test]
fn options_of_lost_mode_are_kept() {
    let setting = Setting { events: 4, team_is_up: false, ..setting(0, 0, LinkScope::All) };
    let malformed = fault(Line::Rtnl, Fault::Malformed(Malformation::TooLong));
    play(
        setting,
        [
            Action::Calls(Call::RemovePort(0), vec![(4, malformed)]),
            Action::Happens(change(Change::Mode(2))),
            Action::Calls(Call::HandleEvents, vec![]),
            Action::HasNetAdmin(false),
            Action::Calls(Call::HandleEvents, vec![]),
            Action::Happens(change(Change::Set(0, 7, 0))),
            Action::Calls(Call::Refresh, vec![(0, change(Change::LongProgram))]),
        ],
    );
}

#[test]
fn partial_read_of_old_events_reports_no_older_state() {
    let setting = Setting { events: 20, items: 2, ..setting(0, 1, LinkScope::All) };
    play(
        setting,
        [
            // After the refresh read both event sockets: the events are older than the lists of the
            // refresh.
            Action::Calls(Call::Refresh, vec![(2, change(Change::Delete(1)))]),
            Action::Calls(Call::HandleEvents, vec![(0, Happening::ReadStops)]),
        ],
    );
}
