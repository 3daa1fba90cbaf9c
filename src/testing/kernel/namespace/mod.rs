//! A network namespace with a team: its state, how it changes, and which notifications the kernel
//! sends.

mod settings;

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Change, SLOTS, Setting, Slot, TEAM, ifindex};
use super::history::History;
use super::notice::{Notice, noise};
use super::options::{self, CORE, OptionSet, core_options, long_program, setting};
use super::state::{Key, LinkState, PortState, State, Value};
use super::wire::{self, Mark};
use crate::model::ifindex::IfIndex;
use crate::model::link_scope::LinkScope;
use crate::model::option::{OptionId, names};
use crate::model::option_value::OptionValue;
use crate::netlink::codec::link::{RTM_DELLINK, RTM_NEWLINK};

pub(crate) const EBUSY: i32 = 16;
pub(crate) const EEXIST: i32 = 17;
pub(crate) const EPERM: i32 = 1;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const ENODEV: i32 = 19;
pub(crate) const ENOENT: i32 = 2;
pub(crate) const EOPNOTSUPP: i32 = 95;

pub(crate) const LOOPBACK: u32 = 1;

/// The link that never changes in the smallest namespace.
#[cfg(test)]
const LAST_LINK: u32 = 9;

pub(crate) type Answer = Result<(), i32>;

#[derive(Debug)]
pub(crate) struct Namespace {
    pub(crate) links: BTreeMap<u32, LinkState>,
    pub(crate) ports: Vec<(u32, PortState)>,
    pub(crate) options: Vec<(OptionId, OptionValue)>,
    pub(crate) is_gone: bool,
    /// Grows with each link that is created or deleted.
    pub(crate) generation: u64,
    pub(crate) history: History,
    /// The index of the team, or of the last one.
    pub(crate) team: u32,
    /// The links without a cable, and the speeds of those that have another than 10 Gbit/s.
    unplugged: BTreeSet<u32>,
    speeds: BTreeMap<u32, u32>,
    /// The hardware addresses and MTUs that the ports had before.
    originals: BTreeMap<u32, (Vec<u8>, u32)>,
    /// User space decides about the carrier of the team.
    has_user_carrier: bool,
    option_set: OptionSet,
    /// The number of bytes that the driver can report of a program.
    limit: usize,
    last_index: u32,
    notices: Vec<Notice>,
    items: usize,
    /// What changed and could not be reported yet.
    unreported: Vec<OptionId>,
}

impl Namespace {
    /// A loopback, and no team.
    pub(crate) fn empty(items: usize) -> Self {
        let mut this = Self {
            links: BTreeMap::new(),
            ports: vec![],
            options: vec![],
            is_gone: true,
            generation: 0,
            history: History::default(),
            team: 0,
            unplugged: BTreeSet::new(),
            speeds: BTreeMap::new(),
            originals: BTreeMap::new(),
            has_user_carrier: false,
            option_set: OptionSet::All,
            limit: options::LIMIT,
            last_index: LOOPBACK,
            notices: vec![],
            items,
            unreported: vec![],
        };
        let loopback = LinkState { up: true, carrier: true, ..LinkState::new("lo", "") };
        this.links.insert(LOOPBACK, loopback);
        this
    }

    /// A team without ports, and one more link that never changes, behind all others in a list of
    /// links: see [`OptionSet::Fewest`].
    #[cfg(test)]
    pub(crate) fn smallest(setting: Setting) -> Self {
        let mut this = Self {
            links: BTreeMap::new(),
            options: core_options(OptionSet::Fewest),
            is_gone: false,
            team: TEAM,
            option_set: OptionSet::Fewest,
            ..Self::empty(setting.items)
        };
        let team = LinkState { up: setting.team_is_up, ..LinkState::new("team0", "team") };
        this.links.insert(TEAM, team);
        this.links.insert(LAST_LINK, LinkState::new("last", "veth"));
        this.record();
        this
    }

