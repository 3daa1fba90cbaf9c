//! Property tests: whatever is lost, repeated, truncated, forged or late, a session reaches the
//! kernel's state, and reports no state that never existed.
//!
//! Random sequences of changes, calls and faults are applied to a session on the model of the
//! kernel. proptest reduces a failing case to the shortest list of actions that fails. Such a case
//! is kept as an ordinary test in [`found`], not as a seed: after a change of the strategies, the
//! same seed generates another case. `PROPTEST_CASES` sets the number of cases.

mod action;
mod found;
mod watch;

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use proptest::prelude::*;

use self::action::{Action, Call};
use self::watch::{Verdict, Watch, same};
use crate::cache::Cache;
use crate::changes::Changes;
use crate::error::{Error, Result};
use crate::model::hwaddr::HwAddr;
use crate::model::ifindex::IfIndex;
use crate::model::link_scope::LinkScope;
use crate::model::option::{OptionId, names};
use crate::model::option_value::OptionValue;
use crate::netlink::dump::InterruptedDump;
use crate::netlink::error::ErrorContext;
use crate::netlink::filter;
use crate::netlink::multicast::{Filter, MulticastSocket};
use crate::netlink::request::{DumpPolicy, RequestSocket};
use crate::rtnl::{RtnlSocket, Step};
use crate::team::driver::{TeamDriver, set_request};
use crate::team::event_filter::EventFilter;
use crate::team::session::Session;
use crate::testing::kernel::end::End;
use crate::testing::kernel::event::{Change, Fault, Happening, Line, Setting, TEAM, ifindex};
use crate::testing::kernel::options::setting;
use crate::testing::kernel::state::{Key, State, Value};
use crate::testing::kernel::{Kernel, Shared, TIMEOUT};

/// The size to which an event socket grows, in bytes.
const BUFFER_LIMIT: usize = 30 * 2048;

/// A session and its kernel.
struct Case {
    kernel: Shared,
    session: Session,
    watch: Watch,
    /// The settings that commands reported as applied.
    set: Vec<(Key, Value)>,
    /// Whether the session reported that its state may be incomplete, since the driver began to
    /// refuse its lists.
    is_refusal_reported: bool,
    is_strict: bool,
}

fn index(number: u32) -> IfIndex {
    IfIndex::new(number).expect("not 0")
}

fn start(kernel: &Shared) -> Result<Session> {
    let attempts = NonZeroU32::new(kernel.lock().setting.attempts).expect("not 0");
    let end = |line| End::of(kernel, line);
    let dumps = DumpPolicy { attempts, interrupted: InterruptedDump::Keep };
    let connect = |line| RequestSocket::new(end(line), TIMEOUT, dumps);
    let listen = |line| MulticastSocket::new(end(line)).with_max_recv_buffer(BUFFER_LIMIT);
    let mut genl = TeamDriver::resolve(connect(Line::TeamDriver))?;
    let scope = kernel.lock().setting.scope;
    let cache = Cache::new(index(TEAM), "team0".into(), scope);
    let filtered = |line, program| listen(line).filtered_by(Filter::of(&mut end(line), program));
    let team = filtered(Line::TeamEvents, Some(filter::team_events(index(TEAM), genl.family_id())));
    let named = (scope == LinkScope::Team)
        .then(|| genl.port_indices(index(TEAM)).chain([index(TEAM)]).collect::<BTreeSet<_>>());
    let links = filtered(
        Line::LinkEvents,
        named.as_ref().and_then(|named| filter::link_events(index(TEAM), named)),
    );
    let follow = named.map(|named| EventFilter::new(index(TEAM), named));
    Session::open(RtnlSocket::from_socket(connect(Line::Rtnl)), genl, links, team, cache, follow)
}

impl Case {
    /// Starts a session, without faults.
    fn new(setting: Setting, is_strict: bool) -> Self {
        let kernel = Shared::new(setting);
        let session = start(&kernel).expect("there was no fault yet");
        let watch = Watch::new(State::of(session.cache()), is_strict, setting.scope);
        Self { kernel, session, watch, set: vec![], is_refusal_reported: false, is_strict }
    }

    fn play(&mut self, action: Action) -> Verdict {
        match action {
            Action::Happens(happening) => self.kernel.lock().happen(happening),
            Action::HasNetAdmin(has) => self.kernel.lock().service.has_net_admin = has,
            Action::Calls(call, during) => {
                self.kernel.lock().begin(during);
                let result = self.call(call)?;
                let verdict = self.check_results(call, &result);
                self.kernel.lock().end();
                verdict?;
            }
        }
        Ok(())
    }

