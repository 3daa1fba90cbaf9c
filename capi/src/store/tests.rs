use std::ptr::null;

use libteam::OptionValue;

use super::*;

const TEAM: u32 = 10;

fn link(ifindex: u32, master: u32) -> LinkState {
    let name = format!("eth{ifindex}").into_bytes();
    LinkState { ifindex, name, hwaddr: vec![2, 0, 0, 0, 0, 1], master, ..LinkState::default() }
}

fn port(ifindex: u32) -> PortState {
    PortState { ifindex, ..PortState::default() }
}

fn store() -> Store {
    let store = Store::default();
    store.set_team(TEAM);
    for ifindex in [3, 4] {
        store.put_link(&link(ifindex, TEAM));
        store.put_port(port(ifindex), false);
    }
    store.clear_link_changes();
    store
}

fn ports(store: &Store) -> Vec<u32> {
    let (mut found, mut after) = (Vec::new(), null());
    while let Some(port) = store.next_port(after) {
        found.push(port.ifindex());
        after = Rc::as_ptr(&port);
    }
    found
}

fn ifinfos(store: &Store) -> Vec<u32> {
    let (mut found, mut after) = (Vec::new(), null());
    while let Some(ifinfo) = store.next_ifinfo(after) {
        found.push(ifinfo.ifindex());
        after = Rc::as_ptr(&ifinfo);
    }
    found
}

#[test]
fn lists_are_newest_first() {
    let store = store();
    assert_eq!(ports(&store), [4, 3]);
    assert_eq!(ifinfos(&store), [TEAM, 4, 3]);
    for (name, value) in [("mode", 1), ("priority", 2)] {
        let state = OptionState { id: OptionId::global(name), value: OptionValue::U32(value) };
        store.put_option(&state, false);
    }
    let first = store.next_option(null()).unwrap();
    assert_eq!(first.id().name, "priority");
    let second = store.next_option(Rc::as_ptr(&first)).unwrap();
    assert_eq!(second.id().name, "mode");
    assert!(store.next_option(Rc::as_ptr(&second)).is_none());
}

#[test]
fn iteration_from_an_unknown_address_ends() {
    let (store, other) = (store(), store());
    assert!(store.next_port(Rc::as_ptr(&other.port(3).unwrap())).is_none());
    assert!(store.next_ifinfo(Rc::as_ptr(&other.ifinfo(3).unwrap())).is_none());
    let option = other.option_or_temporary(&OptionId::global("x"));
    assert!(store.next_option(Rc::as_ptr(&option)).is_none());
    assert!(store.option_at(Rc::as_ptr(&option)).is_none());
}

#[test]
fn links_that_are_no_ports_are_not_listed() {
    let store = store();
    store.put_link(&link(7, TEAM));
    assert_eq!(ifinfos(&store), [TEAM, 4, 3], "the driver has not reported the port");
    store.put_port(port(7), true);
    assert_eq!(ifinfos(&store), [TEAM, 7, 4, 3]);
}

#[test]
fn link_is_updated_in_place() {
    let store = store();
    let ifinfo = store.ifinfo(3).unwrap();
    let (name, hwaddr) = (ifinfo.name_ptr(), ifinfo.hwaddr_ptr());
    store.put_link(&LinkState { name: b"other".to_vec(), ..link(3, TEAM) });
    assert!(Rc::ptr_eq(&ifinfo, &store.ifinfo(3).unwrap()));
    assert_eq!((ifinfo.name_ptr(), ifinfo.hwaddr_ptr()), (name, hwaddr));
    assert_eq!(ifinfo.name(), b"other");
    assert!(ifinfo.has_changed(LinkFlag::Name) && !ifinfo.has_changed(LinkFlag::HwAddr));
}

#[test]
fn port_keeps_the_link_of_a_deleted_device() {
    let store = store();
    let ifinfo = store.ifinfo(3).unwrap();
    store.remove_link(3);
    store.remove_port(port(3));
    store.drop_unused_links();
    assert!(ifinfo.is_removed() && ifinfo.has_changed(LinkFlag::Removed));
    assert_eq!(ifinfos(&store), [TEAM, 4, 3], "the removed port is still listed");
    assert!(Rc::ptr_eq(store.port(3).unwrap().ifinfo(), &ifinfo));
    store.begin_ports();
    assert_eq!((ports(&store), ifinfos(&store)), (vec![4], vec![TEAM, 4]));
    assert!(store.ifinfo(3).is_none());
}

#[test]
fn dropped_port_leaves_a_link_that_is_back() {
    let store = store();
    let ifinfo = store.ifinfo(3).unwrap();
    store.release_link(&link(3, 0));
    store.remove_port(port(3));
    store.put_link(&link(3, TEAM));
    store.begin_ports();
    assert!(Rc::ptr_eq(&ifinfo, &store.ifinfo(3).unwrap()));
    store.put_port(port(3), true);
    assert!(Rc::ptr_eq(store.port(3).unwrap().ifinfo(), &ifinfo));
    assert_eq!(ifinfo.port().unwrap().ifindex(), 3);
}

#[test]
fn link_of_the_team_stays() {
    let store = store();
    store.put_link(&link(TEAM, 0));
    store.remove_link(TEAM);
    store.drop_unused_links();
    assert!(store.team_ifinfo().unwrap().is_removed());
}

#[test]
fn port_without_a_link_message_has_a_link() {
    let store = store();
    store.put_port(port(8), true);
    assert_eq!(store.port(8).unwrap().ifinfo().ifindex(), 8);
}

#[test]
fn first_address_counts_as_original_where_none_is_known() {
    let store = Store::default();
    store.put_link(&link(3, TEAM));
    let ifinfo = store.ifinfo(3).unwrap();
    assert_eq!(ifinfo.original_hwaddr(), [2, 0, 0, 0, 0, 1]);
    store.put_link(&LinkState { hwaddr: vec![9; 6], ..link(3, TEAM) });
    assert_eq!(ifinfo.original_hwaddr(), [2, 0, 0, 0, 0, 1], "it has a master");
    let known = LinkState { original_hwaddr: vec![7; 6], ..link(3, TEAM) };
    store.put_link(&known);
    assert_eq!(ifinfo.original_hwaddr(), [7; 6]);
    store.put_link(&LinkState { hwaddr: vec![8; 6], ..link(3, 0) });
    assert_eq!(ifinfo.original_hwaddr(), [8; 6], "it has none");
}

#[test]
fn temporary_option_is_found_but_not_listed() {
    let store = store();
    let id = OptionId::global("nonsense");
    assert!(store.option(&id).is_none());
    let option = store.option_or_temporary(&id);
    assert!(!option.is_initialized());
    assert!(Rc::ptr_eq(&option, &store.option(&id).unwrap()));
    assert!(store.next_option(null()).is_none());
    store.begin_options();
    assert!(store.option(&id).is_none(), "an option message ends it");
}

#[test]
fn value_of_an_option_stays_where_it_is_while_it_is_the_same() {
    let store = store();
    let mode = |text: &str| OptionState { id: OptionId::global("mode"), value: text.into() };
    store.put_option(&mode("roundrobin"), false);
    let option = store.option(&OptionId::global("mode")).unwrap();
    let address = option.data_ptr();
    store.put_option(&mode("roundrobin"), true);
    assert_eq!(option.data_ptr(), address);
    assert!(option.is_changed());
    store.put_option(&mode("random"), true);
    assert_eq!(option.value(), Some("random".into()));
}
