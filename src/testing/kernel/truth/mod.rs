//! The truth: a namespace with a team, how it changes, and what the kernel tells of that.

mod settings;

use std::collections::BTreeMap;

use super::event::{Change, SLOTS, Setting, Slot, TEAM, ifindex};
use super::history::History;
use super::notice::{Notice, noise};
use super::options::{CORE, long_program, port_options, setting};
use super::state::{Key, LinkState, PortState, State, Value};
use super::wire::{self, Mark};
use crate::model::ifindex::IfIndex;
use crate::model::link_scope::LinkScope;
use crate::model::option::{OptionId, names};
use crate::model::option_value::OptionValue;
use crate::netlink::codec::link::{RTM_DELLINK, RTM_NEWLINK};

pub(crate) const EBUSY: i32 = 16;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const ENODEV: i32 = 19;
pub(crate) const ENOENT: i32 = 2;

pub(crate) type Answer = Result<(), i32>;

#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) links: BTreeMap<u32, LinkState>,
    pub(crate) ports: Vec<(u32, PortState)>,
    pub(crate) options: Vec<(OptionId, OptionValue)>,
    pub(crate) is_gone: bool,
    /// Grows with every link that comes or goes.
    pub(crate) generation: u64,
    pub(crate) history: History,
    notices: Vec<Notice>,
    items: usize,
    /// What changed and could not be told yet.
    untold: Vec<OptionId>,
}

impl Truth {
    /// A team, a loopback, and the links in all slots, the first of which are ports.
    pub(crate) fn new(setting: Setting) -> Self {
        let mut this = Self {
            links: BTreeMap::new(),
            ports: vec![],
            options: vec![
                (OptionId::global(names::MODE), OptionValue::String("*NOMODE*".to_owned())),
                (OptionId::global(names::NOTIFY_PEERS_COUNT), OptionValue::U32(0)),
                (OptionId::global(names::MCAST_REJOIN_COUNT), OptionValue::U32(0)),
            ],
            is_gone: false,
            generation: 0,
            history: History::default(),
            notices: vec![],
            items: setting.items,
            untold: vec![],
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
                || !self.is_gone && (**ifindex == TEAM || link.master == Some(TEAM))
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

    /// Makes a change, and returns what the kernel tells of it.
    pub(crate) fn change(&mut self, change: Change) -> Vec<Notice> {
        // What the kernel refuses changes nothing.
        let _ = self.try_change(change);
        self.take_notices()
    }

    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        self.record();
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
            Change::LongProgram => {
                self.set(&OptionId::global(names::BPF_HASH_FUNC), long_program())
            }
            Change::Noise(value) => {
                self.notices.push(noise(value));
                Ok(())
            }
            Change::DeleteTeam => self.delete(TEAM),
            Change::ReuseTeamIndex if self.is_gone => self.create(TEAM, "other", "dummy"),
            Change::OtherTeam if self.is_gone => {
                self.tell_of_other_team();
                Ok(())
            }
            Change::ReuseTeamIndex | Change::OtherTeam => Err(EBUSY),
        }
    }

    fn create(&mut self, ifindex: u32, name: &str, kind: &str) -> Answer {
        if self.links.contains_key(&ifindex)
            || ifindex == TEAM && kind == "veth"
            || self.is_taken(name)
        {
            return Err(EBUSY);
        }
        self.generation += 1;
        self.links.insert(ifindex, LinkState::new(name, kind));
        self.touch(ifindex, |_| ())
    }