    /// Calls the session like a handle does.
    fn call(&mut self, call: Call) -> Result<Result<()>, TestCaseError> {
        let session = &mut self.session;
        let was_cut_unreported = self.kernel.lock().service.is_cut_unreported;
        let result = match call {
            Call::HandleEvents => session.update(),
            Call::Refresh => session.refresh(true),
            Call::Update => return Ok(session.update()),
            _ => return Ok(self.command(call)),
        };
        if result.is_ok() {
            let changes = self.session.take_changes();
            let service = &mut self.kernel.lock().service;
            self.watch.check(&changes, &service.namespace)?;
            if changes.is_inconsistent() {
                service.mark_reported();
                self.is_refusal_reported = true;
            }
        }
        if result.is_err() && matches!(call, Call::Refresh) {
            // A refresh is not repeated, and the session may not have received the list that it
            // requested.
            self.kernel.lock().service.is_cut_unreported &= was_cut_unreported;
        }
        self.is_refusal_reported &= self.session.is_refused();
        Ok(result)
    }

    fn command(&mut self, call: Call) -> Result<()> {
        let session = &mut self.session;
        session.update()?;
        session.ensure_exists()?;
        let doing = || format!("carrying out {call:?}");
        let result = match call {
            Call::AddPort(slot) => session
                .rtnl
                .step(index(ifindex(slot)), &Step::Enslave(index(TEAM)))
                .with_context(doing),
            Call::RemovePort(slot) => {
                session.rtnl.step(index(ifindex(slot)), &Step::Release).with_context(doing)
            }
            Call::SetHwaddr(slot, value) => {
                let hwaddr = HwAddr::new(&[2, 0, 0, 0, 0, value]).expect("short");
                session.rtnl.step(index(ifindex(slot)), &Step::HwAddr(hwaddr)).with_context(doing)
            }
            Call::SetOption(slot, which, values) => {
                let options = values.map(|value| self::setting(slot, which, value));
                let requests = options
                    .iter()
                    .map(|(id, value)| set_request(index(TEAM), session.name(), id, value))
                    .collect::<Result<_>>()?;
                let mut set = vec![];
                let exchange = session.genl.set_options(requests, |position, answer| {
                    if answer.is_ok() {
                        set.push(options[position].clone());
                    }
                });
                for (id, value) in set {
                    session.mark_local(&id);
                    self.set.push((Key::Option(id), Value::Option(value)));
                }
                exchange.with_context(doing)
            }
            Call::LookUp(slot) => session.rtnl.link_by_index(index(ifindex(slot))).map(drop),
            Call::HandleEvents | Call::Update | Call::Refresh => Ok(()),
        };
        // The next call returns the error if the cache cannot be updated.
        let _ = session.update();
        result
    }

    /// Checks that the settings that a command reported as applied were applied, that a call failed
    /// only because of a fault and named its operation, and that the cache equals the kernel's
    /// state if the sockets are empty and no work is left.
    fn check_results(&mut self, call: Call, result: &Result<()>) -> Verdict {
        let is_pending = self.session.is_pending();
        let kernel = self.kernel.lock();
        let tally = kernel.call;
        // Each request may wait three times: before it is sent, for its reply, and for the rest of
        // a failed reply. The rest of the queue may be read after each wait.
        let limit = (TIMEOUT + TIMEOUT / 1000 * 590) * (3 * tally.sends);
        prop_assert!(
            kernel.elapsed() <= limit,
            "{:?} of model time for {} requests",
            kernel.elapsed(),
            tally.sends
        );
        prop_assert!(
            tally.vain_waits == 0 || tally.faults > 0,
            "waited for a reply that does not come"
        );
        for (key, value) in &self.set {
            let was = kernel.service.namespace.history.has(key, value);
            prop_assert!(was || !self.is_strict, "{:?} was not set to {:?}", key, value);
        }
        if let Err(error) = result {
            let is_natural = match error {
                Error::DeviceGone { .. } => kernel.service.namespace.is_gone,
                Error::NoSuchDevice { .. } | Error::Kernel { .. } => {
                    !matches!(call, Call::HandleEvents | Call::Update | Call::Refresh)
                }
                _ => false,
            };
            prop_assert!(
                is_natural || tally.faults > 0 || !self.is_strict,
                "an error without a fault: {error}"
            );
            prop_assert!(names_operation(error), "the error does not name the operation: {error}");
        } else if self.is_strict && kernel.is_quiet() && !is_pending {
            prop_assert!(
                kernel.service.is_all_reported(),
                "the list of options was cut, and the session did not report it"
            );
            let is_refused = self.session.is_refused();
            prop_assert!(
                !is_refused || self.is_refusal_reported,
                "the driver refused its lists, and the session did not report it"
            );
            prop_assert!(
                !is_refused || !kernel.service.has_net_admin,
                "the session did not request the lists that the driver would give"
            );
            self.check_cache(&kernel)?;
        }
        Ok(())
    }

