//! All actions with their times, and the facts that certainly held between two times.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::action::{Action, Effect, Fact};

/// The log of one round.
pub(super) struct Log(Mutex<Entries>);

struct Entries {
    start: Instant,
    /// The facts that held when the round started.
    facts: HashSet<Fact>,
    list: Vec<Entry>,
    /// For each kind of action in all rounds: the number of successes and of attempts.
    counts: BTreeMap<&'static str, (usize, usize)>,
}

struct Entry {
    who: &'static str,
    action: Action,
    began: Instant,
    /// When the action had ended, and whether it succeeded.
    ended: Option<(Instant, bool)>,
}

impl Entry {
    fn effect_on(&self, fact: Fact) -> Effect {
        let failed = self.ended.is_some_and(|(_, done)| !done);
        if failed && !self.action.may_fail_halfway() {
            Effect::None
        } else {
            self.action.effect_on(fact)
        }
    }

    fn has_done(&self, cause: Effect, fact: Fact, before: Instant) -> bool {
        self.ended.is_some_and(|(ended, done)| done && ended <= before)
            && self.effect_on(fact) == cause
    }

    fn may_do(&self, risk: Effect, fact: Fact, from: Instant, until: Instant) -> bool {
        self.began <= until
            && self.ended.is_none_or(|(ended, _)| ended >= from)
            && [risk, Effect::Unsure].contains(&self.effect_on(fact))
    }
}

/// The position in the log of an action that is in progress.
#[derive(Clone, Copy)]
pub(super) struct Ticket(usize);

impl Log {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Entries {
            start: Instant::now(),
            facts: HashSet::new(),
            list: Vec::new(),
            counts: BTreeMap::new(),
        }))
    }

    /// Starts a round in which these facts hold and no other fact that actions can change.
    pub(super) fn start_round(&self, facts: HashSet<Fact>) {
        let mut entries = self.entries();
        entries.start = Instant::now();
        entries.facts = facts;
        entries.list.clear();
    }

    pub(super) fn begin(&self, who: &'static str, action: Action) -> Ticket {
        let mut entries = self.entries();
        entries.list.push(Entry { who, action, began: Instant::now(), ended: None });
        Ticket(entries.list.len() - 1)
    }

    pub(super) fn end(&self, Ticket(position): Ticket, done: bool) {
        let mut entries = self.entries();
        let entry = &mut entries.list[position];
        entry.ended = Some((Instant::now(), done));
        let kind = entry.action.kind();
        let count = entries.counts.entry(kind).or_default();
        count.0 += usize::from(done);
        count.1 += 1;
    }

    /// Returns whether a fact certainly held during the whole time between two moments.
    pub(super) fn held(&self, fact: Fact, from: Instant, until: Instant) -> bool {
        self.lasted(fact, (Effect::Makes, Effect::Ends), true, from, until)
    }

    /// Returns whether a fact certainly did not hold at any moment between two moments.
    pub(super) fn lacked(&self, fact: Fact, from: Instant, until: Instant) -> bool {
        self.lasted(fact, (Effect::Ends, Effect::Makes), false, from, until)
    }

    /// Returns whether an earlier action caused the state and no action can have ended it since.
    fn lasted(
        &self,
        fact: Fact,
        (cause, risk): (Effect, Effect),
        initially: bool,
        from: Instant,
        until: Instant,
    ) -> bool {
        let entries = self.entries();
        let from = from.max(entries.start);
        let initial = (entries.facts.contains(&fact) == initially).then_some(entries.start);
        let causes = entries
            .list
            .iter()
            .filter(|entry| entry.has_done(cause, fact, from))
            .map(|entry| entry.began);
        let lasts =
            |since| !entries.list.iter().any(|entry| entry.may_do(risk, fact, since, until));
        causes.chain(initial).max().is_some_and(lasts)
    }

    /// Returns the number of successes and of attempts for each kind of action.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, (usize, usize)> {
        self.entries().counts.clone()
    }

    /// Returns the last actions as text.
    pub(super) fn tail(&self) -> String {
        const LINES: usize = 150;
        let entries = self.entries();
        let mut text = String::new();
        for entry in entries.list.iter().skip(entries.list.len().saturating_sub(LINES)) {
            let (Entry { who, action, .. }, since) =
                (entry, |at: Instant| (at - entries.start).as_micros());
            let end = match entry.ended {
                Some((at, true)) => format!("{:>8}    ", since(at)),
                Some((at, false)) => format!("{:>8} not", since(at)),
                None => "   ...      ".to_owned(),
            };
            writeln!(text, "{:>8}-{end} {who:<9} {action:?}", since(entry.began)).unwrap();
        }
        text
    }

    // A thread that panicked while it wrote reports the reason itself.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use libteam::IfIndex;

    use super::*;

    const LINK: IfIndex = super::super::world::TRANSIENT[0];
    const THERE: Fact = Fact::Link(LINK);

    fn moment() -> Instant {
        std::thread::sleep(Duration::from_micros(2));
        Instant::now()
    }

    fn done(log: &Log, action: Action) {
        let ticket = log.begin("test", action);
        moment();
        log.end(ticket, true);
    }

    #[test]
    fn link_certainly_exists_until_its_deletion() {
        let log = Log::new();
        let before = moment();
        done(&log, Action::Add { kind: "dummy", link: LINK });
        let made = moment();
        assert!(log.held(THERE, made, moment()));
        assert!(!log.held(THERE, before, made) && !log.lacked(THERE, before, made));
        assert!(log.lacked(THERE, before, before));
        let ticket = log.begin("test", Action::Delete { link: LINK });
        assert!(!log.held(THERE, made, moment()), "a link that may be deleted counts as present");
        log.end(ticket, false);
        assert!(log.held(THERE, made, moment()), "a link whose deletion failed counts as absent");
        done(&log, Action::Delete { link: LINK });
        let deleted = moment();
        assert!(!log.held(THERE, made, deleted) && log.held(THERE, made, made));
        assert!(log.lacked(THERE, deleted, moment()));
    }

    #[test]
    fn concurrent_action_makes_a_fact_uncertain() {
        let log = Log::new();
        let slow = log.begin("slow", Action::Delete { link: LINK });
        done(&log, Action::Add { kind: "dummy", link: LINK });
        let made = moment();
        log.end(slow, true);
        assert!(!log.held(THERE, made, moment()) && !log.lacked(THERE, made, moment()));
    }

    #[test]
    fn link_with_kernel_index_may_be_any_veth_peer() {
        let log = Log::new();
        let came_back = Fact::Link(IfIndex::new(2).unwrap());
        log.start_round(HashSet::from([came_back]));
        let start = moment();
        done(&log, Action::SetMaster { link: LINK, master: None });
        assert!(log.held(came_back, start, moment()));
        done(&log, Action::Delete { link: LINK });
        assert!(!log.held(came_back, start, moment()));
    }

    #[test]
    fn deleted_veth_end_may_delete_its_peer() {
        let log = Log::new();
        log.start_round(HashSet::from([THERE]));
        let start = moment();
        assert!(log.held(THERE, start, moment()));
        done(&log, Action::Delete { link: super::super::world::veth_peer(LINK) });
        assert!(!log.held(THERE, start, moment()));
    }
}
