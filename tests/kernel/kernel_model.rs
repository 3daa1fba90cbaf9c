//! The kernel model of the feature `testing` behaves like the kernel.

use std::collections::BTreeMap;

use libteam::netlink::SocketBuilder;
use libteam::rtnl::NewLink;
use libteam::testing::TestKernel;
use libteam::{ChangeKind, Error, IfIndex, LinkSettings, Mode, OptionId, TeamBuilder, TeamHandle};

use crate::support::netns;

/// Returns the options of a team, without values that the kernel chooses and without options that
/// older kernels lack.
fn options(team: &TeamHandle, eth1: IfIndex) -> BTreeMap<String, String> {
    let options = team
        .options()
        .filter(|option| !["rx_enabled", "tx_enabled"].contains(&option.id().name.as_ref()));
    options
        .map(|option| {
            let id = option.id();
            let port = id.port.map(|port| if port == eth1 { "eth1" } else { "another port" });
            let is_statistic = id.name.contains("stats") && id.name != "lb_stats_refresh_interval";
            let value = if is_statistic { "…".to_owned() } else { option.value().to_string() };
            (format!("{} {port:?} {:?}", id.name, id.array_index), value)
        })
        .collect()
}

fn number<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(Error::Kernel { errno, .. }) => format!("errno {errno}"),
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// Returns what a program observes that makes all these calls.
fn observe(teams: &TeamBuilder, sockets: &SocketBuilder) -> Vec<String> {
    let mut seen = Vec::new();
    let mut note =
        |what: &str, value: &dyn std::fmt::Debug| seen.push(format!("{what}: {value:?}"));
    let mut rtnl = sockets.rtnl().unwrap();
    let [eth1, eth2] =
        ["eth1", "eth2"].map(|name| rtnl.create_link(&NewLink::dummy(name)).unwrap());
    rtnl.set_link(eth1, &LinkSettings::new().mtu(1_400)).unwrap();
    let own = rtnl.link_by_index(eth1).unwrap().hwaddr();
    let mut team = teams.create("team0").unwrap();
    let index = team.ifindex();
    note("no mode", &options(&team, eth1));
    note("created again", &number(teams.create("team0")));
    note("unknown mode", &number(team.set_option(&OptionId::global("mode"), "shortest")));
    for mode in ["broadcast", "random", "roundrobin", "activebackup", "loadbalance"] {
        team.set_option(&OptionId::global("mode"), mode).unwrap();
        note(mode, &options(&team, eth1));
        team.add_port(eth1).unwrap();
        team.handle_events().unwrap();
        note("with a port", &options(&team, eth1));
        let link = team.link(eth1).unwrap();
        let is_shared = link.hwaddr() == team.team_link().unwrap().hwaddr();
        note("link", &(link.mtu(), link.is_admin_up(), is_shared, link.has_carrier()));
        note("mode with a port", &number(team.set_mode(Mode::Random)));
        note("MTU of a port", &number(rtnl.set_link(eth1, &LinkSettings::new().mtu(1_300))));
        team.remove_port(eth1).unwrap();
        let link = rtnl.link_by_index(eth1).unwrap();
        let state = (link.mtu(), link.is_admin_up(), link.hwaddr() == own, link.master());
        note("released", &state);
    }
    note("own port", &number(team.add_port(index)));
    note("loopback", &number(team.add_port(IfIndex::new(1).unwrap())));
    rtnl.set_link(eth2, &LinkSettings::new().up()).unwrap();
    note("link that is up", &number(team.add_port(eth2)));
    team.set_mode(Mode::ActiveBackup).unwrap();
    note("no port", &number(team.set_active_port(eth2)));
    note("no option", &number(team.set_option(&OptionId::global("nothing"), 1_u32)));
    note("no link", &number(team.add_port(IfIndex::new(4_711).unwrap())));
    note("MTU", &number(rtnl.set_link(eth2, &LinkSettings::new().mtu(20))));
    note("MTU of the team", &number(rtnl.set_link(index, &LinkSettings::new().mtu(20))));
    note("name", &number(rtnl.set_link(eth2, &LinkSettings::new().name("eth1"))));
    note("deleted loopback", &number(rtnl.delete_link(IfIndex::new(1).unwrap())));
    team.add_port(eth1).unwrap();
    team.set_active_port(eth1).unwrap();
    rtnl.set_link(index, &LinkSettings::new().up()).unwrap();
    team.handle_events().unwrap();
    rtnl.delete_link(eth1).unwrap();
    let changes = team.handle_events().unwrap();
    note("port deleted", &(changes.kinds().contains(ChangeKind::PORT), team.active_port()));
    team.destroy().unwrap();
    note("destroyed", &number(teams.open("team0")));
    seen
}

#[test]
fn model_behaves_like_the_kernel() {
    netns::enter();
    let kernel = TestKernel::new();
    let model = observe(&kernel.team_builder(), &kernel.sockets());
    let real = observe(&TeamBuilder::new(), &SocketBuilder::new());
    for (model, real) in model.iter().zip(&real) {
        assert_eq!(model, real, "observations on the model and on the kernel");
    }
    assert_eq!(model.len(), real.len());
}
