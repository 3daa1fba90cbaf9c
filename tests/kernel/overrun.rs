//! Lost events: the resync reports exactly the changes, and the cache equals the kernel's state.

use std::fs;

use libteam::{ChangeKind, Changes, Mode, OptionId, TeamBuilder, TeamHandle};
use rustix::thread::CapabilitySet;

use crate::support::changes::{all_links, record_changes};
use crate::support::diff::{assert_recovered, handle_until_quiet};
use crate::support::features::{has_halves, renaming};
use crate::support::netns::{dummies, enter, index, ip, ip_batch, without};
use crate::support::raw::{Raw, drops};
use crate::support::snapshot::state;

/// The sockets that lose events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lost {
    links: bool,
    team: bool,
}

const LINKS: Lost = Lost { links: true, team: false };
const TEAM: Lost = Lost { links: false, team: true };
const BOTH: Lost = Lost { links: true, team: true };

/// The smallest buffer that the kernel gives: it holds one or two messages.
const SMALLEST: usize = 1;

fn small() -> TeamBuilder {
    all_links().receive_buffer(SMALLEST)
}

/// More messages than the default buffer of 2 MiB holds: 2304 bytes for a link, at least 640 for an
/// option. They overrun the smallest buffer too.
const LINK_FLOOD: u32 = 1200;
const OPTION_FLOOD: u32 = 3600;
const SMALL_FLOOD: u32 = 10;

/// Creates a team with ports and other links, makes `changes` while the handle of `builder` does
/// not read, and checks what the handle reports.
fn lose(builder: &TeamBuilder, lost: Lost, changes: impl FnOnce(&mut TeamHandle)) -> Changes {
    enter();
    ip("link add team0 type team");
    let mut other = all_links().open("team0").unwrap();
    other.set_mode(Mode::RoundRobin).unwrap();
    dummies(&[
        "noise",
        "stays",
        "renamed",
        "deleted",
        "port-stays",
        "port-changed",
        "port-released",
        "port-deleted",
        "port-new",
    ]);
    for port in ["port-stays", "port-changed", "port-released", "port-deleted"] {
        other.add_port(index(port)).unwrap();
    }
    handle_until_quiet(&mut other);
    let mut team = builder.open("team0").unwrap();
    let handler = record_changes(&mut team);
    let before = state(&team);
    assert_eq!(before.ports.len(), 4);

    changes(&mut other);

    handle_until_quiet(&mut other);
    let (links, driver) = drops();
    assert_eq!(
        Lost { links: links > 0, team: driver > 0 },
        lost,
        "{links} and {driver} messages were dropped"
    );
    assert_recovered(&mut team, &handler, &before)
}

/// Adds, changes and removes links that are not ports.
fn change_links() {
    ip_batch(&[
        "link add added type dummy",
        "link set renamed name other-name",
        "link set other-name mtu 1400",
        "link set other-name up",
        "link property add dev other-name altname a-second-name",
        "link del deleted",
    ]);
}

/// Changes options; no port or link changes with them.
fn change_options(other: &mut TeamHandle) {
    let stays = index("port-stays");
    other.set_option(&OptionId::global("notify_peers_count"), 3_u32).unwrap();
    other.set_option(&OptionId::global("mcast_rejoin_interval"), 70_u32).unwrap();
    other.set_port_priority(stays, -7).unwrap();
    other.set_option(&OptionId::port("queue_id", stays), 2_u32).unwrap();
}

/// Changes an option on which others depend; the driver reports only that option. The ports' link
/// states change.
fn change_enabled(other: &mut TeamHandle) {
    other.set_port_enabled(index("port-stays"), false).unwrap();
    let changed = index("port-changed");
    let switch = if has_halves(other, changed) { "tx_enabled" } else { "enabled" };
    other.set_option(&OptionId::port(switch, changed), false).unwrap();
}

/// Adds, changes and removes ports, and thereby their options.
fn change_ports() {
    ip_batch(&["link set port-new master team0", "link set port-changed down"]);
    ip_batch(&renaming("port-stays", "port-renamed"));
    ip_batch(&["link set port-released nomaster", "link del port-deleted"]);
}

fn change_everything(other: &mut TeamHandle) {
    change_links();
    change_options(other);
    change_enabled(other);
    change_ports();
}

/// Causes link messages without a lasting change.
fn flood_links(messages: u32) {
    let (mut raw, noise) = (Raw::new(), index("noise"));
    for round in 0..messages {
        raw.set_mtu(noise, 1400 + round % 2).unwrap();
    }
    raw.set_mtu(noise, 1500).unwrap();
}

/// Causes messages of the driver without a lasting change.
fn flood_options(other: &mut TeamHandle, messages: u32) {
    let interval = OptionId::global("notify_peers_interval");
    for round in 0..messages {
        other.set_option(&interval, round).unwrap();
    }
    other.set_option(&interval, 0_u32).unwrap();
}

