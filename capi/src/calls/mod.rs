//! Which handler calls a batch makes, and what the store holds at each: a function from the store
//! and the batch to a list of steps.
//!
//! The order is what programs of the C library, teamd above all, depend on:
//!
//! 1. IFINFO, if something of a link changed that the C API shows;
//! 2. PORT for ports that changed, and then for each port that was added, with its options already
//!    in the store;
//! 3. OPTION;
//! 4. PORT for each port that was removed;
//! 5. OPTION for options of the team itself that were removed (a change of the mode, the end of the
//!    team).
//!
//! What was removed and added again within a batch is reported as removed first, in these five
//! steps, and then with everything else as added.

use libteam::OptionId;

use crate::batch::{Batch, Fate, Item, LinkState, OptionState, PortState};
use crate::store::Store;

/// What a handler is called for: a bit of `team_change_type_mask_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Port = 1,
    Option = 2,
    Ifinfo = 4,
}

/// A change of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    PutLink(LinkState),
    ReleaseLink(LinkState),
    RemoveLink(u32),
    /// Ends what the last port message reported.
    BeginPorts,
    PutPort {
        state: PortState,
        is_changed: bool,
    },
    RemovePort(PortState),
    /// Ends what the last option message reported.
    BeginOptions,
    PutOption {
        state: OptionState,
        is_changed: bool,
    },
    RemoveOption(OptionId),
}

/// Changes of the store, and the call of the handlers after them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) edits: Vec<Edit>,
    pub(crate) call: Option<Call>,
}

/// Why there is a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The kernel reported changes.
    Events,
    /// `team_refresh`: handlers are called for all three kinds, changed or not.
    Refresh,
    /// `team_init`: likewise; nothing is marked as changed.
    Init,
}

/// Returns the steps that a batch makes, in order.
pub(crate) fn plan(store: &Store, batch: Batch, occasion: Occasion) -> Vec<Step> {
    let (first, then) = split(batch);
    let mut steps = steps(store, first, Occasion::Events);
    // After the first part the store is another one: what was removed has no values to compare with.
    let removed: Vec<u32> =
        steps.iter().flat_map(|step| &step.edits).filter_map(removed_link).collect();
    let differs = |item: &Item<LinkState>| removed.contains(&item.state.ifindex);
    steps.extend(steps_with(store, then, occasion, differs));
    steps
}

fn removed_link(edit: &Edit) -> Option<u32> {
    match edit {
        Edit::RemoveLink(ifindex) => Some(*ifindex),
        _ => None,
    }
}

/// Splits a batch into the removals of what was added again, and the rest.
fn split(batch: Batch) -> (Batch, Batch) {
    let (first_links, links) = split_items(batch.links);
    let (first_ports, ports) = split_items(batch.ports);
    let (first_options, options) = split_items(batch.options);
    (
        Batch { links: first_links, ports: first_ports, options: first_options },
        Batch { links, ports, options },
    )
}

fn split_items<T: Clone>(items: Vec<Item<T>>) -> (Vec<Item<T>>, Vec<Item<T>>) {
    let removed = items
        .iter()
        .filter(|item| item.fate == Fate::Recreated)
        .map(|item| Item { fate: Fate::Removed, state: item.state.clone() })
        .collect();
    let rest = items
        .into_iter()
        .map(|item| match item.fate {
            Fate::Recreated => Item { fate: Fate::Added, ..item },
            _ => item,
        })
        .collect();
    (removed, rest)
}

fn steps(store: &Store, batch: Batch, occasion: Occasion) -> Vec<Step> {
    steps_with(store, batch, occasion, |_| false)
}

