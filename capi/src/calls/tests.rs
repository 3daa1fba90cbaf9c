use libteam::OptionValue;

use super::*;

const TEAM: u32 = 10;

fn link(ifindex: u32, name: &str, master: u32) -> LinkState {
    LinkState {
        ifindex,
        name: name.into(),
        hwaddr: vec![2, 0, 0, 0, 0, 1],
        master,
        ..LinkState::default()
    }
}

fn port(ifindex: u32) -> PortState {
    PortState { ifindex, is_link_up: true, speed: 10_000, duplex: 1 }
}

fn option(name: &'static str, port: Option<u32>, value: u32) -> OptionState {
    let port = port.and_then(libteam::IfIndex::new);
    let id = OptionId { port, ..OptionId::global(name) };
    OptionState { id, value: OptionValue::U32(value) }
}

fn item<T>(fate: Fate, state: T) -> Item<T> {
    Item { fate, state }
}

/// The calls of a batch, each with what a handler sees at it, after which the store is as it is
/// after the batch.
fn calls(store: &Store, batch: Batch, occasion: Occasion) -> Vec<String> {
    let mut calls = Vec::new();
    for step in plan(store, batch, occasion) {
        step.edits.into_iter().for_each(|edit| apply(store, edit));
        if let Some(call) = step.call {
            calls.push(format!("{call:?}: {}", seen(store)));
            if call == Call::Ifinfo {
                store.clear_link_changes();
            }
        }
        store.drop_unused_links();
    }
    calls
}

/// What a program sees: ports and options, `*` for changed and `-` for removed.
fn seen(store: &Store) -> String {
    let mut seen = Vec::new();
    let mut address = std::ptr::null();
    while let Some(port) = store.next_port(address) {
        let mark = if port.is_removed() {
            "-"
        } else if port.is_changed() {
            "*"
        } else {
            ""
        };
        seen.push(format!("{mark}{}", port.ifindex()));
        address = std::rc::Rc::as_ptr(&port);
    }
    let mut address = std::ptr::null();
    while let Some(option) = store.next_option(address) {
        let mark = if option.is_changed() { "*" } else { "" };
        let port = option.id().port.map(|port| format!("@{port}")).unwrap_or_default();
        seen.push(format!("{mark}{}{port}={}", option.id().name, option.number()));
        address = std::rc::Rc::as_ptr(&option);
    }
    seen.join(" ")
}

/// A team with the port 3 and the global option `mode`.
fn store() -> Store {
    let store = Store::default();
    store.set_team(TEAM);
    let batch = Batch {
        links: vec![
            item(Fate::Added, link(TEAM, "team0", 0)),
            item(Fate::Added, link(3, "eth1", TEAM)),
        ],
        ports: vec![item(Fate::Added, port(3))],
        options: vec![
            item(Fate::Added, option("mode", None, 0)),
            item(Fate::Added, option("priority", Some(3), 0)),
        ],
    };
    let calls = calls(&store, batch, Occasion::Init);
    let seen = "priority@3=0 mode=0";
    let expected =
        [format!("Ifinfo: {seen}"), format!("Port: 3 {seen}"), format!("Option: 3 {seen}")];
    assert_eq!(calls, expected, "team_init calls each kind once, and marks nothing");
    store
}

fn links(items: impl IntoIterator<Item = Item<LinkState>>) -> Batch {
    Batch { links: items.into_iter().collect(), ..Batch::default() }
}

#[test]
fn empty_batch_calls_no_handler() {
    assert_eq!(plan(&store(), Batch::default(), Occasion::Events), []);
}

#[test]
fn refresh_calls_every_kind_without_changes() {
    let store = store();
    let calls = calls(&store, Batch::default(), Occasion::Refresh);
    let seen = "3 priority@3=0 mode=0";
    assert_eq!(calls, ["Ifinfo", "Port", "Option"].map(|kind| format!("{kind}: {seen}")));
}

#[test]
fn refresh_has_one_call_for_all_added_ports() {
    let store = store();
    let ports = vec![item(Fate::Added, port(4)), item(Fate::Added, port(5))];
    let calls = calls(&store, Batch { ports, ..Batch::default() }, Occasion::Refresh);
    assert_eq!(calls[1], "Port: *5 *4 3 priority@3=0 mode=0");
    assert_eq!(calls.len(), 3);
}

