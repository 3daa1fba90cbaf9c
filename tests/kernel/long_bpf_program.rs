//! A BPF program that is too long for the driver's messages: it hashes packets, but hides the
//! options that are listed after it.

use libteam::bpf::{BpfProgram, HashFields};
use libteam::{Changes, LinkScope, Mode, OptionId, OptionValue, Port, TeamHandle};
use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};

use crate::support::genl_family::Driver;
use crate::support::netns::{dummies, enter, index, ip};
use crate::support::raw::attribute;
use crate::support::snapshot::{assert_links_match_ip, assert_matches_kernel};

const NLM_F_REQUEST_ACK: u16 = 5;
const TEAM_CMD_OPTIONS_SET: u8 = 1;

/// Sets a program of this many instructions, as another process would, and returns the driver's
/// reply.
fn set_program(team: &TeamHandle, count: usize) -> i32 {
    let mut program = [0, 0, 0, 0, 7, 0, 0, 0].repeat(count - 1);
    program.extend([0x16, 0, 0, 0, 0, 0, 0, 0]);
    let mut socket = Socket::new(NETLINK_GENERIC).unwrap();
    socket.bind_auto().unwrap();
    socket.set_cap_ack(true).unwrap();
    let family = Driver::query(&socket).family;
    let (name, kind) = (attribute(1, b"bpf_hash_func\0"), attribute(3, &[11]));
    let item = attribute(1, &[name, kind, attribute(4, &program)].concat());
    let body = [
        vec![TEAM_CMD_OPTIONS_SET, 1, 0, 0],
        attribute(1, &team.ifindex().get().to_ne_bytes()),
        attribute(2, &item),
    ]
    .concat();
    let mut request = u32::try_from(16 + body.len()).unwrap().to_ne_bytes().to_vec();
    request.extend([family, NLM_F_REQUEST_ACK].map(u16::to_ne_bytes).concat());
    request.extend([0; 8]);
    request.extend(body);
    socket.send_to(&request, &SocketAddr::new(0, 0), 0).unwrap();
    let (answer, _) = socket.recv_from_full().unwrap();
    i32::from_ne_bytes(answer[16..20].try_into().unwrap())
}

const EMSGSIZE: i32 = 90;

fn program() -> OptionId {
    OptionId::global("bpf_hash_func")
}

fn count() -> OptionId {
    OptionId::global("notify_peers_count")
}

fn priority(port: &str) -> OptionId {
    OptionId::port("priority", index(port))
}

fn value(team: &TeamHandle, id: &OptionId) -> Option<OptionValue> {
    team.option(id).map(|option| option.value().clone())
}

fn port_names(team: &TeamHandle) -> Vec<&str> {
    team.ports().filter_map(Port::name).collect()
}

/// Creates a team in the mode `loadbalance` with the port `d1`; `d2` is free.
fn balanced() -> TeamHandle {
    enter();
    dummies(&["d1", "d2"]);
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::LoadBalance).unwrap();
    team.add_port(index("d1")).unwrap();
    team.set_option(&priority("d1"), 5).unwrap();
    team.handle_events().unwrap();
    team
}

#[test]
fn handle_works_with_and_clears_a_long_program() {
    let mut team = balanced();
    let mut other = TeamHandle::open("team0").unwrap();
    assert_eq!(set_program(&team, 600), -EMSGSIZE, "reply of the driver, which sets the program");
    assert_eq!(team.handle_events().unwrap(), Changes::default());
    let changes = team.refresh().unwrap();
    assert!(changes.is_inconsistent() && changes.options().len() == 0);
    assert_eq!(value(&team, &priority("d1")), Some(5.into()), "priority of d1, known before");

    team.set_option(&count(), 3_u32).unwrap();
    team.add_port(index("d2")).unwrap();
    team.set_option(&priority("d2"), 7).unwrap();
    team.remove_port(index("d1")).unwrap();
    for handle in [&mut team, &mut other] {
        handle.handle_events().unwrap();
        handle.refresh().unwrap();
        assert_eq!(port_names(handle), ["d2"]);
        assert_links_match_ip(handle);
        assert_eq!(value(handle, &count()), Some(3_u32.into()));
        assert_eq!(value(handle, &priority("d2")), Some(7.into()));
        assert!(
            handle.options().all(|option| option.id().port != Some(index("d1"))),
            "options of the released port"
        );
    }

    other.clear_bpf_hash_func().unwrap();
    for handle in [&mut team, &mut other] {
        assert!(!handle.handle_events().unwrap().is_inconsistent());
        assert_matches_kernel(handle);
        assert!(!handle.refresh().unwrap().is_inconsistent());
    }
}

#[test]
fn team_with_a_long_program_can_be_opened() {
    let team = balanced();
    set_program(&team, 4096);
    for scope in [LinkScope::Team, LinkScope::All] {
        let mut opened = TeamHandle::builder().link_scope(scope).open("team0").unwrap();
        assert_eq!((opened.mode(), port_names(&opened)), (Some(Mode::LoadBalance), vec!["d1"]));
        assert_links_match_ip(&opened);
        assert_eq!(opened.options().len(), 5, "options before the program: those of every mode");
        assert!(opened.handle_events().unwrap().is_inconsistent());
        assert!(
            !opened.handle_events().unwrap().is_inconsistent(),
            "changes of the cleared program"
        );
    }
    let mut opened = TeamHandle::open("team0").unwrap();
    opened.set_bpf_hash_func(&BpfProgram::hash(HashFields::ETH)).unwrap();
    assert!(opened.bpf_hash_func().unwrap().is_some());
    assert_matches_kernel(&opened);
    assert_eq!(value(&opened, &priority("d1")), Some(5.into()));
}

#[test]
fn new_port_is_found_despite_a_long_program() {
    let mut team = balanced();
    set_program(&team, 464);
    ip("link set d2 master team0");
    let changes = team.handle_events().unwrap();
    assert!(changes.is_inconsistent() && !changes.is_resynced());
    assert_eq!(port_names(&team), ["d1", "d2"]);
    team.clear_bpf_hash_func().unwrap();
    assert!(team.option(&priority("d2")).is_some());
    assert_matches_kernel(&team);
}

#[test]
fn mapping_of_removed_port_is_read_after_clearing() {
    let mut team = balanced();
    let port = team.lookup_ifindex("d1").unwrap();
    team.set_lb_tx_hash_to_port_mapping([(7, port)]).unwrap();
    set_program(&team, 600);
    ip("link set d1 nomaster");
    assert!(
        team.handle_events().unwrap().is_inconsistent(),
        "changes of a mapping that the driver could not report as cleared"
    );
    assert_eq!(set_program(&team, 2), 0);
    assert!(!team.handle_events().unwrap().is_inconsistent());
    assert_eq!(team.lb_tx_hash_to_port_mapping(), Some([None; 256]));
    assert_matches_kernel(&team);
}

#[test]
fn other_mode_clears_a_long_program() {
    // The shortest of these: the driver can report it, but not its removal.
    for (length, is_known) in [(463, false), (600, false), (600, true)] {
        let mut team = balanced();
        team.remove_port(index("d1")).unwrap();
        set_program(&team, length);
        if is_known {
            team.refresh().unwrap();
        }
        team.set_mode(Mode::Random).unwrap();
        assert!(team.option(&program()).is_none());
        assert_matches_kernel(&team);
    }
}
