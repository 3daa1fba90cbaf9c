//! Messages applied to a cache as the session applies them; the changes that the cache reports are
//! compared with its state.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Debug;

use netlink_packet_core::{NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP};

use super::codec::TEAM;
use crate::cache::Cache;
use crate::cache::recheck::Recheck;
use crate::changes::{Change, Changes};
use crate::error::DecodeError;
use crate::model::ifindex::IfIndex;
use crate::model::link::Link;
use crate::model::link_scope::LinkScope;
use crate::model::option::{OptionId, TeamOption};
use crate::model::port::Port;
use crate::netlink::codec::frame::{Frame, frames};
use crate::netlink::codec::link::{self, LinkUpdate, RTM_DELLINK, RTM_NEWLINK};
use crate::netlink::codec::team::{self, TeamMessage};

/// The number that the driver's family has in the captured messages.
const FAMILY: u16 = 30;

/// Messages, one after the other. Those with the sequence number 0 are events, the others parts of
/// an answer, which `NLMSG_DONE` ends, or `NLMSG_ERROR` cuts off. At `NLMSG_NOOP` the
/// changes of the cache are taken.
pub(super) fn cache(messages: &[u8]) {
    for scope in [LinkScope::Team, LinkScope::All] {
        play(messages, scope);
    }
}

fn play(messages: &[u8], scope: LinkScope) {
    let Some(team) = TEAM else { return };
    let cache = Cache::new(team, "team0".into(), scope);
    let mut player =
        Player { cache, replica: Replica::default(), answer: None, recheck: Recheck::default() };
    // An event that cannot be read counts as lost: what is left of its datagram is not applied.
    if frames(messages).try_for_each(|frame| player.play(team, frame?)).is_err() {
        player.answer = None;
    }
    player.take_changes();
    player.lose_all();
}

struct Player {
    cache: Cache,
    replica: Replica,
    answer: Option<Answer>,
    recheck: Recheck,
}

/// An answer that is being read.
enum Answer {
    Links { seen: HashSet<IfIndex>, interrupted: bool },
    Team(TeamMessage),
}

