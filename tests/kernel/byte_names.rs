//! Names of links that are not UTF-8: the library accepts and returns the kernel's bytes, and the
//! tools print them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libteam::rtnl::{LinkFilter, NewLink, RtnlSocket};
use libteam::{ErrorKind, LinkChange, LinkSettings, Mode, TeamHandle};

use crate::support::netns::enter;
use crate::support::programs::{Tool, example};
use crate::support::timeouts::timeout;

fn name(bytes: &[u8]) -> OsString {
    OsStr::from_bytes(bytes).to_owned()
}

#[test]
fn names_are_accepted_and_returned_as_bytes() {
    enter();
    let mut rtnl = RtnlSocket::new().unwrap();
    let [t, d, peer] = [&b"t\xff"[..], b"d\xfe", b"v\x80"].map(name);
    let team = TeamHandle::create(&t).unwrap();
    assert_eq!((team.name_os(), team.name()), (&*t, "t\u{fffd}"));
    assert_eq!(TeamHandle::create(&t).unwrap_err().kind(), ErrorKind::AlreadyExists);
    // A different name that has the same text.
    assert_eq!(TeamHandle::open("t\u{fffd}").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(TeamHandle::open(name(b"t\xfe")).unwrap_err().kind(), ErrorKind::NotFound);
    let old = team.ifindex();
    let mut team = TeamHandle::recreate(&t).unwrap();
    assert_ne!(team.ifindex(), old);

    let dummy = rtnl.create_link(&NewLink::dummy(&d)).unwrap();
    rtnl.create_link(&NewLink::veth("v0", &peer)).unwrap();
    assert_eq!(team.lookup_ifindex(&d).unwrap(), dummy);
    let record = rtnl.link_by_name(&peer).unwrap();
    assert_eq!((record.name_os(), &*record.name()), (&*peer, "v\u{fffd}"));
    assert_eq!(
        rtnl.links(&LinkFilter::new())
            .unwrap()
            .items()
            .iter()
            .filter(|link| link.name_os() == d)
            .count(),
        1
    );

    team.add_port(dummy).unwrap();
    assert_eq!(team.port(dummy).unwrap().name_os(), Some(&*d));
    assert_eq!(team.link(dummy).unwrap().name_os(), d);
    team.handle_events().unwrap();
    let renamed = name(b"d\xfd");
    rtnl.set_link(dummy, &LinkSettings::new().down().name(&renamed)).unwrap();
    let changes = team.handle_events().unwrap();
    let change = changes.links().find(|change| change.latest().ifindex() == dummy).unwrap();
    assert!(
        change.changed_fields().contains(LinkChange::NAME),
        "both names have the same text: {change:?}"
    );
    assert_eq!(team.port(dummy).unwrap().name_os(), Some(&*renamed));
    // A rename that is rolled back because the next step fails.
    let refused =
        rtnl.set_link(dummy, &LinkSettings::new().name(name(b"d\xfc")).no_master().master(dummy));
    refused.unwrap_err();
    assert_eq!(rtnl.link_by_index(dummy).unwrap().name_os(), renamed);
    for bad in [&b"\xff\xa0"[..], b"\xff/", &[0xff; 16], b""] {
        assert_eq!(
            TeamHandle::create(OsStr::from_bytes(bad)).unwrap_err().kind(),
            ErrorKind::InvalidInput,
            "{bad:?}"
        );
    }
}

#[test]
fn alternative_name_is_accepted_and_returned_as_bytes() {
    enter();
    let (short, long) = (name(b"a\xff"), name(&[0xfe; 40]));
    let team = TeamHandle::create("team0").unwrap();
    for alternative in [&short, &long] {
        let mut ip = Command::new("ip");
        ip.args(["link", "property", "add", "dev", "team0", "altname"]).arg(alternative);
        assert!(ip.status().unwrap().success());
    }
    let record = RtnlSocket::new().unwrap().link_by_name(&long).unwrap();
    assert_eq!(record.alternative_names_os().collect::<Vec<_>>(), [&*short, &*long]);
    for alternative in [&short, &long] {
        let opened = TeamHandle::open(alternative).unwrap();
        assert_eq!((opened.ifindex(), opened.name()), (team.ifindex(), "team0"));
        let names = opened.team_link().unwrap().alternative_names_os().collect::<Vec<_>>();
        assert_eq!(names, [&*short, &*long]);
    }
}

/// Runs a command, and returns its output and its status.
fn output(mut command: Command) -> (Vec<u8>, Option<i32>) {
    let output = command.stderr(Stdio::null()).output().unwrap();
    (output.stdout, output.status.code())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Creates a team `t\xff` with the active port `d\xfe`.
fn team_of_bytes() -> TeamHandle {
    enter();
    let mut team = TeamHandle::create(name(b"t\xff")).unwrap();
    team.set_mode(Mode::ActiveBackup).unwrap();
    let dummy = RtnlSocket::new().unwrap().create_link(&NewLink::dummy(name(b"d\xfe"))).unwrap();
    team.add_port(dummy).unwrap();
    team
}

#[test]
fn teamnl_prints_the_same_bytes_as_c() {
    let _team = team_of_bytes();
    let commands: [&[&[u8]]; 5] = [
        &[b"t\xff", b"ports"],
        &[b"t\xff", b"options"],
        &[b"-p", b"d\xfe", b"t\xff", b"getoption", b"enabled"],
        &[b"--port_name=d\xfe", b"t\xff", b"setoption", b"priority", b"5"],
        &[b"t\xff", b"getoption", b"mode"],
    ];
    for words in commands {
        let run = |tool: Tool| {
            let mut command = tool.command("");
            command.arg0("teamnl").args(words.iter().map(|word| OsStr::from_bytes(word)));
            output(command)
        };
        let (c, ours) = (run(Tool::C), run(Tool::Ours));
        assert_eq!(ours, c, "{words:?}: {}", String::from_utf8_lossy(&ours.0));
        assert_eq!(ours.1, Some(0), "{words:?}");
    }
}

#[test]
fn other_tools_print_the_kernels_bytes() {
    let mut team = team_of_bytes();
    let t = name(b"t\xff");
    let control = |words: &[&[u8]]| {
        let mut command = Command::new(example("team_manual_control"));
        command.arg(&t).args(words.iter().map(|word| OsStr::from_bytes(word)));
        output(command)
    };
    assert_eq!(control(&[b"set", b"activeport", b"d\xfe"]), (vec![], Some(0)));
    assert_eq!(control(&[b"get", b"activeport"]), (b"d\xfe\n".to_vec(), Some(0)));
    let (ports, _) = control(&[b"dumplist", b"ports"]);
    assert!(
        ports.starts_with(b"ifname d\xfe, linkup 1, "),
        "list of ports: {}",
        String::from_utf8_lossy(&ports)
    );

    let programs = [
        ("watch_ports", vec![], &b"d\xfe: up\n"[..]),
        ("teamnl", vec!["monitor"], b": d\xfe: "),
        ("team_monitor", vec![], b"\tifname d\xfe, "),
    ];
    let children = programs.map(|(program, words, part)| {
        let mut command = Command::new(example(program));
        let child = command
            .arg(&t)
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        (program, child, part)
    });
    // The programs do not report when they are ready; watch_ports sets this option at its start.
    let deadline = Instant::now() + timeout();
    while team.notify_peers_count() != Some(2) {
        assert!(Instant::now() < deadline, "watch_ports does not set notify_peers_count");
        sleep(Duration::from_millis(20));
        team.handle_events().unwrap();
    }
    sleep(Duration::from_secs(1));
    let dummy = team.ports().next().unwrap().ifindex();
    team.remove_port(dummy).unwrap();
    sleep(Duration::from_millis(500));
    team.destroy().unwrap();
    for (program, child, part) in children {
        let printed = child.wait_with_output().unwrap().stdout;
        assert!(
            contains(&printed, part),
            "output of {program}: {}",
            String::from_utf8_lossy(&printed)
        );
    }
}
