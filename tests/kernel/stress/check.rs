//! Checks that the reported changes are possible according to the log of actions.

use std::time::Instant;

use libteam::{Changes, IfIndex, LinkScope, OptionId};

use super::action::Fact;
use super::convergence::View;
use super::log::Log;
use super::world::is_known;

/// The options that a team has in every mode.
const ALWAYS_PRESENT: [&str; 5] = [
    "mode",
    "notify_peers_count",
    "notify_peers_interval",
    "mcast_rejoin_count",
    "mcast_rejoin_interval",
];

/// Panics if an object is reported as removed or added although the log rules that out for the time
/// between `since`, up to which the cache was current, and `at`, when the change was reported.
pub(super) fn assert_possible(
    (team, scope): View,
    changes: &Changes,
    log: &Log,
    since: Instant,
    at: Instant,
) {
    for change in changes.links() {
        let ifindex = change.latest().ifindex();
        if scope == LinkScope::Team && ifindex != team {
            let fact = Fact::Port { team, port: ifindex };
            if change.is_released() {
                assert!(
                    !log.held(fact, since, at),
                    "a link that stayed a port is reported as released: {change:?}"
                );
            }
            if change.is_added() && is_known(ifindex) {
                assert!(
                    !log.lacked(fact, since, at),
                    "a link that was never a port is reported as added: {change:?}"
                );
            }
        }
        let fact = Fact::Link(ifindex);
        let is_another = change
            .before()
            .zip(change.after())
            .is_some_and(|(one, other)| one.kind() != other.kind());
        if change.is_removed() || is_another {
            assert!(
                !log.held(fact, since, at),
                "a link that existed all the time is reported as removed: {change:?}"
            );
        }
        // The kernel chooses an index for a link that moved back and found its own index taken.
        if change.is_added() && is_known(ifindex) {
            assert!(
                !log.lacked(fact, since, at),
                "a link that never existed is reported as added: {change:?}"
            );
        }
    }
    for change in changes.ports() {
        let port = change.latest().ifindex();
        let fact = Fact::Port { team, port };
        if change.is_removed() {
            assert!(
                !log.held(fact, since, at),
                "a link that stayed a port is reported as a removed port: {change:?}"
            );
        }
        if change.is_added() && is_known(port) {
            assert!(
                !log.lacked(fact, since, at),
                "a link that was never a port is reported as an added port: {change:?}"
            );
        }
    }
    for change in changes.options().filter(|change| change.is_removed() || change.is_added()) {
        let id = change.latest().id();
        let fact = prerequisite(team, id);
        if change.is_removed() {
            assert!(
                !log.held(fact, since, at),
                "an option that existed all the time is reported as removed: {change:?}"
            );
        } else if id.port.is_none_or(is_known) {
            let lacked = match fact {
                Fact::Mode { .. } => log.held(fact, since, at),
                _ => log.lacked(fact, since, at),
            };
            assert!(!lacked, "an option that cannot exist is reported as added: {change:?}");
        }
    }
}

/// Returns the fact that an option depends on.
fn prerequisite(team: IfIndex, id: &OptionId) -> Fact {
    match id.port {
        Some(port) => Fact::Port { team, port },
        None if ALWAYS_PRESENT.contains(&&*id.name) => Fact::Link(team),
        None => Fact::Mode { team },
    }
}
