//! The example `active_backup` with a configured port that the kernel refuses.

use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::daemon::{Daemon, config, master, veth_pairs, wait_until};
use crate::support::netns::{enter, index, ip, ip_json};
use crate::support::raw::{IFF_UP, Listener};
use crate::support::timeouts::slowness;

/// A link that the kernel refuses as a port of `team0`.
#[derive(Clone, Copy, Debug)]
struct Refused {
    name: &'static str,
    /// The commands that create the link, down, before the daemon starts. `team0` exists and is up.
    setup: &'static [&'static str],
    /// The command after which the kernel accepts the link, if there is one.
    remedy: Option<&'static str>,
}

const REFUSED: [Refused; 16] = [
    Refused { name: "lo", setup: &["link set lo down"], remedy: None },
    Refused {
        name: "vxlan",
        setup: &["link add vxlan type vxlan id 5 dstport 4789 dev base"],
        remedy: None,
    },
    Refused { name: "vrf0", setup: &["link add vrf0 type vrf table 10"], remedy: None },
    Refused {
        name: "vrf1",
        // On a team with a VLAN, the driver refuses it for another reason.
        setup: &["link add link team0 vlan type vlan id 5", "link add vrf1 type vrf table 10"],
        remedy: None,
    },
    Refused {
        // Not gre: its module creates fallback tunnels in each new namespace, which other tests do
        // not expect.
        name: "nlmon9",
        setup: &["link add nlmon9 type nlmon"],
        // The first port determines the type of all ports.
        remedy: Some("link del eth1"),
    },
    Refused {
        name: "macsec",
        setup: &["link add link base macsec type macsec"],
        // Its own MTU is its maximum.
        remedy: Some("link set team0 mtu 1400"),
    },
    Refused { name: "vlan", setup: &["link add link team0 vlan type vlan id 5"], remedy: None },
    Refused { name: "macvlan", setup: &["link add link team0 macvlan type macvlan"], remedy: None },
    Refused { name: "ipvlan", setup: &["link add link base ipvlan type ipvlan"], remedy: None },
    Refused { name: "macvtap", setup: &["link add link base macvtap type macvtap"], remedy: None },
    Refused { name: "ipvtap", setup: &["link add link base ipvtap type ipvtap"], remedy: None },
    Refused {
        name: "hsr",
        setup: &[
            "link add side1 type dummy",
            "link add side2 type dummy",
            "link add hsr type hsr slave1 side1 slave2 side2",
        ],
        remedy: None,
    },
    Refused {
        name: "bridge",
        setup: &["link add bridge type bridge", "link set team0 master bridge"],
        remedy: Some("link set team0 nomaster"),
    },
    Refused {
        name: "over",
        setup: &["link add over type team", "link set team0 down", "link set team0 master over"],
        remedy: Some("link set team0 nomaster"),
    },
    Refused {
        name: "below",
        setup: &[
            "link add below type veth peer name other",
            "link add link below above type macvlan",
        ],
        remedy: Some("link del above"),
    },
    Refused {
        name: "small",
        setup: &["link set base mtu 1400", "link add link base small type vlan id 6"],
        remedy: Some("link set base mtu 1500"),
    },
];

/// A link that cannot be up.
const SHUT: Refused = Refused {
    name: "shut",
    setup: &["link add low type dummy", "link add link low name shut type vlan id 7"],
    remedy: Some("link set low up"),
};

/// The time for which the daemon is observed.
const OBSERVED: Duration = Duration::from_secs(8);
/// The time within which the link becomes a port after the remedy; the next retry would be later.
const ANNOUNCE_DELAY: Duration = Duration::from_secs(4);
/// The maximum time between the messages of one attempt.
const ONE_ATTEMPT: Duration = Duration::from_millis(500);
/// More messages than the driver causes in one attempt: MTU set and restored, link opened and
/// closed, addresses.
const MESSAGES: usize = 20;

/// Runs the daemon on each of the links, concurrently, each in a namespace of its own.
fn with_each(links: &[Refused], is_up: bool) {
    thread::scope(|scope| {
        let runs = links
            .iter()
            .map(|refused| (refused, scope.spawn(move || assert_left_alone(*refused, is_up))));
        let runs: Vec<_> = runs.collect();
        let failed: Vec<_> = runs
            .into_iter()
            .filter_map(|(refused, run)| run.join().err().map(|_| refused))
            .collect();
        assert!(failed.is_empty(), "tests that failed: {failed:#?}");
    });
}