#[test]
fn links_changed_during_a_loss_are_reported() {
    let changes = lose(&small(), LINKS, |_| change_links());
    assert_eq!((changes.kinds(), changes.links().len()), (ChangeKind::LINK, 3));
}

#[test]
fn options_changed_during_a_loss_are_reported() {
    let changes = lose(&small(), TEAM, change_options);
    assert_eq!((changes.kinds(), changes.options().len()), (ChangeKind::OPTION, 4));
}

#[test]
fn changes_during_a_loss_on_both_sockets_are_reported() {
    let changes = lose(&small(), BOTH, change_everything);
    assert_eq!(changes.ports().filter(|port| port.is_removed()).count(), 2);
    assert_eq!(changes.ports().filter(|port| port.is_added()).count(), 1);
    assert_eq!(changes.ports().len(), 5, "changed ports, with the renamed and the changed one");
}

#[test]
fn link_message_flood_loses_no_driver_events() {
    lose(&all_links(), LINKS, |other| {
        flood_links(LINK_FLOOD);
        change_everything(other);
    });
}

#[test]
fn driver_message_flood_loses_no_link_events() {
    lose(&all_links(), TEAM, |other| {
        flood_options(other, OPTION_FLOOD);
        change_everything(other);
    });
}

#[test]
fn floods_on_both_sockets_lose_no_changes() {
    lose(&all_links(), BOTH, |other| {
        flood_links(LINK_FLOOD);
        flood_options(other, OPTION_FLOOD);
        change_everything(other);
    });
}

#[test]
fn changes_before_and_after_a_flood_are_reported() {
    // Events queued before the overrun are stale: applied after the resync, they would undo it.
    lose(&small(), BOTH, |other| {
        other.set_port_priority(index("port-stays"), 1).unwrap();
        ip("link set stays mtu 1300");
        flood_links(SMALL_FLOOD);
        flood_options(other, SMALL_FLOOD);
        other.set_port_priority(index("port-stays"), 2).unwrap();
        ip("link set stays mtu 1310");
    });
}

#[test]
fn loss_without_differences_calls_no_handler() {
    for (lost, flood) in [
        (LINKS, (|_: &mut TeamHandle| flood_links(SMALL_FLOOD)) as fn(&mut TeamHandle)),
        (TEAM, |other| flood_options(other, SMALL_FLOOD)),
        (BOTH, |other| {
            flood_links(SMALL_FLOOD);
            flood_options(other, SMALL_FLOOD);
        }),
    ] {
        let changes = lose(&small(), lost, flood);
        assert!(
            changes.kinds().is_empty() && changes.is_resynced(),
            "expected a resync without changes: {changes:?}"
        );
        assert!(!changes.is_empty(), "a batch that reports a loss counts as empty");
    }
}

#[test]
fn port_added_again_during_a_loss_is_not_removed() {
    let changes = lose(&small(), BOTH, |_| {
        ip("link set port-stays nomaster");
        ip("link set port-stays down");
        ip("link set port-stays master team0");
    });
    assert_eq!(changes.ports().len(), 0, "{changes:?}");
    assert_eq!(changes.options().len(), 0, "{changes:?}");
}

#[test]
fn mode_changed_during_a_loss_is_reported() {
    let changes = lose(&small(), BOTH, |other| {
        let ports = ["port-stays", "port-changed", "port-released", "port-deleted"];
        for port in ports {
            other.remove_port(index(port)).unwrap();
        }
        other.set_mode(Mode::ActiveBackup).unwrap();
        other.add_port(index("port-changed")).unwrap();
        other.add_port(index("port-stays")).unwrap();
        other.set_active_port(index("port-stays")).unwrap();
    });
    let added: Vec<_> = changes
        .options()
        .filter(|option| option.is_added())
        .map(|option| option.latest().id())
        .collect();
    assert_eq!(added, [&OptionId::global("activeport")]);
    assert_eq!(changes.ports().filter(|port| port.is_removed()).count(), 2);
}

#[test]
fn handle_with_repeated_losses_reports_each_change() {
    enter();
    let mut team = small().create("team0").unwrap();
    let handler = record_changes(&mut team);
    dummies(&["eth1", "eth2"]);
    for round in 0..6 {
        team.handle_events().unwrap();
        handler.try_iter().for_each(drop);
        let before = state(&team);
        ip_batch(&[
            format!("link set eth1 mtu {}", 1300 + round),
            format!("link set eth2 mtu {}", 1400 + round),
            format!("link add x{round} type dummy"),
            format!("link set x{round} master team0"),
        ]);
        let changes = assert_recovered(&mut team, &handler, &before);
        assert_eq!(
            (changes.links().filter(|link| link.is_added()).count(), changes.ports().len()),
            (1, 1)
        );
    }
}