    pub(crate) fn delete(&mut self, ifindex: u32) -> Answer {
        if ifindex == TEAM && !self.is_gone {
            self.end_team();
        } else if self.is_port(ifindex) {
            self.set_up(ifindex, false)?;
            self.remove_port(ifindex);
        }
        let mut link = self.links.remove(&ifindex).ok_or(ENODEV)?;
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

    /// Nobody can know that it is another one before the end of the first was told.
    fn tell_of_other_team(&mut self) {
        let (port, option) = ((3, PortState { link_up: true, speed: 1 }), setting(0, 0, 9));
        self.notices.push(Notice::Team(wire::ports(TEAM, &[port], Mark::Changed, self.items)));
        self.notices.push(Notice::Team(wire::options(
            TEAM,
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
        self.touch(ifindex, |link| link.hwaddr = hwaddr.to_vec())
    }

    fn set_up(&mut self, ifindex: u32, up: bool) -> Answer {
        let is_team = ifindex == TEAM && !self.is_gone;
        self.touch(ifindex, |link| {
            link.up = up;
            // The carrier of a team is that of its ports.
            link.carrier = if is_team { link.carrier } else { up };
        })?;
        self.follow_carrier(ifindex);
        Ok(())
    }

    /// Of a link that is down the kernel tells no carrier.
    fn flip(&mut self, ifindex: u32) -> Answer {
        if ifindex == TEAM || !self.links.get(&ifindex).ok_or(ENODEV)?.up {
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
        if self.is_gone || ifindex == TEAM || link.up || link.master.is_some() {
            return Err(EBUSY);
        }
        self.touch(ifindex, |link| (link.up, link.carrier) = (true, true))?;
        self.touch(ifindex, |link| link.master = Some(TEAM))?;
        self.touch(TEAM, |_| ())?;
        self.ports.push((ifindex, PortState { link_up: true, speed: 10_000 }));
        self.tell_port(ifindex);
        self.follow_carrier(ifindex);
        self.add_options(port_options(ifindex));
        Ok(())
    }

    pub(crate) fn release(&mut self, ifindex: u32) -> Answer {
        if !self.is_port(ifindex) {
            return Err(EINVAL);
        }
        self.touch(ifindex, |link| link.master = None)?;
        self.touch(ifindex, |link| (link.up, link.carrier) = (false, false))?;
        self.remove_port(ifindex);
        self.touch(ifindex, |_| ())
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
        self.tell_changed(cleared);
        self.ports.retain(|(port, _)| *port != ifindex);
        self.history.record_removed(Key::Port(ifindex));
        let final_state = [(ifindex, PortState { link_up: false, speed: 0 })];
        self.notices.push(Notice::Team(wire::ports(TEAM, &final_state, Mark::Removed, self.items)));
        self.follow_carrier(ifindex);
    }

    /// Changes a link, and tells of it.
    fn touch(&mut self, ifindex: u32, change: impl FnOnce(&mut LinkState)) -> Answer {
        let link = self.links.get_mut(&ifindex).ok_or(ENODEV)?;
        change(link);
        let told = link.clone();
        self.notices.push(Notice::Links(wire::link(RTM_NEWLINK, 0, ifindex, &told)));
        self.history.note(Key::Link(ifindex), Value::Link(told));
        Ok(())
    }

    /// The port's state is its link's, and the team's carrier is that of any port. Of a team that
    /// is down the kernel does not tell it.
    fn follow_carrier(&mut self, ifindex: u32) {
        let link_up = self.links.get(&ifindex).is_some_and(|link| link.carrier);
        if let Some((_, port)) = self.ports.iter_mut().find(|(port, _)| *port == ifindex) {
            if port.link_up != link_up {
                *port = PortState { link_up, speed: if link_up { 10_000 } else { 0 } };
                self.tell_port(ifindex);
            }
        }
        let any = self.ports.iter().any(|(_, port)| port.link_up);
        match self.links.get_mut(&TEAM) {
            Some(team) if !self.is_gone && team.carrier != any && team.up => {
                let _ = self.touch(TEAM, |team| team.carrier = any);
            }
            Some(team) if !self.is_gone => team.carrier = any,
            _ => {}
        }
    }

    fn tell_port(&mut self, ifindex: u32) {
        let ports: Vec<_> =
            self.ports.iter().filter(|(port, _)| *port == ifindex).copied().collect();
        self.notices.push(Notice::Team(wire::ports(TEAM, &ports, Mark::Changed, self.items)));
        self.record();
    }

    fn is_taken(&self, name: &str) -> bool {
        self.links.values().any(|link| link.name == name)
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