    /// A team, a loopback, and the links in all slots, the first of which are ports.
    pub(crate) fn new(setting: Setting) -> Self {
        let mut this = Self {
            options: core_options(OptionSet::Typical),
            is_gone: false,
            team: TEAM,
            option_set: OptionSet::Typical,
            limit: options::SHORT_LIMIT,
            ..Self::empty(setting.items)
        };
        for (ifindex, name, kind, up) in
            [(1, "lo", "", true), (TEAM, "team0", "team", setting.team_is_up)]
        {
            this.links.insert(ifindex, LinkState { up, ..LinkState::new(name, kind) });
        }
        if setting.mode < 4 {
            this.change(Change::Mode(setting.mode));
        }
        for slot in 1..SLOTS {
            this.links.insert(ifindex(slot), LinkState::new(&format!("eth{slot}"), "veth"));
        }
        for slot in 1..=setting.ports {
            this.change(Change::Enslave(slot));
        }
        this.record();
        this
    }

    pub(crate) fn state(&self) -> State {
        self.state_of(LinkScope::All)
    }

    /// What a session that keeps these links is to know.
    pub(crate) fn state_of(&self, scope: LinkScope) -> State {
        let is_kept = |(ifindex, link): &(&u32, &LinkState)| {
            scope == LinkScope::All
                || !self.is_gone && (**ifindex == self.team || link.master == Some(self.team))
        };
        let links = self.links.iter().filter(is_kept);
        let links = links.map(|(ifindex, link)| (Key::Link(*ifindex), Value::Link(link.clone())));
        let ports: Vec<_> = self
            .ports
            .iter()
            .map(|(ifindex, port)| (Key::Port(*ifindex), Value::Port(*port)))
            .collect();
        let options: Vec<_> = self
            .options
            .iter()
            .map(|(id, value)| (Key::Option(id.clone()), Value::Option(value.clone())))
            .collect();
        let order = ports.iter().chain(&options).map(|(key, _)| key.clone()).collect();
        State { things: links.chain(ports).chain(options).collect(), order }
    }