#[test]
fn link_that_is_the_same_in_the_c_api_calls_no_handler() {
    // As after a change of its MTU.
    let batch = links([item(Fate::Changed, link(3, "eth1", TEAM))]);
    assert_eq!(calls(&store(), batch, Occasion::Events), Vec::<String>::new());
}

#[test]
fn link_that_changed_calls_ifinfo_first() {
    let changes: [fn(&mut LinkState); 5] = [
        |link| link.name = "eth9".into(),
        |link| link.hwaddr = vec![2, 0, 0, 0, 0, 9],
        |link| link.hwaddr = vec![2; 20],
        |link| link.is_admin_up = true,
        |link| link.phys_port_id = vec![1],
    ];
    for change in changes {
        let mut state = link(3, "eth1", TEAM);
        change(&mut state);
        let batch = Batch {
            ports: vec![item(Fate::Changed, port(3))],
            ..links([item(Fate::Changed, state.clone())])
        };
        let calls = calls(&store(), batch, Occasion::Events);
        let seen = "priority@3=0 mode=0";
        assert_eq!(calls, [format!("Ifinfo: 3 {seen}"), format!("Port: *3 {seen}")], "{state:?}");
    }
}

#[test]
fn address_that_the_program_wrote_itself_is_no_change() {
    let store = store();
    let ifinfo = store.ifinfo(3).unwrap();
    let mut state = link(3, "eth1", TEAM);
    state.hwaddr = vec![2, 0, 0, 0, 0, 9];
    // What a program does by a pointer.
    ifinfo.write_hwaddr(&state.hwaddr);
    let batch = links([item(Fate::Changed, state)]);
    assert_eq!(plan(&store, batch.clone(), Occasion::Events).pop().unwrap().call, None);
    assert_eq!(calls(&store, batch, Occasion::Events), Vec::<String>::new());
    assert!(!ifinfo.has_any_change());
}

#[test]
fn added_ports_have_a_call_each_with_their_options_in_the_store() {
    let store = store();
    let batch = Batch {
        links: vec![
            item(Fate::Added, link(4, "eth2", TEAM)),
            item(Fate::Added, link(5, "eth3", TEAM)),
        ],
        ports: vec![item(Fate::Added, port(4)), item(Fate::Added, port(5))],
        options: vec![
            item(Fate::Added, option("priority", Some(4), 7)),
            item(Fate::Added, option("priority", Some(5), 8)),
        ],
    };
    let options = "*priority@5=8 *priority@4=7 priority@3=0 mode=0";
    let expected = [
        format!("Ifinfo: 3 {options}"),
        format!("Port: *4 3 {options}"),
        format!("Port: *5 4 3 {options}"),
        format!("Option: *5 4 3 {options}"),
    ];
    assert_eq!(calls(&store, batch, Occasion::Events), expected);
}

#[test]
fn removed_port_is_reported_after_the_options() {
    let store = store();
    let batch = Batch {
        links: vec![item(Fate::Released, link(3, "eth1", 0))],
        ports: vec![item(Fate::Removed, port(3))],
        options: vec![
            item(Fate::Changed, option("mode", None, 1)),
            item(Fate::Removed, option("priority", Some(3), 0)),
        ],
    };
    let expected = ["Ifinfo: 3 priority@3=0 *mode=1", "Option: 3 *mode=1", "Port: -3 *mode=1"];
    assert_eq!(calls(&store, batch, Occasion::Events), expected);
}

#[test]
fn removed_options_of_the_team_have_the_last_call() {
    let store = store();
    let batch = Batch {
        links: vec![item(Fate::Removed, link(TEAM, "team0", 0))],
        ports: vec![item(Fate::Removed, port(3))],
        options: vec![
            item(Fate::Removed, option("mode", None, 0)),
            item(Fate::Removed, option("priority", Some(3), 0)),
        ],
    };
    let expected =
        ["Ifinfo: 3 priority@3=0 mode=0", "Option: 3 mode=0", "Port: -3 mode=0", "Option: -3"];
    assert_eq!(calls(&store, batch, Occasion::Events), expected);
}