#[test]
fn original_hwaddr_survives_a_loss() {
    enter();
    let mut team = small().create("team0").unwrap();
    team.set_mode(Mode::RoundRobin).unwrap();
    dummies(&["eth1", "noise"]);
    let port = index("eth1");
    team.handle_events().unwrap();
    let own = team.link(port).unwrap().hwaddr();
    team.add_port(port).unwrap();
    team.handle_events().unwrap();
    flood_links(SMALL_FLOOD);
    assert!(team.handle_events().unwrap().is_resynced());
    let link = team.link(port).unwrap();
    assert_eq!(link.original_hwaddr(), own);
    assert_ne!(link.hwaddr(), own, "hwaddr of a port, which the mode sets to the team's");
}

#[test]
fn overrun_buffer_grows_up_to_its_limit() {
    enter();
    dummies(&["noise"]);
    let builder = small().receive_buffer_limit(500_000);
    let mut team = builder.create("team0").unwrap();
    let (mut raw, noise) = (Raw::new(), index("noise"));
    let mut sizes = vec![team.receive_buffers().unwrap().link];
    for round in 0..20 {
        for number in 0..LINK_FLOOD {
            raw.set_mtu(noise, 1000 + (round * LINK_FLOOD + number) % 500).unwrap();
        }
        assert!(team.handle_events().unwrap().is_resynced());
        sizes.push(team.receive_buffers().unwrap().link);
    }
    assert!(sizes.is_sorted() && sizes[1] > sizes[0], "expected growing buffers: {sizes:?}");
    // The kernel doubles the requested size.
    assert_eq!(sizes.last(), Some(&1_000_000), "{sizes:?}");
    // A socket without an overrun keeps its size, also if that exceeds the limit.
    assert_eq!(team.receive_buffers().unwrap().team, sizes[0]);
    let mut fixed = small().open("team0").unwrap();
    raw.set_mtu(noise, 1400).unwrap();
    (0..SMALL_FLOOD).for_each(|number| raw.set_mtu(noise, 1000 + number).unwrap());
    assert!(fixed.handle_events().unwrap().is_resynced());
    assert_eq!(fixed.receive_buffers().unwrap().link, sizes[0]);
}

#[test]
fn buffer_above_rmem_max_never_shrinks_unprivileged() {
    // In a new namespace older kernels do not have rmem_max.
    let limit: usize =
        fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim().parse().unwrap();
    enter();
    dummies(&["noise"]);
    let mut team = all_links()
        .receive_buffer(limit + 4096)
        .receive_buffer_limit(8 * limit)
        .create("team0")
        .unwrap();
    team.handle_events().unwrap();
    let before = team.receive_buffers().unwrap();
    assert_eq!(before.link, 2 * (limit + 4096));
    flood_links(u32::try_from(before.link / 2304 + 10).unwrap());
    without(CapabilitySet::NET_ADMIN, || {
        assert!(team.handle_events().unwrap().is_resynced());
        assert_eq!(team.receive_buffers().unwrap(), before);
    });
    flood_links(u32::try_from(before.link / 2304 + 10).unwrap());
    assert!(team.handle_events().unwrap().is_resynced());
    assert_eq!(team.receive_buffers().unwrap().link, 2 * before.link);
}

#[test]
fn buffer_below_rmem_max_grows_without_net_admin() {
    enter();
    dummies(&["noise"]);
    let mut team = small().receive_buffer_limit(500_000).create("team0").unwrap();
    team.handle_events().unwrap();
    let before = team.receive_buffers().unwrap();
    flood_links(SMALL_FLOOD);
    without(CapabilitySet::NET_ADMIN, || {
        assert!(team.handle_events().unwrap().is_resynced());
        assert_eq!(team.receive_buffers().unwrap().link, 2 * before.link);
    });
}

#[test]
fn statistics_count_losses_batches_and_events() {
    enter();
    let mut other = all_links().create("team0").unwrap();
    let mut team = small().open("team0").unwrap();
    let opened = team.statistics();
    assert_eq!((opened.overruns, opened.resyncs, opened.batches), (0, 0, 0), "{opened:?}");
    for round in 1..4 {
        flood_options(&mut other, SMALL_FLOOD);
        assert!(team.handle_events().unwrap().is_resynced());
        let now = team.statistics();
        assert_eq!((now.resyncs, now.batches, now.filter_fallbacks), (round, round, 0), "{now:?}");
        assert!(now.overruns >= round, "expected at least {round} overruns: {now:?}");
        // Without events, no counter changes.
        assert!(team.handle_events().unwrap().is_empty());
        assert_eq!(team.statistics(), now);
    }
    let before = team.statistics();
    other.set_notify_peers_count(77).unwrap();
    assert!(!team.handle_events().unwrap().is_resynced());
    let now = team.statistics();
    assert_eq!((now.events - before.events, now.batches - before.batches), (1, 1));
    assert_eq!((now.overruns, now.resyncs), (before.overruns, before.resyncs));
}