    fn check_cache(&self, kernel: &Kernel) -> Verdict {
        let mut cache = State::of(self.session.cache());
        let mut expected = kernel.service.namespace.state_of(kernel.setting.scope);
        if self.session.is_refused() {
            for state in [&mut cache, &mut expected] {
                state.things.retain(|key, _| matches!(key, Key::Link(_)));
                state.order.clear();
            }
        } else if kernel.service.namespace.is_list_cut() {
            let has_port = |id: &OptionId| {
                id.port.is_none_or(|port| expected.things.contains_key(&Key::Port(port.get())))
            };
            let mut options = self.session.cache().options().iter();
            prop_assert!(
                options.all(|option| has_port(option.id())),
                "an option of a port that is gone"
            );
            (cache, expected) = (cache.without_hidden(), expected.without_hidden());
        }
        expected.things.retain(|key, value| {
            cache.things.contains_key(key) || !kernel.service.may_be_missing(key, value)
        });
        same("the kernel and the cache", &expected.things, &cache.things)?;
        prop_assert_eq!(expected.order, cache.order);
        for link in self.session.cache().links().iter() {
            prop_assert!(link.master().is_some() || link.original_hwaddr() == link.hwaddr());
        }
        for port in self.session.cache().ports().iter() {
            let link = self.session.cache().links().get(port.ifindex());
            let is_known = link.is_some() || !self.session.is_refused();
            prop_assert!(!is_known || port.name() == link.map(crate::model::link::Link::name));
        }
        prop_assert_eq!(self.session.ensure_exists().is_err(), kernel.service.namespace.is_gone);
        Ok(())
    }

    /// Ends all faults. Then one call must be sufficient.
    fn end(mut self, call: Call) -> Verdict {
        self.kernel.lock().calm();
        self.kernel.lock().begin(vec![]);
        let mut result = self.call(call)?;
        self.check_results(call, &result)?;
        if matches!(result, Err(Error::DeviceGone { .. })) {
            result = self.call(Call::HandleEvents)?;
        }
        prop_assert!(result.is_ok(), "the call failed: {:?}", result);
        prop_assert!(!self.session.is_pending());
        prop_assert!(self.kernel.lock().is_quiet());
        // Only another dump finds a link that a dump skipped without a mark.
        let has_skipped = !self.kernel.lock().service.skipped.excused.is_empty();
        if has_skipped && self.session.ensure_exists().is_ok() {
            self.kernel.lock().begin(vec![]);
            let result = self.call(Call::Refresh)?;
            self.check_results(Call::Refresh, &result)?;
        }
        prop_assert!(!self.session.is_refused());
        self.watch.check_sum(&State::of(self.session.cache()))?;
        // A flipped byte can turn a message into the deletion of the team, which is final.
        if !self.is_strict && self.session.ensure_exists().is_err() {
            return Ok(());
        }
        if self.kernel.lock().service.namespace.is_list_cut() {
            self.check_cache(&self.kernel.lock())?;
            // The process that set the value that the driver cannot report sets another one.
            self.kernel.lock().happen(Happening::Change(Change::Set(0, 7, 0)));
            return self.end(call);
        }
        self.check_cache(&self.kernel.lock())?;
        self.check_filters()
    }

    /// Checks that after another refresh the filters are those that a new session sets.
    fn check_filters(mut self) -> Verdict {
        if self.session.ensure_exists().is_ok() {
            self.kernel.lock().begin(vec![]);
            // The next request returns an error that was queued behind the data that was read.
            if self.call(Call::Refresh)?.is_err() {
                self.call(Call::Refresh)?.expect("there are no faults any more");
            }
        }
        let tracked_links = (self.kernel.lock().setting.scope == LinkScope::Team)
            .then(|| self.session.cache().tracked_links());
        let links = tracked_links
            .and_then(|tracked_links| filter::link_events(index(TEAM), &tracked_links));
        let team = filter::team_events(index(TEAM), self.session.genl.family_id());
        let mut kernel = self.kernel.lock();
        if self.session.ensure_exists().is_ok() {
            prop_assert_eq!(&kernel.socket(Line::LinkEvents).filter, &links);
            prop_assert_eq!(&kernel.socket(Line::TeamEvents).filter, &Some(team));
        }
        Ok(())
    }
}