impl Player {
    fn play(&mut self, team: IfIndex, frame: Frame<'_>) -> Result<(), DecodeError> {
        match (frame.kind, frame.sequence) {
            (NLMSG_NOOP, _) => self.take_changes(),
            (NLMSG_DONE, 1..) => self.end_answer(),
            (NLMSG_ERROR, 1..) => self.cut_answer(),
            (RTM_NEWLINK | RTM_DELLINK, 0) => {
                let update = link::decode(frame.kind, frame.payload)?;
                self.cache.apply_link(&update, &mut self.recheck);
            }
            (RTM_NEWLINK, _) => self.link_of_answer(frame)?,
            (FAMILY, sequence) => {
                if let Some(report) = team::decode(frame.payload, team)? {
                    self.team(report, sequence);
                } else {
                    self.own_request(frame.payload, team)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn link_of_answer(&mut self, frame: Frame<'_>) -> Result<(), DecodeError> {
        if let LinkUpdate::New(report) = link::decode(frame.kind, frame.payload)? {
            if !matches!(self.answer, Some(Answer::Links { .. })) {
                self.answer = Some(Answer::Links { seen: HashSet::new(), interrupted: false });
            }
            if let Some(Answer::Links { seen, interrupted }) = &mut self.answer {
                seen.insert(report.ifindex);
                *interrupted |= frame.has(NLM_F_DUMP_INTR);
            }
            self.cache.apply_link_reply(&report);
        }
        Ok(())
    }

    fn team(&mut self, report: TeamMessage, sequence: u32) {
        match (&mut self.answer, sequence) {
            (_, 0) => self.cache.apply_team_event(report, &mut self.recheck),
            (Some(Answer::Team(answer)), _) => answer.extend(report),
            (answer, _) => *answer = Some(Answer::Team(report)),
        }
    }

    /// A request of this handle: the options in it were set by itself.
    fn own_request(&mut self, payload: &[u8], team: IfIndex) -> Result<(), DecodeError> {
        let [1, rest @ ..] = payload else { return Ok(()) };
        if let Some(TeamMessage::Options(options)) = team::decode(&[&[2], rest].concat(), team)? {
            for report in options {
                self.cache.mark_local(&report.option.id);
            }
        }
        Ok(())
    }

    fn end_answer(&mut self) {
        match self.answer.take() {
            Some(Answer::Links { seen, interrupted: false }) => {
                let links = self.cache.links().iter().map(Link::ifindex);
                let missing: Vec<_> = links.filter(|link| !seen.contains(link)).collect();
                for link in missing {
                    self.cache.link_removed(link);
                }
            }
            Some(Answer::Team(report)) => self.cache.apply_team_dump(report, &mut self.recheck),
            Some(Answer::Links { .. }) | None => {}
        }
    }

    /// Takes the options before the one that the driver cannot report.
    fn cut_answer(&mut self) {
        if let Some(Answer::Team(TeamMessage::Options(first))) = self.answer.take() {
            self.cache.apply_team_dump(TeamMessage::TruncatedOptions(first), &mut self.recheck);
        }
    }

    /// Takes the changes; panics unless they lead from the last reported state to the cached one.
    fn take_changes(&mut self) {
        self.cache.end_drain(&mut self.recheck);
        self.recheck = Recheck::default();
        let changes = self.cache.take_changes();
        assert!(
            changes.links().all(|change| change.before() != change.after()),
            "a link changed to what it was"
        );
        self.replica.apply(&changes);
        self.replica.check(&self.cache);
        self.cache.check_invariants();
        assert!(
            !self.cache.has_changes() && self.cache.take_changes().is_empty(),
            "it reports a change twice"
        );
        for text in
            changes.links().map(ToString::to_string).chain(changes.ports().map(ToString::to_string))
        {
            assert!(text.starts_with(['*', '-']), "{text}");
        }
    }

    /// Applies empty lists and removes all links.
    fn lose_all(&mut self) {
        self.cache.apply_team_dump(TeamMessage::Ports(Vec::new()), &mut self.recheck);
        self.cache.apply_team_dump(TeamMessage::Options(Vec::new()), &mut self.recheck);
        let links: Vec<_> = self.cache.links().iter().map(Link::ifindex).collect();
        for link in links {
            self.cache.link_removed(link);
        }
        self.take_changes();
        assert_eq!(self.replica, Replica::default(), "an object was never reported as removed");
    }
}

/// The state according to the reported changes alone.
#[derive(Debug, Default, PartialEq)]
struct Replica {
    links: BTreeMap<IfIndex, Link>,
    ports: BTreeMap<IfIndex, Port>,
    options: BTreeMap<OptionId, TeamOption>,
}

impl Replica {
    fn apply(&mut self, changes: &Changes) {
        replay(&mut self.links, changes.links(), Link::ifindex);
        replay(&mut self.ports, changes.ports(), Port::ifindex);
        replay(&mut self.options, changes.options(), |option| option.id().clone());
    }

    fn check(&self, cache: &Cache) {
        let (links, ports, options) =
            (cache.links().iter(), cache.ports().iter(), cache.options().iter());
        assert!(self.links.values().eq(links), "{self:?} {cache:?}");
        assert_eq!((self.ports.len(), self.options.len()), (ports.len(), options.len()));
        for port in ports {
            assert_eq!(self.ports.get(&port.ifindex()), Some(port));
        }
        for option in options {
            assert_eq!(self.options.get(option.id()), Some(option));
        }
    }
}

/// Applies changes to a map; panics at an object that changes twice, and at a change that does not
/// start from the known state.
fn replay<'a, K, V>(
    known: &mut BTreeMap<K, V>,
    changes: impl Iterator<Item = &'a Change<V>>,
    key: impl Fn(&V) -> K,
) where
    K: Ord + Clone,
    V: Clone + PartialEq + Debug + 'a,
{
    let mut seen = BTreeSet::new();
    for change in changes {
        let key = key(change.latest());
        assert!(seen.insert(key.clone()), "an object changed twice in a batch: {change:?}");
        assert!(change.before().is_some() || change.after().is_some());
        let before = match change.after() {
            Some(after) => known.insert(key, after.clone()),
            None => known.remove(&key),
        };
        assert_eq!(
            before.as_ref(),
            change.before(),
            "the change does not start from the last state"
        );
    }
}