#[test]
fn recreated_port_is_removed_and_dropped_before_it_is_added() {
    let store = store();
    let old = std::rc::Rc::as_ptr(&store.port(3).unwrap());
    let batch = Batch {
        links: vec![item(Fate::Recreated, link(3, "eth9", TEAM))],
        ports: vec![item(Fate::Recreated, port(3))],
        options: vec![item(Fate::Recreated, option("priority", Some(3), 0))],
    };
    let expected = [
        "Ifinfo: 3 priority@3=0 mode=0",
        "Option: 3 mode=0",
        "Port: -3 mode=0",
        "Ifinfo: -3 *priority@3=0 mode=0",
        "Port: *3 *priority@3=0 mode=0",
        "Option: *3 *priority@3=0 mode=0",
    ];
    // The old object is kept, so that the new one cannot have its address.
    let kept = store.port(3);
    assert_eq!(calls(&store, batch, Occasion::Events), expected);
    assert_ne!(std::rc::Rc::as_ptr(&store.port(3).unwrap()), old);
    drop(kept);
}

#[test]
fn recreated_link_is_reported_removed_and_then_as_it_is() {
    let store = store();
    let batch = links([item(Fate::Recreated, link(3, "eth1", TEAM))]);
    let mut reported = Vec::new();
    for step in plan(&store, batch, Occasion::Events) {
        step.edits.into_iter().for_each(|edit| apply(&store, edit));
        let ifinfo = store.ifinfo(3).unwrap();
        reported.push((step.call, ifinfo.is_removed(), ifinfo.has_any_change()));
        store.clear_link_changes();
    }
    assert_eq!(reported[0], (Some(Call::Ifinfo), true, true));
    assert_eq!(reported[1], (Some(Call::Ifinfo), false, true));
    assert_eq!(reported.len(), 2);
}

#[test]
fn removed_port_stays_until_the_next_port_message() {
    let store = store();
    let removed = Batch { ports: vec![item(Fate::Removed, port(3))], ..Batch::default() };
    calls(&store, removed, Occasion::Events);
    let other = Batch {
        options: vec![item(Fate::Changed, option("mode", None, 1))],
        ..links([item(Fate::Removed, link(3, "eth1", 0))])
    };
    let expected = ["Ifinfo: -3 priority@3=0 *mode=1", "Option: -3 priority@3=0 *mode=1"];
    assert_eq!(calls(&store, other, Occasion::Events), expected);
    let added = Batch { ports: vec![item(Fate::Added, port(4))], ..Batch::default() };
    assert_eq!(calls(&store, added, Occasion::Events), ["Port: *4 priority@3=0 *mode=1"]);
}

#[test]
fn change_marks_last_until_the_next_message_of_their_kind() {
    let store = store();
    let changed = |name| Batch {
        options: vec![item(Fate::Changed, option(name, None, 1))],
        ..Batch::default()
    };
    calls(&store, changed("mode"), Occasion::Events);
    let of_port = Batch { ports: vec![item(Fate::Changed, port(3))], ..Batch::default() };
    assert_eq!(calls(&store, of_port, Occasion::Events), ["Port: *3 priority@3=0 *mode=1"]);
    let next = calls(&store, changed("activeport"), Occasion::Events);
    assert_eq!(next, ["Option: *3 *activeport=1 priority@3=0 mode=1"]);
}

#[test]
fn own_change_is_marked_until_the_kernel_reports_it() {
    let store = store();
    let mode = store.option(&OptionId::global("mode")).unwrap();
    mode.set_locally(&OptionValue::U32(5));
    assert_eq!((mode.is_changed_locally(), mode.is_changed(), mode.number()), (true, true, 5));
    let other = option("activeport", None, 1);
    let batch = Batch { options: vec![item(Fate::Added, other)], ..Batch::default() };
    calls(&store, batch, Occasion::Events);
    assert!(mode.is_changed_locally(), "the message was of another option");
    let own = option("mode", None, 5);
    let batch = Batch { options: vec![item(Fate::Changed, own)], ..Batch::default() };
    assert_eq!(
        calls(&store, batch, Occasion::Events),
        ["Option: 3 activeport=1 priority@3=0 *mode=5"]
    );
    assert!(!mode.is_changed_locally());
}