fn assert_left_alone(refused: Refused, is_up: bool) {
    let Refused { name, setup, remedy } = refused;
    enter();
    veth_pairs(1);
    ip("link add team0 type team");
    ip("link set team0 up");
    ip("link add base type veth peer name basepeer");
    ip("link set base up");
    for command in setup {
        ip(command);
    }
    if is_up {
        ip(&format!("link set {name} up"));
    }
    let daemon = Daemon::start(&config(&json!({"eth1": {}, name: {}}), &json!({})));
    daemon.until_active("eth1");
    let refusal = format!("adding port {name} to team0: ");
    wait_until("the kernel refuses the port", || daemon.log().contains(&refusal));
    sleep(Duration::from_millis(1500) * slowness());

    let listener = Listener::new();
    let ticks = daemon.processor_ticks();
    let link = index(name).get();
    let mut attempts: Vec<Instant> = Vec::new();
    let mut messages = Vec::new();
    let start = Instant::now();
    while start.elapsed() < OBSERVED {
        sleep(Duration::from_millis(10));
        let of_link: Vec<u32> =
            listener.flags().into_iter().filter(|(it, _)| *it == link).map(|(_, it)| it).collect();
        let is_another_try = attempts.last().is_none_or(|last| last.elapsed() > ONE_ATTEMPT);
        if !of_link.is_empty() && is_another_try {
            attempts.push(Instant::now());
        }
        messages.extend(of_link);
    }
    let ticks = daemon.processor_ticks() - ticks;
    let log = daemon.log();
    assert!(ticks < 40 * u64::from(slowness()), "{name}: {ticks} ticks in {OBSERVED:?}: {log}");
    if is_up {
        assert!(
            messages.iter().all(|flags| flags & IFF_UP != 0),
            "{name} was set down: {messages:x?}: {log}"
        );
        assert!(messages.is_empty(), "messages about {name}: {messages:x?}: {log}");
    }
    assert!(
        messages.len() <= MESSAGES * attempts.len(),
        "{name}: {} messages in {attempts:?}: {log}",
        messages.len()
    );
    assert!(attempts.len() <= 3, "attempts to add {name}: {attempts:?}: {log}");
    for pair in attempts.windows(2) {
        let apart = pair[1] - pair[0];
        assert!(
            apart >= Duration::from_millis(900),
            "{name}: attempts are only {apart:?} apart: {log}"
        );
    }
    assert_eq!(log.matches(&refusal).count(), 1, "{log}");
    assert_eq!(is_set_up(name), is_up, "{name}: {log}");
    assert_eq!(daemon.status()["ports"][name]["state"], "absent", "{name}");

    if !is_up && remedy.is_none() {
        // A link that was refused while it was down stays up when another program sets it up.
        ip(&format!("link set {name} up"));
        listener.flags();
        sleep(Duration::from_secs(3));
        let messages = listener.flags();
        assert!(
            messages.iter().all(|(it, flags)| *it != link || flags & IFF_UP != 0),
            "{name} was set down: {messages:x?}: {log}"
        );
        assert!(is_set_up(name), "{name} is down: {log}");
    }
    if let Some(remedy) = remedy {
        let changed = Instant::now();
        ip(remedy);
        wait_until(&format!("{name} is a port after {remedy}"), || master(name) == "team0");
        let time = changed.elapsed();
        assert!(time < ANNOUNCE_DELAY * slowness(), "{name}: {time:?} after {remedy}: {log}");
    }
}

fn is_set_up(link: &str) -> bool {
    ip_json(&format!("link show dev {link}"))[0]["flags"].as_array().unwrap().contains(&json!("UP"))
}

#[test]
fn refused_port_that_is_up_is_not_changed() {
    with_each(&REFUSED, true);
}

#[test]
fn refused_port_that_is_down_is_retried_less_often() {
    with_each(&[&REFUSED[..], &[SHUT]].concat(), false);
}
