//! Many VLAN devices on a team are set up at once while ports are added.

use libteam::{Changes, Mode, OptionId, TeamBuilder};

use crate::support::changes::{all_links, record_changes};
use crate::support::diff::handle_until_quiet;
use crate::support::netns::{enter, index, ip_batch, veth};
use crate::support::snapshot::assert_matches_kernel;

const VLANS: std::ops::RangeInclusive<u32> = 1..=51;

/// Sets the VLAN devices up and adds ports while the handle does not read. Returns the changes that
/// it reports then.
fn set_all_up(builder: &TeamBuilder) -> Vec<Changes> {
    enter();
    let mut team = builder.create("team0").unwrap();
    team.set_mode(Mode::ActiveBackup).unwrap();
    veth("port1", "far1");
    veth("port2", "far2");
    let add = |id| format!("link add link team0 name team0.{id} type vlan id {id}");
    ip_batch(&VLANS.map(add).collect::<Vec<_>>());
    handle_until_quiet(&mut team);
    let handler = record_changes(&mut team);

    let mut commands: Vec<String> =
        vec!["link set team0 up".into(), "link set port1 master team0".into()];
    for id in VLANS {
        commands.push(format!("link set team0.{id} up"));
        if id == 25 {
            commands.push("link set port2 master team0".into());
        }
    }
    ip_batch(&commands);
    handle_until_quiet(&mut team);

    assert_matches_kernel(&team);
    assert_eq!(
        team.links().filter(|link| link.kind() == Some("vlan") && link.has_carrier()).count(),
        51
    );
    for port in ["port1", "port2"].map(index) {
        assert!(team.port(port).unwrap().is_link_up());
        assert_eq!(team.port_enabled(port), Some(true));
        assert!(team.option(&OptionId::port("queue_id", port)).is_some());
    }
    let reported: Vec<Changes> = handler.try_iter().collect();
    for changes in &reported {
        assert!(
            !changes.links().any(libteam::Change::is_removed),
            "a link is reported as removed: {changes:#?}"
        );
        assert!(
            !changes.ports().any(libteam::Change::is_removed),
            "a port is reported as removed: {changes:#?}"
        );
        assert!(
            !changes.options().any(libteam::Change::is_removed),
            "an option is reported as removed: {changes:#?}"
        );
    }
    reported
}

#[test]
fn many_vlans_coming_up_fit_the_default_buffer() {
    let reported = set_all_up(&all_links());
    assert!(
        !reported.iter().any(Changes::is_resynced),
        "51 VLAN devices overran the default buffer"
    );
}

#[test]
fn vlans_overrunning_the_smallest_buffer_are_resynced() {
    let reported = set_all_up(&all_links().receive_buffer(1));
    assert!(reported.iter().any(Changes::is_resynced));
}