    /// Makes a change, and returns the kernel's notifications.
    pub(crate) fn change(&mut self, change: Change) -> Vec<Notice> {
        // What the kernel refuses changes nothing.
        let _ = self.try_change(change);
        self.take_notices()
    }

    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        if !self.notices.is_empty() {
            self.record();
        }
        std::mem::take(&mut self.notices)
    }

    fn try_change(&mut self, change: Change) -> Answer {
        match change {
            Change::Create(slot, value) => {
                self.create(ifindex(slot), &format!("new{}", value % 3), "veth")
            }
            Change::Delete(slot) if slot % SLOTS == 0 => Err(EINVAL),
            Change::Delete(slot) => self.delete(ifindex(slot)),
            Change::Rename(slot, value) => self.rename(slot, &format!("name{value}")),
            Change::OtherName(slot) => self.take_other_name(slot),
            Change::SwapNames(one, other) => self.swap_names(one, other),
            Change::Hwaddr(slot, value) => self.set_hwaddr(ifindex(slot), &[2, 0, 0, 0, 0, value]),
            Change::Mtu(slot, value) => {
                self.touch(ifindex(slot), |link| link.mtu = 1400 + u32::from(value))
            }
            Change::Up(slot) => self.set_up(ifindex(slot), true),
            Change::Down(slot) => self.set_up(ifindex(slot), false),
            Change::Flip(slot) => self.flip(ifindex(slot)),
            Change::AlternativeName(slot, value) => self.name_alternatively(ifindex(slot), value),
            Change::Enslave(slot) => self.enslave(ifindex(slot)),
            Change::Release(slot) => self.release(ifindex(slot)),
            Change::Mode(value) => self.set_mode(value),
            Change::Set(slot, which, value) => {
                let (id, value) = setting(slot, which, value);
                self.set(&id, value)
            }
            Change::OtherValue(slot, which) => self.set_other_value(slot, which),
            Change::LongProgram => {
                self.set(&OptionId::global(names::BPF_HASH_FUNC), long_program())
            }
            Change::Noise(value) => {
                self.notices.push(noise(value));
                Ok(())
            }
            Change::DeleteTeam => self.delete(self.team),
            Change::ReuseTeamIndex if self.is_gone => self.create(self.team, "other", "dummy"),
            Change::OtherTeam if self.is_gone => {
                self.report_other_team();
                Ok(())
            }
            Change::ReuseTeamIndex | Change::OtherTeam => Err(EBUSY),
        }
    }

    fn create(&mut self, ifindex: u32, name: &str, kind: &str) -> Answer {
        if self.links.contains_key(&ifindex)
            || ifindex == self.team && kind == "veth"
            || self.is_taken(name)
        {
            return Err(EBUSY);
        }
        self.generation += 1;
        self.links.insert(ifindex, LinkState::new(name, kind));
        self.touch(ifindex, |_| ())
    }

    /// Adds a link with an index that no link had before, or with the requested one.
    pub(crate) fn add(&mut self, name: &str, kind: &str, requested: u32) -> Result<u32, i32> {
        let is_team = kind == "team";
        let ifindex = if requested == 0 { self.last_index + 1 } else { requested };
        if self.is_taken(name) || self.links.contains_key(&ifindex) {
            return Err(EEXIST);
        }
        // The model has one team at a time.
        if !["dummy", "team"].contains(&kind) || is_team && !self.is_gone {
            return Err(EOPNOTSUPP);
        }
        if is_team {
            (self.team, self.is_gone, self.has_user_carrier) = (ifindex, false, false);
            self.options = core_options(self.option_set);
        }
        self.last_index = self.last_index.max(ifindex);
        self.generation += 1;
        let [_, _, high, low] = ifindex.to_be_bytes();
        let link = LinkState { hwaddr: vec![2, 0, 0, 0, high, low], ..LinkState::new(name, kind) };
        self.links.insert(ifindex, link);
        self.touch(ifindex, |_| ())?;
        Ok(ifindex)
    }

    /// Connects a link that is not a team, or disconnects it. A link that is down shows it when it is
    /// set up.
    pub(crate) fn plug(&mut self, ifindex: u32, plugged: bool) -> Answer {
        if ifindex == self.team || ifindex == LOOPBACK {
            return Err(EOPNOTSUPP);
        }
        let link = self.links.get(&ifindex).ok_or(ENODEV)?;
        let changes = link.up && link.carrier != plugged;
        if plugged {
            self.unplugged.remove(&ifindex);
        } else {
            self.unplugged.insert(ifindex);
        }
        if changes {
            self.touch(ifindex, |link| link.carrier = plugged)?;
            self.follow_carrier(ifindex);
        }
        Ok(())
    }

    /// Changes the speed of a link, in Mbit/s, of which the driver reports nothing.
    pub(crate) fn set_speed(&mut self, ifindex: u32, mbps: u32) -> Answer {
        if !self.links.contains_key(&ifindex) {
            return Err(ENODEV);
        }
        self.speeds.insert(ifindex, mbps);
        if let Some((_, port)) = self.ports.iter_mut().find(|(port, _)| *port == ifindex) {
            port.speed = if port.link_up { mbps } else { 0 };
        }
        Ok(())
    }

    /// Sets the carrier of the team itself.
    pub(crate) fn set_team_carrier(&mut self, ifindex: u32, carrier: bool) -> Answer {
        if ifindex != self.team || self.is_gone {
            return Err(EOPNOTSUPP);
        }
        self.has_user_carrier = true;
        self.touch(ifindex, |link| link.carrier = carrier)
    }

    pub(crate) fn set_mtu(&mut self, ifindex: u32, mtu: u32) -> Answer {
        // A dummy takes any.
        if ifindex == self.team && !(68..=65_535).contains(&mtu) {
            return Err(EINVAL);
        }
        if self.is_port(ifindex) {
            return Err(EPERM);
        }
        self.touch(ifindex, |link| link.mtu = mtu)?;
        if ifindex == self.team && !self.is_gone {
            for (port, _) in self.ports.clone() {
                self.touch(port, |link| link.mtu = mtu)?;
            }
        }
        Ok(())
    }

    pub(crate) fn set_name(&mut self, ifindex: u32, name: &str) -> Answer {
        if self.find(name).is_some_and(|other| other != ifindex) {
            return Err(EEXIST);
        }
        self.touch(ifindex, |link| name.clone_into(&mut link.name))
    }

    pub(crate) fn delete(&mut self, ifindex: u32) -> Answer {
        if ifindex == self.team && !self.is_gone {
            self.end_team();
        } else if self.is_port(ifindex) {
            self.set_up(ifindex, false)?;
            self.remove_port(ifindex);
        }
        let mut link = self.links.remove(&ifindex).ok_or(ENODEV)?;
        self.originals.remove(&ifindex);
        self.unplugged.remove(&ifindex);
        self.speeds.remove(&ifindex);
        link.master = None;
        self.generation += 1;
        self.history.record_removed(Key::Link(ifindex));
        self.notices.push(Notice::Links(wire::link(RTM_DELLINK, 0, ifindex, &link)));
        Ok(())
    }

    fn end_team(&mut self) {
        for (ifindex, _) in self.ports.clone() {
            let _ = self.release(ifindex);
        }
        self.remove_options(|id| !CORE.contains(&&*id.name));
        for (id, _) in std::mem::take(&mut self.options) {
            self.history.record_removed(Key::Option(id));
        }
        self.is_gone = true;
    }

    /// Reports a port and an option of another team that has the same index. A session cannot know
    /// that it is another one before the deletion of the first was reported.
    fn report_other_team(&mut self) {
        let (port, option) = ((3, PortState { link_up: true, speed: 1 }), setting(0, 0, 9));
        self.notices.push(Notice::Team(wire::ports(self.team, &[port], Mark::Changed, self.items)));
        self.notices.push(Notice::Team(wire::options(
            self.team,
            std::slice::from_ref(&option),
            Mark::Changed,
            self.items,
        )));
        let things = [
            (Key::Port(port.0), Value::Port(port.1)),
            (Key::Option(option.0), Value::Option(option.1)),
        ];
        for (key, value) in things {
            self.history.record_removed(key.clone());
            self.history.note(key, value);
        }
    }

    fn rename(&mut self, slot: Slot, name: &str) -> Answer {
        if self.is_taken(name) {
            return Err(EBUSY);
        }
        self.touch(ifindex(slot), |link| name.clone_into(&mut link.name))
    }

    /// Renames a link to one of two names: to the one that it does not have.
    fn take_other_name(&mut self, slot: Slot) -> Answer {
        let names = [format!("eth{slot}"), format!("renamed{slot}")];
        let link = self.links.get(&ifindex(slot)).ok_or(ENODEV)?;
        let other = usize::from(link.name == names[0]);
        self.rename(slot, &names[other])
    }

    fn swap_names(&mut self, one: Slot, other: Slot) -> Answer {
        let name = |this: &Self, slot| {
            this.links.get(&ifindex(slot)).map(|link| link.name.clone()).ok_or(ENODEV)
        };
        let (first, second) = (name(self, one)?, name(self, other)?);
        self.rename(one, "between")?;
        self.rename(other, &first)?;
        self.rename(one, &second)
    }

    pub(crate) fn set_hwaddr(&mut self, ifindex: u32, hwaddr: &[u8]) -> Answer {
        self.touch(ifindex, |link| link.hwaddr = hwaddr.to_vec())?;
        if ifindex == self.team && !self.is_gone && self.has_one_hwaddr() {
            for (port, _) in self.ports.clone() {
                self.touch(port, |link| link.hwaddr = hwaddr.to_vec())?;
            }
        }
        Ok(())
    }

    pub(crate) fn set_up(&mut self, ifindex: u32, up: bool) -> Answer {
        let is_team = ifindex == self.team && !self.is_gone;
        let plugged = !self.unplugged.contains(&ifindex);
        self.touch(ifindex, |link| {
            link.up = up;
            // The carrier of a team is that of its ports.
            link.carrier = if is_team { link.carrier } else { up && plugged };
        })?;
        self.follow_carrier(ifindex);
        Ok(())
    }

    /// Changes the carrier. The kernel does not report the carrier of a link that is down.
    fn flip(&mut self, ifindex: u32) -> Answer {
        if ifindex == self.team || !self.links.get(&ifindex).ok_or(ENODEV)?.up {
            return Err(EINVAL);
        }
        self.touch(ifindex, |link| link.carrier = !link.carrier)?;
        self.follow_carrier(ifindex);
        Ok(())
    }

    fn name_alternatively(&mut self, ifindex: u32, value: u8) -> Answer {
        if !self.links.get(&ifindex).ok_or(ENODEV)?.up {
            return Err(EINVAL);
        }
        let names =
            (0..value % 3).map(|number| format!("alternative{number}of{ifindex}")).collect();
        self.touch(ifindex, |link| link.alternative_names = names)
    }

    pub(crate) fn enslave(&mut self, ifindex: u32) -> Answer {
        let link = self.links.get(&ifindex).ok_or(ENODEV)?;
        if ifindex == self.team || ifindex == LOOPBACK {
            return Err(EINVAL);
        }
        if self.is_gone || link.up || link.master.is_some() {
            return Err(EBUSY);
        }
        self.adapt(ifindex)?;
        let (team, plugged) = (self.team, !self.unplugged.contains(&ifindex));
        self.touch(ifindex, |link| (link.up, link.carrier) = (true, plugged))?;
        self.touch(ifindex, |link| link.master = Some(team))?;
        self.touch(self.team, |_| ())?;
        self.ports.push((ifindex, self.port_state(ifindex, plugged)));
        self.report_port(ifindex);
        self.follow_carrier(ifindex);
        self.add_options(self.port_options(ifindex));
        Ok(())
    }

    /// Gives a link what the driver gives a new port, where the model has all options.
    fn adapt(&mut self, ifindex: u32) -> Answer {
        if self.option_set != OptionSet::All {
            return Ok(());
        }
        let team = self.links.get(&self.team).ok_or(ENODEV)?;
        let (hwaddr, mtu) = (team.hwaddr.clone(), team.mtu);
        let link = self.links.get(&ifindex).ok_or(ENODEV)?;
        self.originals.insert(ifindex, (link.hwaddr.clone(), link.mtu));
        if link.mtu != mtu {
            self.touch(ifindex, |link| link.mtu = mtu)?;
        }
        if self.has_one_hwaddr() {
            self.touch(ifindex, |link| link.hwaddr = hwaddr)?;
        }
        Ok(())
    }

    /// Whether the driver gives all ports the address of the team.
    fn has_one_hwaddr(&self) -> bool {
        self.option_set == OptionSet::All
            && ["roundrobin", "random", "broadcast"].contains(&self.mode())
    }

    fn mode(&self) -> &str {
        let is_mode = |(id, _): &&(OptionId, OptionValue)| *id == OptionId::global(names::MODE);
        match self.options.iter().find(is_mode) {
            Some((_, OptionValue::String(mode))) => mode,
            _ => "",
        }
    }

    pub(crate) fn release(&mut self, ifindex: u32) -> Answer {
        if !self.is_port(ifindex) {
            return Err(EINVAL);
        }
        self.touch(ifindex, |link| link.master = None)?;
        self.touch(ifindex, |link| (link.up, link.carrier) = (false, false))?;
        self.remove_port(ifindex);
        let original = self.originals.remove(&ifindex);
        self.touch(ifindex, |link| {
            if let Some((hwaddr, mtu)) = original {
                (link.hwaddr, link.mtu) = (hwaddr, mtu);
            }
        })
    }

    fn remove_port(&mut self, ifindex: u32) {
        self.remove_options(|id| id.port.map(IfIndex::get) == Some(ifindex));
        let referring = |(id, value): &&(OptionId, OptionValue)| {
            [names::ACTIVE_PORT, names::LB_TX_HASH_TO_PORT_MAPPING].contains(&&*id.name)
                && *value == OptionValue::U32(ifindex)
        };
        let cleared: Vec<_> =
            self.options.iter().filter(referring).map(|(id, _)| id.clone()).collect();
        for id in &cleared {
            let _ = self.store(id, OptionValue::U32(0));
        }
        self.report_changed(cleared);
        self.ports.retain(|(port, _)| *port != ifindex);
        self.history.record_removed(Key::Port(ifindex));
        let final_state = [(ifindex, PortState { link_up: false, speed: 0 })];
        self.notices.push(Notice::Team(wire::ports(
            self.team,
            &final_state,
            Mark::Removed,
            self.items,
        )));
        self.follow_carrier(ifindex);
    }

    /// Changes a link, and sends the notification.
    fn touch(&mut self, ifindex: u32, change: impl FnOnce(&mut LinkState)) -> Answer {
        let link = self.links.get_mut(&ifindex).ok_or(ENODEV)?;
        let had_carrier = link.carrier;
        change(link);
        // A counter would make each state of the enumeration a new one.
        if self.option_set != OptionSet::Fewest {
            link.carrier_changes += u32::from(link.carrier != had_carrier);
        }
        let reported = link.clone();
        self.notices.push(Notice::Links(wire::link(RTM_NEWLINK, 0, ifindex, &reported)));
        self.history.note(Key::Link(ifindex), Value::Link(reported));
        Ok(())
    }

    /// Updates a port after its link, and the team's carrier, which it has while any port has one.
    /// The kernel does not report the carrier of a team that is down.
    fn follow_carrier(&mut self, ifindex: u32) {
        let link_up = self.links.get(&ifindex).is_some_and(|link| link.carrier);
        let state = self.port_state(ifindex, link_up);
        if let Some((_, port)) = self.ports.iter_mut().find(|(port, _)| *port == ifindex) {
            if *port != state {
                *port = state;
                self.report_port(ifindex);
            }
        }
        let any = self.ports.iter().any(|(ifindex, port)| self.counts_as_up(*ifindex, *port));
        if self.has_user_carrier {
            return;
        }
        match self.links.get_mut(&self.team) {
            Some(team) if !self.is_gone && team.carrier != any && team.up => {
                let _ = self.touch(self.team, |team| team.carrier = any);
            }
            Some(team) if !self.is_gone => team.carrier = any,
            _ => {}
        }
    }

    fn port_state(&self, ifindex: u32, link_up: bool) -> PortState {
        let speed = self.speeds.get(&ifindex).copied().unwrap_or(10_000);
        PortState { link_up, speed: if link_up { speed } else { 0 } }
    }

    /// Whether a port counts as up for the team's carrier: user space may decide that.
    fn counts_as_up(&self, ifindex: u32, port: PortState) -> bool {
        let is_on = |name| {
            let id = OptionId::port(name, IfIndex::new(ifindex).expect("not 0"));
            self.options.contains(&(id, OptionValue::Bool(true)))
        };
        if is_on(names::USER_LINKUP_ENABLED) { is_on(names::USER_LINKUP) } else { port.link_up }
    }

    fn report_port(&mut self, ifindex: u32) {
        let ports: Vec<_> =
            self.ports.iter().filter(|(port, _)| *port == ifindex).copied().collect();
        self.notices.push(Notice::Team(wire::ports(self.team, &ports, Mark::Changed, self.items)));
        self.record();
    }

    fn is_taken(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The link with a name, or an alternative name.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let has_name = |link: &LinkState| {
            link.name == name || link.alternative_names.iter().any(|other| other == name)
        };
        self.links.iter().find(|(_, link)| has_name(link)).map(|(ifindex, _)| *ifindex)
    }

    fn is_port(&self, ifindex: u32) -> bool {
        self.ports.iter().any(|(port, _)| *port == ifindex)
    }

    fn record(&mut self) {
        for (key, value) in self.state().things {
            self.history.note(key, value);
        }
    }
}
