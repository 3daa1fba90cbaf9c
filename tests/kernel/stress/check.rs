//! Whether what a handle tells can have happened, by the log of what was done.

use std::time::Instant;

use libteam::{Changes, IfIndex, LinkScope, OptionId};

use super::action::Fact;
use super::convergence::View;
use super::log::Log;
use super::world::is_known;

/// The options that a team has in every mode.
const CORE: [&str; 5] = [
    "mode",
    "notify_peers_count",
    "notify_peers_interval",
    "mcast_rejoin_count",
    "mcast_rejoin_interval",
];

/// Panics if something is told to be gone, or to be new, though it certainly was not at any time
/// between two moments: one of which the handle knew everything before, and the one at which it
/// told.
pub(super) fn assert_truthful(
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
                    "a link has left that was a port all the time: {change:?}"
                );
            }
            if change.is_added() && is_known(ifindex) {
                assert!(
                    !log.lacked(fact, since, at),
                    "a link has come that never was a port: {change:?}"
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
                "a link is told to be gone that was there all the time: {change:?}"
            );
        }
        // Where a link that came back found its index taken, it has one that nobody chose.
        if change.is_added() && is_known(ifindex) {
            assert!(
                !log.lacked(fact, since, at),
                "a link is told to be new that was never there: {change:?}"
            );
        }
    }
    for change in changes.ports() {
        let port = change.latest().ifindex();
        let fact = Fact::Port { team, port };
        if change.is_removed() {
            assert!(
                !log.held(fact, since, at),
                "a port is told to be gone that was one all the time: {change:?}"
            );
        }
        if change.is_added() && is_known(port) {
            assert!(
                !log.lacked(fact, since, at),
                "a port is told to be new that never was one: {change:?}"
            );
        }
    }
    for change in changes.options().filter(|change| change.is_removed() || change.is_added()) {
        let id = change.latest().id();
        let fact = ground(team, id);
        if change.is_removed() {
            assert!(
                !log.held(fact, since, at),
                "an option is told to be gone that was there all the time: {change:?}"
            );
        } else if id.port.is_none_or(is_known) {
            let lacked = match fact {
                Fact::Mode { .. } => log.held(fact, since, at),
                _ => log.lacked(fact, since, at),
            };
            assert!(!lacked, "an option is told to be new that cannot be: {change:?}");
        }
    }
}

/// What an option hangs on.
fn ground(team: IfIndex, id: &OptionId) -> Fact {
    match id.port {
        Some(port) => Fact::Port { team, port },
        None if CORE.contains(&&*id.name) => Fact::Link(team),
        None => Fact::Mode { team },
    }
}
