//! Plays all sequences up to a length, and continues each state only once.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::action::{Action, Call, During, Outline, Start};
use super::case::{Case, Played};
use crate::testing::kernel::SystemCall;
use crate::testing::kernel::event::{Happening, Setting};

/// How many things happen at most during one call, or while the handle is opened.
const MAX_DURING: usize = 2;
const MAX_DURING_OPEN: usize = 1;

/// Whether to omit sequences that lead to a known state, and happenings at points where they make
/// no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pruning {
    On,
    Off,
}

/// A sequence that breaks a property.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    actions: Vec<Action>,
    reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "after these actions:")?;
        for action in &self.actions {
            writeln!(f, "  {action:?}")?;
        }
        write!(f, "{}", self.reason)
    }
}

/// The result of a search.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The states, each with a sequence that leads to it if nothing was omitted.
    pub(super) states: BTreeMap<u128, Option<Vec<Action>>>,
    /// How many sequences were played to the end.
    pub(super) played: usize,
}

/// A state with a shortest sequence that leads to it.
#[derive(Debug)]
struct Node {
    actions: Vec<Action>,
    outline: Outline,
    state: u128,
}

/// The data that the threads of a search share.
struct Search {
    setting: Setting,
    depth: usize,
    pruning: Pruning,
    /// The length of the shortest sequence that led to each state so far.
    lengths: Mutex<HashMap<u128, usize>>,
    examples: Mutex<BTreeMap<u128, Option<Vec<Action>>>>,
    /// The states to continue from, by the length of the sequence so far.
    nodes: Mutex<BTreeMap<usize, Vec<Node>>>,
    failure: Mutex<Option<Failure>>,
    is_over: AtomicBool,
    played: AtomicUsize,
}

/// Plays all sequences of actions that cost at most `depth` together. Without pruning, plays all of
/// them, including those that lead to known states.
pub(super) fn search(setting: Setting, depth: usize, pruning: Pruning) -> Result<Found, Failure> {
    let search = Search {
        setting,
        depth,
        pruning,
        lengths: Mutex::default(),
        examples: Mutex::default(),
        nodes: Mutex::default(),
        failure: Mutex::default(),
        is_over: AtomicBool::new(false),
        played: AtomicUsize::new(0),
    };
    for start in Start::ALL {
        search.try_during(depth.min(MAX_DURING_OPEN), Outline::at(start), true, &mut |during| {
            search.play(&[], Action::Open(start, during))
        });
    }
    for length in 0..depth {
        let nodes = lock(&search.nodes).remove(&length).unwrap_or_default();
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some(node) = nodes.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if search.is_over.load(Ordering::Relaxed) {
                            break;
                        }
                        search.expand(node, length);
                    }
                });
            }
        });
    }
    if let Some(failure) = lock(&search.failure).take() {
        return Err(failure);
    }
    let states = std::mem::take(&mut *lock(&search.examples));
    Ok(Found { states, played: search.played.into_inner() })
}

impl Search {
    /// Plays everything that can happen next.
    fn expand(&self, node: &Node, length: usize) {
        // A shorter sequence to the same state was found in the meantime.
        if self.pruning == Pruning::On
            && lock(&self.lengths).get(&node.state).is_some_and(|known| *known < length)
        {
            return;
        }
        for happening in node.outline.between_calls() {
            self.play(&node.actions, Action::Happens(happening));
        }
        for call in Call::ALL {
            let during = (self.depth - length - 1).min(self.depth / 2).min(MAX_DURING);
            let is_immediate = call != Call::Refresh;
            self.try_during(during, node.outline, is_immediate, &mut |during| {
                self.play(&node.actions, Action::Calls(call, during))
            });
        }
    }

    /// Tries a call without any happening, with a partial read, and with each combination of up to
    /// `during` happenings at each of its system calls. If the first happening could come before
    /// the first system call (`is_immediate`), what happens before that system call is the same as
    /// what happens before the call.
    fn try_during(
        &self,
        during: usize,
        outline: Outline,
        is_immediate: bool,
        play: &mut dyn FnMut(During) -> Option<Played>,
    ) {
        let Some(Played::Done(trace)) = play(vec![]) else { return };
        for (point, system_call) in (0_u8..).zip(&trace) {
            if outline.matters(Happening::ReadStops, *system_call) {
                play(vec![(point, Happening::ReadStops)]);
            }
        }
        self.add_happenings(&mut vec![], &trace, during, outline, is_immediate, play);
    }

