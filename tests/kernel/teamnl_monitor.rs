//! `teamnl monitor` of the example prints what the C library's prints.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;

use libteam::{Mode, TeamHandle};
use nix::sys::signal::Signal;

use crate::support::features::{has_halves, renames_links_that_are_up};
use crate::support::monitor::{Line, Monitor, set_mark};
use crate::support::netns::{enter, index, ip};
use crate::support::programs::Tool;

/// A command, and the lines that the two monitors print for it.
#[derive(Default)]
struct Step {
    /// Arguments of teamnl if it sets an option, else of `ip`.
    what: &'static str,
    /// The last line that both print.
    until: &'static str,
    /// Lines that only ours prints, always.
    ours: &'static [&'static str],
    /// The condition for running the step; by default it always runs.
    only_where: Option<fn(&TeamHandle) -> bool>,
    /// Lines that one may print and the other not.
    maybe: &'static [&'static str],
}

/// Enters a new namespace with `team0` in the mode `activebackup` and its ports `d0` and `v0`, all
/// with known addresses.
fn scene() -> TeamHandle {
    enter();
    ip("link add team0 address 02:00:00:00:00:02 type team");
    let mut team = TeamHandle::open("team0").unwrap();
    team.set_mode(Mode::ActiveBackup).unwrap();
    ip("link add d0 address 02:00:00:00:00:03 type dummy");
    ip("link add v0 address 02:00:00:00:00:05 type veth peer name peer0");
    for port in ["d0", "v0"] {
        let port = team.lookup_ifindex(port).unwrap();
        team.add_port(port).unwrap();
    }
    team.handle_events().unwrap();
    team
}

fn v0_has_halves(team: &TeamHandle) -> bool {
    has_halves(team, index("v0"))
}

/// Runs the steps while both monitors run.
///
/// Lines between two marks are compared as sets: C handles one event at a time, ours all that are
/// queued, so that C may print a section more often. C also repeats the old changes of a link when
/// another link changes.
fn assert_same_output(style: &str, steps: &[Step]) {
    let mut team = scene();
    let mut c = Monitor::start(Tool::C, style, &mut team);
    let mut ours = Monitor::start(Tool::Ours, style, &mut team);
    c.mark(&mut team);
    let mut known = BTreeSet::new();
    for step in steps {
        if step.only_where.is_some_and(|holds| !holds(&team)) {
            continue;
        }
        let what = step.what;
        if what.contains("setoption") {
            assert!(Tool::C.run(what).status.success(), "teamnl {what} failed");
        } else {
            ip(what);
        }
        let printed = [&mut c, &mut ours].map(|monitor| monitor.read_until(step.until));
        let mark = set_mark(&mut team);
        let [mut c, mut ours] =
            [(&mut c, &printed[0]), (&mut ours, &printed[1])].map(|(monitor, printed)| {
                let rest = monitor.read_until(&mark);
                printed
                    .union(&rest)
                    .filter(|(_, line)| !line.contains("notify_peers_interval"))
                    .map(|line| comparable(style, line))
                    .collect::<BTreeSet<_>>()
            });
        let is_maybe = |line: &Line| step.maybe.iter().any(|maybe| line.1.contains(maybe));
        for line in step.ours {
            let found = ours.iter().find(|(_, printed)| printed.contains(line)).cloned();
            let found = found
                .unwrap_or_else(|| panic!("{what}: ours does not print {line:?}, but {ours:#?}"));
            assert!(ours.remove(&found) && !c.contains(&found), "{what}: both print {line:?}");
        }
        c.retain(|line| !is_maybe(line) && (ours.contains(line) || !known.contains(line)));
        ours.retain(|line| !is_maybe(line));
        assert_eq!(ours, c, "{what}: our lines (left) and those of C");
        known.extend(c.into_iter().filter(|(section, _)| section == "ifinfos"));
    }
}