/// Returns whether an error names the request or the step that failed.
fn names_operation(error: &Error) -> bool {
    const STEPS: [&str; 8] = [
        "looking up generic netlink family team",
        "preparing an event socket",
        "reading events",
        "listing the links",
        "listing the ports of ",
        "listing the options of ",
        "looking up link ",
        "carrying out ",
    ];
    let text = error.to_string();
    matches!(error, Error::DeviceGone { .. } | Error::NoSuchDevice { .. })
        || STEPS.iter().any(|step| text.contains(step))
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn cache_after_any_faults_equals_kernel(
        setting in action::setting(),
        actions in action::with_faults(),
    ) {
        let mut case = Case::new(setting, true);
        for action in actions {
            case.play(action)?;
        }
        case.end(Call::HandleEvents)?;
    }

    #[test]
    fn refresh_after_unnoticed_faults_equals_kernel(
        setting in action::setting(),
        actions in action::with_unnoticed_faults(),
    ) {
        let mut case = Case::new(setting, false);
        for action in actions {
            case.play(action)?;
        }
        case.end(Call::Refresh)?;
    }

    #[test]
    fn failed_start_names_operation(setting in action::setting(), during in action::during_call()) {
        let kernel = Shared::new(setting);
        kernel.lock().begin(during);
        let started = start(&kernel);
        kernel.lock().end();
        match started {
            Ok(session) => {
                let watch = Watch::new(State::of(session.cache()), true, setting.scope);
                let (set, is_refusal_reported) = (vec![], false);
                Case { kernel, session, watch, set, is_refusal_reported, is_strict: true }.end(Call::HandleEvents)?;
            }
            Err(error) => {
                let kernel = kernel.lock();
                let is_gone = matches!(error, Error::DeviceGone { .. }) && kernel.service.namespace.is_gone;
                prop_assert!(is_gone || kernel.call.faults > 0, "an error without a fault: {error}");
                prop_assert!(names_operation(&error), "the error does not name the operation: {error}");
            }
        }
    }
}

#[test]
fn session_follows_model_without_faults() {
    let setting = Setting {
        events: 40,
        answers: 10,
        items: 2,
        attempts: 3,
        batch: 2,
        team_is_up: true,
        mode: 1,
        ports: 2,
        dumps_by_position: false,
        scope: LinkScope::All,
        filter_memory: usize::MAX,
    };
    let mut case = Case::new(setting, true);
    let changes = [
        Change::Release(1),
        Change::Enslave(3),
        Change::Set(3, 6, 0),
        Change::Flip(3),
        Change::Rename(0, 1),
    ];
    for change in changes {
        case.play(Action::Happens(Happening::Change(change))).unwrap();
        case.play(Action::Calls(Call::HandleEvents, vec![])).unwrap();
    }
    let ports: Vec<_> = case
        .session
        .cache()
        .ports()
        .iter()
        .map(|port| (port.ifindex().get(), port.is_link_up()))
        .collect();
    assert_eq!(ports, [(4, true), (5, false)]);
    assert_eq!(case.session.name(), "name1");
    let active = case.session.cache().options().value(&OptionId::global(names::ACTIVE_PORT));
    assert_eq!(active, Some(&OptionValue::U32(5)));
    case.end(Call::HandleEvents).unwrap();
}

#[test]
fn overrun_between_old_events_reports_no_outdated_state() {
    let setting = Setting {
        events: 40,
        answers: 10,
        items: 2,
        attempts: 3,
        batch: 4,
        team_is_up: true,
        mode: 4,
        ports: 0,
        dumps_by_position: false,
        scope: LinkScope::All,
        filter_memory: usize::MAX,
    };
    let mut case = Case::new(setting, true);
    // A refresh reads both event sockets first. The replies after that contain the new link.
    let change = |change| Happening::Change(change);
    case.kernel
        .lock()
        .begin(vec![(2, change(Change::Delete(3))), (0, change(Change::Create(3, 0)))]);
    case.session.refresh(true).unwrap();
    let name = |changes: &Changes| {
        changes.links().map(|link| link.after().map(|link| link.name().to_owned())).collect()
    };
    let reported: Vec<_> = name(&case.session.take_changes());
    assert_eq!(reported, [Some("new0".to_owned())]);
    assert!(!case.kernel.lock().is_quiet(), "the old events still wait");

    let overrun = Happening::Fault(Line::LinkEvents, Fault::Overrun(0));
    case.kernel.lock().begin(vec![(2, overrun)]);
    case.session.update().unwrap();
    let reported: Vec<_> = name(&case.session.take_changes());
    assert_eq!(reported, [], "link 3 exists");
}