    /// Adds one more happening to a call with this trace, at each point from the last one on.
    fn add_happenings(
        &self,
        before: &mut During,
        trace: &[SystemCall],
        more: usize,
        outline: Outline,
        is_immediate: bool,
        play: &mut dyn FnMut(During) -> Option<Played>,
    ) {
        if more == 0 {
            return;
        }
        let last: usize = before.iter().map(|(delay, _)| usize::from(*delay)).sum();
        for happening in outline.during_calls() {
            for (delay, system_call) in (0_u8..).zip(trace.iter().skip(last)) {
                if self.is_over.load(Ordering::Relaxed) {
                    return;
                }
                // What follows may depend on it, so that only the last one can be moved.
                let is_moved = self.pruning == Pruning::On
                    && more == 1
                    && !outline.matters(happening, *system_call);
                let is_before_call = is_immediate && before.is_empty() && delay == 0;
                // That sequence was played already.
                let is_partial_read =
                    before.is_empty() && more == 1 && matches!(happening, Happening::ReadStops);
                if is_moved
                    || is_partial_read
                    || is_before_call && happening.is_possible_between_calls()
                {
                    continue;
                }
                before.push((delay, happening));
                if let Some(Played::Done(trace)) = play(before.clone()) {
                    let outline = outline.after(happening);
                    self.add_happenings(before, &trace, more - 1, outline, is_immediate, play);
                }
                before.pop();
            }
        }
    }

    /// Plays a sequence, and keeps the resulting state if it is new. Returns `None` if the sequence
    /// violated a property.
    fn play(&self, before: &[Action], last: Action) -> Option<Played> {
        let mut actions = before.to_vec();
        actions.push(last);
        match self.play_all(&actions) {
            Ok((Played::TooShort, _)) => Some(Played::TooShort),
            Ok((done, case)) => {
                self.played.fetch_add(1, Ordering::Relaxed);
                match case.map_or(Ok(()), |case| self.keep(&actions, case)) {
                    Ok(()) => Some(done),
                    Err(reason) => self.fail(actions, reason),
                }
            }
            Err(reason) => self.fail(actions, reason),
        }
    }

    fn play_all(&self, actions: &[Action]) -> Result<(Played, Option<Case>), String> {
        let [Action::Open(start, during), rest @ ..] = actions else {
            return Err("a sequence begins with an open".to_owned());
        };
        let (mut played, mut case) = Case::open(self.setting, *start, during)?;
        if let Some(case) = &mut case {
            for action in rest {
                if played == Played::TooShort {
                    return Err(
                        "an action ended in another way when it was played again".to_owned()
                    );
                }
                played = case.play(action)?;
            }
        }
        Ok((played, case))
    }

    fn keep(&self, actions: &[Action], mut case: Case) -> Result<(), String> {
        let length = actions.iter().map(Action::cost).sum();
        let (state, outline) = (case.digest(), case.outline());
        let example = || (self.pruning == Pruning::Off).then(|| actions.to_vec());
        lock(&self.examples).entry(state).or_insert_with(example);
        let known = {
            let mut lengths = lock(&self.lengths);
            let known = lengths.get(&state).copied();
            if known.is_none_or(|known| length < known) {
                lengths.insert(state, length);
            }
            known
        };
        if self.pruning == Pruning::Off || known.is_none_or(|known| length < known) {
            let node = Node { actions: actions.to_vec(), outline, state };
            lock(&self.nodes).entry(length).or_default().push(node);
        }
        if known.is_none() { case.settle() } else { Ok(()) }
    }

    fn fail(&self, actions: Vec<Action>, reason: String) -> Option<Played> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut failure = lock(&self.failure);
        let cost = |actions: &[Action]| actions.iter().map(Action::cost).sum::<usize>();
        if failure.as_ref().is_none_or(|known| cost(&actions) < cost(&known.actions)) {
            *failure = Some(Failure { actions, reason });
        }
        None
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