/// Removes C's stale marks from a line: it marks a link as changed until the link's next event.
fn comparable(style: &str, (section, line): &Line) -> Line {
    let line = if style == "all" && section == "ifinfos" {
        line.replacen('*', " ", 1).replace('*', "")
    } else {
        line.clone()
    };
    (section.clone(), line)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn monitor_prints_changes_as_c_does() {
    // The link of a port that is added or released is printed while the port is one, which depends
    // on the socket that is read first.
    let new_port = &["n0: 02:00:00:00:00:07: ", "n0: *02:00:00:00:00:07: "];
    assert_same_output(
        "",
        &[
            Step {
                what: "link set team0 up",
                until: "*2: team0: 02:00:00:00:00:02: 0 ",
                ..Step::default()
            },
            Step { what: "link set peer0 up", until: "v0: up 10000Mbit FD", ..Step::default() },
            Step {
                what: "team0 setoption notify_peers_count 3",
                until: "notify_peers_count 3 changed",
                ..Step::default()
            },
            Step {
                what: "-p v0 team0 -- setoption priority -7",
                until: "priority (port:v0) -7 changed",
                ..Step::default()
            },
            Step {
                // Set again to the same value.
                what: "-p v0 team0 -- setoption priority -7",
                until: "priority (port:v0) -7 changed",
                ..Step::default()
            },
            Step {
                what: "-p v0 team0 setoption enabled false",
                until: "*enabled (port:v0) false changed",
                only_where: Some(|team| !v0_has_halves(team)),
                ..Step::default()
            },
            Step {
                what: "-p v0 team0 setoption enabled false",
                until: "*enabled (port:v0) false changed",
                only_where: Some(v0_has_halves),
                // The driver does not announce the two halves of `enabled`; C keeps showing the old
                // values.
                ours: &[
                    "*rx_enabled (port:v0) false changed",
                    "*tx_enabled (port:v0) false changed",
                ],
                ..Step::default()
            },
            Step {
                what: "-p v0 team0 setoption rx_enabled true",
                until: "*rx_enabled (port:v0) true changed",
                only_where: Some(v0_has_halves),
                ..Step::default()
            },
            Step {
                what: "link set peer0 down",
                until: "*5: v0: down 0Mbit HD ",
                ..Step::default()
            },
            Step {
                what: "link set v0 down",
                until: "*5: v0: 02:00:00:00:00:05: 2 ",
                only_where: Some(|_| !renames_links_that_are_up()),
                ..Step::default()
            },
            Step {
                what: "link set v0 name w0",
                until: "*5: *w0: 02:00:00:00:00:05: 2 ",
                // Ours reports the port's new name too.
                ours: &["*5: w0: down"],
                ..Step::default()
            },
            Step {
                what: "link set w0 address 02:00:00:00:00:15",
                until: "w0: *02:00:00:00:00:15: 2 ",
                ..Step::default()
            },
            Step { what: "link set d0 down", until: "*3: d0: down 0Mbit HD ", ..Step::default() },
            Step {
                what: "link set d0 nomaster",
                until: "-3: d0: down 0Mbit HD ",
                // The link is released and set down: ours may print one change or two, C reads the
                // final state.
                maybe: &["*3: d0: 02:00:00:00:00:03: 0 "],
                ..Step::default()
            },
            Step { what: "link del w0", until: "-5: w0: down 0Mbit HD ", ..Step::default() },
            Step {
                what: "link add n0 index 7 address 02:00:00:00:00:07 master team0 type dummy",
                until: "*enabled (port:n0) true changed",
                maybe: new_port,
                ..Step::default()
            },
            Step {
                what: "link set n0 nomaster",
                until: "-7: n0: down 0Mbit HD ",
                maybe: new_port,
                ..Step::default()
            },
            Step {
                what: "team0 setoption mode loadbalance",
                until: "*mode loadbalance changed",
                ..Step::default()
            },
            Step {
                what: r"team0 setoption bpf_hash_func \06\00\00\00\01\00\00\00\06\00\00\00\01\00\00\00\06\00\00\00\01\00\00\00\06\00\00\00\01\00\00\00\06\00\00\00\01\00\00\00",
                until: r"\06\00\0... changed",
                ..Step::default()
            },
        ],
    );
}

#[test]
fn monitor_all_prints_the_same_as_c() {
    assert_same_output(
        "all",
        &[
            Step {
                what: "link set team0 up",
                until: "*2: team0: 02:00:00:00:00:02: 0 ",
                ..Step::default()
            },
            Step { what: "link set peer0 up", until: "v0: up 10000Mbit FD", ..Step::default() },
            Step {
                what: "-p v0 team0 -- setoption priority -7",
                until: "priority (port:v0) -7 changed",
                ..Step::default()
            },
            Step {
                what: "link set d0 down",
                until: "*3: d0: down 0Mbit HD ",
                maybe: &["team0:"],
                ..Step::default()
            },
        ],
    );
}

#[test]
fn monitor_styles_may_be_abbreviated() {
    let mut team = scene();
    for (style, shows_all) in
        [("''", true), ("a", true), ("al", true), ("all", true), ("c", false), ("changed", false)]
    {
        for tool in [Tool::C, Tool::Ours] {
            let mut monitor = Monitor::start(tool, style, &mut team);
            let printed = monitor.mark(&mut team);
            assert_eq!(
                printed.iter().any(|(_, line)| line.contains("   mode activebackup")),
                shows_all,
                "{tool:?} {style}"
            );
        }
    }
}

#[test]
fn monitor_ends_at_signals_as_c_does() {
    let mut team = scene();
    let ends = [
        (Signal::SIGINT, Some(0), None),
        (Signal::SIGQUIT, Some(0), None),
        (Signal::SIGTERM, None, Some(15)),
    ];
    for (signal, code, by) in ends {
        for tool in [Tool::C, Tool::Ours] {
            let monitor = Monitor::start(tool, "", &mut team);
            monitor.signal(signal);
            let status = monitor.wait();
            assert_eq!((status.code(), status.signal()), (code, by), "{tool:?} {signal}");
        }
    }
}

#[test]
fn monitor_ends_when_the_team_is_deleted() {
    let mut team = scene();
    let mut c = Monitor::start(Tool::C, "", &mut team);
    let mut ours = Monitor::start(Tool::Ours, "", &mut team);
    ip("link del team0");
    let gone = ("ifinfos".to_owned(), "  *2: team0: 02:00:00:00:00:02: 0 ".to_owned());
    for monitor in [&mut c, &mut ours] {
        assert!(monitor.read_until("*2: team0").contains(&gone));
    }
    assert_eq!(ours.wait().code(), Some(1));
    // C waits for ever: a new device of the same name has another index.
    c.signal(Signal::SIGINT);
    assert_eq!(c.wait().code(), Some(0));
}