fn steps_with(
    store: &Store,
    batch: Batch,
    occasion: Occasion,
    is_known_to_differ: impl Fn(&Item<LinkState>) -> bool,
) -> Vec<Step> {
    let is_forced = occasion != Occasion::Events;
    let (removed_options, options) = partition(batch.options, |item| item.fate == Fate::Removed);
    let (removed_with_port, removed_of_team) =
        partition(removed_options, |item| item.state.id.port.is_some());
    let (removed_ports, ports) = partition(batch.ports, |item| item.fate == Fate::Removed);
    let (added_ports, changed_ports) = partition(ports, |item| item.fate == Fate::Added);

    let has_option_call = is_forced || !options.is_empty() || !removed_with_port.is_empty();
    let is_link_shown = is_forced
        || batch.links.iter().any(|item| is_known_to_differ(item) || is_shown(store, item));

    // The options come first, without a call: handlers of a port read them.
    let mut edits = Vec::new();
    if has_option_call {
        edits.push(Edit::BeginOptions);
    }
    let is_marked =
        |fate| occasion != Occasion::Init && (fate == Fate::Added || fate == Fate::Changed);
    edits.extend(
        options
            .into_iter()
            .map(|item| Edit::PutOption { is_changed: is_marked(item.fate), state: item.state }),
    );
    edits.extend(batch.links.into_iter().map(link_edit));
    let mut steps = vec![Step { edits, call: is_link_shown.then_some(Call::Ifinfo) }];

    let put = |item: Item<PortState>| Edit::PutPort {
        is_changed: is_marked(item.fate),
        state: item.state,
    };
    let changed = changed_ports.into_iter().map(put);
    if is_forced {
        let edits =
            [Edit::BeginPorts].into_iter().chain(changed).chain(added_ports.into_iter().map(put));
        steps.push(Step { edits: edits.collect(), call: Some(Call::Port) });
    } else {
        if changed.len() > 0 {
            let edits = [Edit::BeginPorts].into_iter().chain(changed).collect();
            steps.push(Step { edits, call: Some(Call::Port) });
        }
        steps.extend(
            added_ports.into_iter().map(|item| Step {
                edits: vec![Edit::BeginPorts, put(item)],
                call: Some(Call::Port),
            }),
        );
    }

    if has_option_call {
        let edits = removed_with_port.into_iter().map(|item| Edit::RemoveOption(item.state.id));
        steps.push(Step { edits: edits.collect(), call: Some(Call::Option) });
    }
    steps.extend(removed_ports.into_iter().map(|item| Step {
        edits: vec![Edit::BeginPorts, Edit::RemovePort(item.state)],
        call: Some(Call::Port),
    }));
    if !removed_of_team.is_empty() {
        let removals = removed_of_team.into_iter().map(|item| Edit::RemoveOption(item.state.id));
        let edits = [Edit::BeginOptions].into_iter().chain(removals).collect();
        steps.push(Step { edits, call: Some(Call::Option) });
    }
    steps.retain(|step| !step.edits.is_empty() || step.call.is_some());
    steps
}

fn partition<T>(items: Vec<T>, is_first: impl Fn(&T) -> bool) -> (Vec<T>, Vec<T>) {
    items.into_iter().partition(is_first)
}

fn link_edit(item: Item<LinkState>) -> Edit {
    match item.fate {
        Fate::Removed => Edit::RemoveLink(item.state.ifindex),
        Fate::Released => Edit::ReleaseLink(item.state),
        Fate::Added | Fate::Changed | Fate::Recreated => Edit::PutLink(item.state),
    }
}

/// Whether the C API shows what changed of a link.
fn is_shown(store: &Store, item: &Item<LinkState>) -> bool {
    let known = store.ifinfo(item.state.ifindex);
    match item.fate {
        Fate::Removed => known.is_some_and(|ifinfo| !ifinfo.is_removed()),
        Fate::Released => known.is_some_and(|ifinfo| ifinfo.differs_from(&item.state)),
        Fate::Added | Fate::Changed | Fate::Recreated => {
            known.is_none_or(|ifinfo| ifinfo.differs_from(&item.state))
        }
    }
}

/// Carries out a change of the store.
pub(crate) fn apply(store: &Store, edit: Edit) {
    match edit {
        Edit::PutLink(state) => store.put_link(&state),
        Edit::ReleaseLink(state) => store.release_link(&state),
        Edit::RemoveLink(ifindex) => store.remove_link(ifindex),
        Edit::BeginPorts => store.begin_ports(),
        Edit::PutPort { state, is_changed } => store.put_port(state, is_changed),
        Edit::RemovePort(state) => store.remove_port(state),
        Edit::BeginOptions => store.begin_options(),
        Edit::PutOption { state, is_changed } => store.put_option(&state, is_changed),
        Edit::RemoveOption(id) => store.remove_option(&id),
    }
}

#[cfg(test)]
mod tests;
