//! One sequence of actions, applied to a handle on the model of the kernel.

use std::num::NonZeroU32;
use std::time::Duration;

use super::action::{Action, Call, During, Outline, Start, TEAM_OPTION};
use super::reports::{Reports, same};
use super::{MAX_CALLS, Verdict};
use crate::changes::Changes;
use crate::error::Result as TeamResult;
use crate::model::ifindex::IfIndex;
use crate::model::option::{OptionId, names};
use crate::model::option_value::OptionValue;
use crate::team::TeamHandle;
use crate::testing::digest::Digest;
use crate::testing::kernel::event::{Change, Happening, Setting, TEAM};
use crate::testing::kernel::service::Service;
use crate::testing::kernel::state::{Key, State, Value};
use crate::testing::kernel::{Shared, SystemCall};
use crate::testing::test_kernel::TestKernel;

pub(super) struct Case {
    kernel: Shared,
    team: TeamHandle,
    reports: Reports,
}

/// The result of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Played {
    /// The action ended; the system calls of its call were these.
    Done(Vec<SystemCall>),
    /// The call ended before everything that was planned for it happened.
    TooShort,
}

impl Case {
    /// Opens a handle. Returns `None` if opening failed, which faults may cause.
    pub(super) fn open(
        setting: Setting,
        start: Start,
        during: &During,
    ) -> Result<(Played, Option<Self>), String> {
        let kernel = Shared::smallest(setting);
        let mut model = kernel.lock();
        for change in start.changes() {
            model.happen(Happening::Change(*change));
        }
        let mut reports =
            Reports::new(model.service.namespace.state_of(setting.scope), setting.scope);
        model.service.namespace.history.start_log();
        model.trace = Some(vec![]);
        model.begin(during.clone());
        drop(model);
        let builder = TestKernel::on(&kernel)
            .team_builder()
            .link_scope(setting.scope)
            .receive_buffer(setting.events * 1024)
            .receive_buffer_limit(0)
            .dump_attempts(NonZeroU32::new(setting.attempts).expect("not 0"));
        let opened = builder.open_index(IfIndex::new(TEAM).expect("not 0"));
        let mut model = kernel.lock();
        if !model.is_plan_done() {
            return Ok((Played::TooShort, None));
        }
        let faults = model.call.faults;
        reports.record(model.service.namespace.history.take_log());
        let played = Played::Done(model.trace.replace(vec![]).unwrap_or_default());
        drop(model);
        let team = match opened {
            Ok(team) => team,
            Err(_) if faults > 0 => return Ok((played, None)),
            Err(error) => return Err(format!("opening failed without a fault: {error}")),
        };
        reports.check_start(team.session.cache())?;
        Ok((played, Some(Self { kernel, team, reports })))
    }

    pub(super) fn play(&mut self, action: &Action) -> Result<Played, String> {
        match action {
            Action::Open(..) => Err("a handle is opened once".to_owned()),
            Action::Happens(happening) => {
                let mut model = self.kernel.lock();
                model.happen(*happening);
                self.reports.record(model.service.namespace.history.take_log());
                Ok(Played::Done(vec![]))
            }
            Action::Calls(call, during) => self.call(*call, during),
        }
    }

    fn call(&mut self, call: Call, during: &During) -> Result<Played, String> {
        let option = OptionId::global(names::NOTIFY_PEERS_COUNT);
        let mut model = self.kernel.lock();
        // These values differ from those that other processes set.
        let values = [2, 3].map(OptionValue::U32);
        let is_first = model.service.namespace.options.iter().any(|(_, value)| *value == values[0]);
        let value = values[usize::from(is_first)].clone();
        model.trace = Some(vec![]);
        let excused = model.service.skipped.excused.clone();
        model.begin(during.clone());
        drop(model);
        let mut changes = None;
        let result = match call {
            Call::HandleEvents => self.team.handle_events().map(|taken| changes = Some(taken)),
            Call::Refresh => self.team.refresh().map(|taken| changes = Some(taken)),
            Call::Set => self.team.set_options([(option.clone(), value.clone())]),
        };
        let mut model = self.kernel.lock();
        if !model.is_plan_done() {
            return Ok(Played::TooShort);
        }
        self.reports.record(model.service.namespace.history.take_log());
        if model.call.faults > 0 {
            // The handle may not have received the list that contains the link.
            let Service { skipped, namespace, .. } = &mut model.service;
            let exists = |ifindex: &u32| namespace.links.contains_key(ifindex);
            skipped.excused.extend(excused.into_iter().filter(exists));
        }
        let played = Played::Done(model.trace.take().unwrap_or_default());
        let (key, value) = (Key::Option(option), Value::Option(value));
        let was_set = model.service.namespace.history.has(&key, &value);
        drop(model);
        if call == Call::Set && result.is_ok() && !was_set {
            return Err("the command succeeded and did nothing".to_owned());
        }
        let is_overwritten = during.iter().any(|(_, happening)| {
            matches!(happening, Happening::Change(Change::OtherValue(_, TEAM_OPTION)))
        });
        // If no socket received the notification of a command, the driver returns an error, and the
        // handle reads the value back. It cannot detect that its value was set and overwritten.
        if call == Call::Set && is_overwritten && result.is_err() {
            return Ok(played);
        }
        self.check_result(call, result, changes)?;
        Ok(played)
    }

    fn check_result(
        &mut self,
        call: Call,
        result: TeamResult<()>,
        changes: Option<Changes>,
    ) -> Verdict {
        let mut model = self.kernel.lock();
        let tally = model.call;
        if tally.vain_waits > 0 && tally.faults == 0 {
            return Err(format!("{call:?} waited for a reply that does not come"));
        }
        if let Err(error) = result {
            return if tally.faults > 0 {
                Ok(())
            } else {
                Err(format!("{call:?} failed without a fault: {error}"))
            };
        }
        if let Some(changes) = changes {
            if changes.is_inconsistent() {
                model.service.mark_reported();
            }
            drop(model);
            self.reports.check(&changes)?;
        }
        Ok(())
    }

    /// Lets the program handle events while the descriptor is readable and nothing else happens.
    /// Then checks that the cache equals the kernel's state.
    pub(super) fn settle(&mut self) -> Verdict {
        let mut calls = 0;
        while self.is_readable()? {
            if calls == MAX_CALLS {
                return Err(format!("there is still work after {calls} calls"));
            }
            calls += 1;
            self.call(Call::HandleEvents, &vec![])?;
        }
        let model = self.kernel.lock();
        let scope = model.setting.scope;
        let mut expected = model.service.namespace.state_of(scope);
        let cache = State::of(self.team.session.cache());
        expected.things.retain(|key, value| {
            cache.things.contains_key(key) || !model.service.may_be_missing(key, value)
        });
        drop(model);
        same("the kernel", &expected.things, "the cache", &cache.things)?;
        if expected.order != cache.order {
            return Err(format!("the order is {:?}, not {:?}", cache.order, expected.order));
        }
        self.reports.check_sum(self.team.session.cache())?;
        self.team.session.cache().check_invariants();
        Ok(())
    }

    fn is_readable(&mut self) -> Result<bool, String> {
        self.team.wait(Some(Duration::ZERO)).map_err(|error| error.to_string())
    }

    pub(super) fn outline(&self) -> Outline {
        Outline::of(&mut self.kernel.lock())
    }

    /// Returns a digest of everything that decides what can follow.
    pub(super) fn digest(&self) -> u128 {
        let mut digest = Digest::default();
        self.kernel.lock().digest(&mut digest);
        self.team.session.digest(&mut digest);
        self.reports.digest(&mut digest);
        digest.finish()
    }
}
