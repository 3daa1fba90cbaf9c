//! The README's picture of `team_monitor --live`, taken of a small scene. `docs/screenshot` renews
//! the picture.

mod svg;

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

use libteam::bpf::{BpfProgram, HashFields};
use libteam::rtnl::{NewLink, RtnlSocket};
use libteam::{IfIndex, LinkSettings, Mode, TeamHandle};

use crate::support::frames::Wire;
use crate::support::netns::{enter, ip, veth};
use crate::support::packets::{Flow, UDP};
use crate::support::programs::example;
use crate::support::terminal::Terminal;

const PORTS: [&str; 4] = ["eth1", "eth2", "eth3", "eth4"];

/// Creates a team in the mode `loadbalance` with four ports, and with the same address in every
/// picture.
fn team() -> TeamHandle {
    for scope in ["all", "default"] {
        fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1").unwrap();
    }
    let mut rtnl = RtnlSocket::new().unwrap();
    let team = NewLink::team("team0").hwaddr("02:1b:00:00:00:01".parse().unwrap());
    let team = rtnl.create_link(&team).unwrap();
    let mut team = TeamHandle::open_index(team).unwrap();
    team.set_mode(Mode::LoadBalance).unwrap();
    let program = BpfProgram::hash(HashFields::IP | HashFields::UDP);
    team.set_bpf_hash_func(&program).unwrap();
    team.set_lb_stats_refresh_interval(Duration::from_millis(200)).unwrap();
    for name in PORTS {
        veth(name, &format!("{name}-peer"));
        let port = team.lookup_ifindex(name).unwrap();
        team.add_port(port).unwrap();
    }
    rtnl.set_link(team.ifindex(), &LinkSettings::new().up()).unwrap();
    team
}

/// Sends packets until `is_over`.
fn send(is_over: &AtomicBool) {
    let wire = Wire::open("team0");
    let frames: Vec<_> = (0..40)
        .map(|number| {
            Flow { ports: [20_000 + number, 53], ..Flow::new(UDP) }.ipv4(&[0; 1200]).frame
        })
        .collect();
    while !is_over.load(Ordering::Relaxed) {
        for frame in &frames {
            wire.send(frame);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn set(port: &str, state: &str) {
    ip(&format!("link set {port}-peer {state}"));
}

/// Makes a visible change of each port.
fn act(team: &mut TeamHandle, port: impl Fn(&str) -> IfIndex) {
    let pause = || thread::sleep(Duration::from_millis(700));
    pause();
    team.set_port_priority(port("eth1"), 7).unwrap();
    pause();
    for state in ["down", "up", "down", "up"] {
        set("eth4", state);
        thread::sleep(Duration::from_millis(300));
    }
    pause();
    team.set_port_enabled(port("eth2"), false).unwrap();
    pause();
    set("eth3", "down");
    pause();
    pause();
}

#[test]
fn screenshot_shows_the_team() {
    enter();
    let mut team = team();
    let ports: Vec<IfIndex> = PORTS.iter().map(|name| team.lookup_ifindex(name).unwrap()).collect();
    let port = |wanted: &str| ports[PORTS.iter().position(|name| *name == wanted).unwrap()];

    let mut program = Command::new(example("team_monitor"));
    program.args(["--live", "team0"]);
    let mut terminal = Terminal::start(&program, 17, 80);
    terminal.wait_for_text("LAST CHANGES");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| send(&is_over));
        act(&mut team, port);
        is_over.store(true, Ordering::Relaxed);
    });
    terminal.wait_for_text("eth3 lost its link");
    terminal.wait_for("the traffic of eth4", |terminal| {
        terminal
            .line_with("● eth4")
            .is_some_and(|line| line.contains("up") && line.ends_with("kB/s"))
    });

    let picture = svg::svg(terminal.screen(), "team_monitor --live team0");
    for text in [
        "●",
        "loadbalance",
        "no carrier",
        "disabled",
        "10 Gb/s",
        "LAST CHANGES",
        "eth3 lost its link",
        "↑↓",
    ] {
        assert!(picture.contains(text), "no {text:?} in\n{picture}");
    }
    if let Some(path) = env::var_os("LIBTEAM_SCREENSHOT") {
        fs::write(&path, picture).unwrap();
    }
}
