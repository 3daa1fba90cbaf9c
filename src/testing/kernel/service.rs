//! What the model answers to requests, from the truth.

use std::collections::BTreeSet;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_MULTIPART, NLMSG_DONE};

use super::event::Setting;
use super::notice::Notice;
use super::state::{Key, Value};
use super::truth::{Answer, EBUSY, EINVAL, ENODEV, ENOENT, Truth};
use super::wire::{self, Mark, find, find_u32};
use crate::model::ifindex::IfIndex;
use crate::model::option::OptionId;
use crate::model::option_value::OptionValue;
use crate::netlink::codec::frame::Frame;
use crate::netlink::codec::link::{RTM_DELLINK, RTM_NEWLINK};
use crate::testing::bytes::{ack, bare_done, message, with_sequence};
use crate::testing::messages::{FAMILY, family};

const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const IFLA_ADDRESS: u16 = 1;
const IFLA_MASTER: u16 = 10;
const EMSGSIZE: i32 = 90;
const EPERM: i32 = 1;
const ESRCH: i32 = 3;

/// The truth, for whoever asks.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) truth: Truth,
    dump: Option<Dump>,
    items: usize,
    dumps_by_position: bool,
    /// What dumps skipped since one told all.
    pub(crate) skipped: Skipped,
    /// Whether the process has `CAP_NET_ADMIN`, without which the driver carries out no request.
    pub(crate) has_net_admin: bool,
    /// The last list of options was cut, and the session did not say so yet.
    is_cut_unsaid: bool,
}

/// Links that are there all along, and that a dump of all links did not tell.
#[derive(Debug, Default)]
pub(crate) struct Skipped {
    /// A session that never knew them cannot know of them: nothing marked that, or the session says
    /// so.
    pub(crate) excused: BTreeSet<u32>,
    /// It was marked, and the session did not say so yet.
    unsaid: BTreeSet<u32>,
}

impl Skipped {
    fn end(&mut self, links: BTreeSet<u32>, is_marked: bool) {
        self.excused.retain(|link| links.contains(link));
        if is_marked {
            self.unsaid = links;
        } else {
            self.excused.extend(links);
            self.unsaid.clear();
        }
    }

    fn is_said(&mut self) {
        self.excused.append(&mut self.unsaid);
    }
}

/// A dump of the links that is under way.
#[derive(Debug)]
struct Dump {
    /// The last index told, and how many were told.
    last: u32,
    count: usize,
    /// The links that were there at the start, and are to be told yet.
    untold: BTreeSet<u32>,
    /// Only the ports of this link are told.
    master: Option<u32>,
    generation: u64,
    is_interrupted: bool,
    sequence: u32,
}

/// What a request leads to: first the notices, then the datagrams of the answer.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) notices: Vec<Notice>,
    pub(crate) answer: Vec<Vec<u8>>,
    /// The answer if nobody got the notices.
    pub(crate) answer_if_unheard: Option<Vec<u8>>,
}

impl Reply {
    fn of(answer: Vec<Vec<u8>>) -> Self {
        Self { answer, ..Self::default() }
    }
}

impl Service {
    pub(crate) fn new(setting: Setting) -> Self {
        let Setting { items, dumps_by_position, .. } = setting;
        let (truth, skipped) = (Truth::new(setting), Skipped::default());
        Self {
            truth,
            dump: None,
            items,
            dumps_by_position,
            skipped,
            has_net_admin: true,
            is_cut_unsaid: false,
        }
    }

    /// Answers an rtnetlink request.
    pub(crate) fn rtnl(&mut self, request: &Frame<'_>) -> Reply {
        let index = u32::from_ne_bytes(request.payload[4..8].try_into().expect("four bytes"));
        let attributes = &request.payload[16..];
        let answer = match request.kind {
            RTM_GETLINK if request.has(NLM_F_DUMP) && self.dump.is_some() => Err(EBUSY),
            RTM_GETLINK if request.has(NLM_F_DUMP) => {
                let generation = self.truth.generation;
                let (master, sequence) = (find_u32(attributes, IFLA_MASTER), request.sequence);
                let untold = self.truth.links.keys().copied().collect();
                let (last, count, is_interrupted) = (0, 0, false);
                self.dump = Some(Dump {
                    last,
                    count,
                    untold,
                    master,
                    generation,
                    is_interrupted,
                    sequence,
                });
                return Reply::of(self.next_part().into_iter().collect());
            }
            RTM_GETLINK => match self.truth.links.get(&index) {
                Some(link) => {
                    return Reply::of(vec![wire::link(RTM_NEWLINK, 0, index, link), ack(0)]);
                }
                None => Err(ENODEV),
            },
            RTM_DELLINK => self.truth.delete(index),
            RTM_SETLINK => set_link(&mut self.truth, index, attributes),
            _ => Err(EINVAL),
        };
        Reply { notices: self.truth.take_notices(), ..Reply::of(vec![verdict(answer)]) }
    }

    /// Whether the session has said all there is to say of what it could not be told.
    pub(crate) fn is_all_said(&self) -> bool {
        !self.is_cut_unsaid || self.truth.is_gone
    }

    /// The session says that something may be missing.
    pub(crate) fn is_said(&mut self) {
        self.skipped.is_said();
        self.is_cut_unsaid = false;
    }

    /// Whether the dump of this number is under way.
    pub(crate) fn is_dumping(&self, sequence: u32) -> bool {
        self.dump.as_ref().is_some_and(|dump| dump.sequence == sequence)
    }

    pub(crate) fn forget_dump(&mut self) {
        self.dump = None;
    }

    /// Whether a session may lack something without being wrong: never what the team's driver tells
    /// of too.
    pub(crate) fn may_be_missing(&self, key: &Key, value: &Value) -> bool {
        match (key, value) {
            (Key::Link(ifindex), Value::Link(link)) => {
                self.skipped.excused.contains(ifindex) && link.master.is_none()
            }
            _ => false,
        }
    }

    /// The next datagram of the dump that is under way.
    pub(crate) fn next_part(&mut self) -> Option<Vec<u8>> {
        let mut dump = self.dump.take()?;
        // Only the first message after a link came or went says so.
        let mut flags = NLM_F_MULTIPART;
        let is_marked = dump.generation != self.truth.generation;
        if is_marked {
            dump.generation = self.truth.generation;
            flags |= NLM_F_DUMP_INTR;
        }
        let (from, skipped) =
            if self.dumps_by_position { (0, dump.count) } else { (dump.last + 1, 0) };
        let mut messages = vec![];
        for (ifindex, link) in self.truth.links.range(from..).skip(skipped) {
            if messages.len() == self.items {
                break;
            }
            if dump.master.is_none_or(|master| link.master == Some(master)) {
                messages.push(wire::link(RTM_NEWLINK, flags, *ifindex, link));
                flags = NLM_F_MULTIPART;
            }
            dump.untold.remove(ifindex);
            (dump.last, dump.count) = (*ifindex, dump.count + 1);
        }
        dump.untold.retain(|ifindex| self.truth.links.contains_key(ifindex));
        let sequence = dump.sequence;
        if messages.is_empty() {
            // That something came or went behind the last link, nobody says.
            messages.push(message(NLMSG_DONE, NLM_F_MULTIPART, &[0; 4]));
            if dump.master.is_none() {
                self.skipped.end(dump.untold, dump.is_interrupted);
            }
        } else {
            dump.is_interrupted |= is_marked;
            self.dump = Some(dump);
        }
        Some(with_sequence(messages.concat(), sequence))
    }

    /// Answers a generic netlink request.
    pub(crate) fn genl(&mut self, request: &Frame<'_>) -> Reply {
        if request.kind != FAMILY {
            return Reply::of(family().to_vec());
        }
        let (command, attributes) = (request.payload[0], &request.payload[4..]);
        let team = find_u32(attributes, 1).expect("requests are about a team");
        if !self.has_net_admin {
            return Reply::of(vec![verdict(Err(EPERM))]);
        }
        if self.truth.is_gone {
            return Reply::of(vec![verdict(Err(EINVAL))]);
        }
        match command {
            1 => {
                let answer = set_option(&mut self.truth, find(attributes, 2).expect("a list"));
                // A value that nobody could be told is set, and the driver says that nobody was
                // there.
                let answer_if_unheard = answer.is_ok().then(|| verdict(Err(ESRCH)));
                Reply {
                    notices: self.truth.take_notices(),
                    answer: vec![verdict(answer)],
                    answer_if_unheard,
                }
            }
            2 => Reply::of(self.list_options(team)),
            3 => Reply::of(multipart(
                wire::ports(team, &self.truth.ports, Mark::None, self.items),
                self.items,
            )),
            _ => Reply::of(vec![verdict(Err(EINVAL))]),
        }
    }

    fn list_options(&mut self, team: u32) -> Vec<Vec<u8>> {
        self.is_cut_unsaid = self.truth.is_list_cut();
        let mut datagrams = wire::options(team, self.truth.list_options(), Mark::None, self.items);
        if self.is_cut_unsaid {
            datagrams.push(verdict(Err(EMSGSIZE)));
            return datagrams;
        }
        multipart(datagrams, self.items)
    }
}

fn set_link(truth: &mut Truth, index: u32, attributes: &[u8]) -> Answer {
    if !truth.links.contains_key(&index) {
        return Err(ENODEV);
    }
    match (find_u32(attributes, IFLA_MASTER), find(attributes, IFLA_ADDRESS)) {
        (Some(0), _) => truth.release(index),
        (Some(_), _) => truth.enslave(index),
        (None, Some(hwaddr)) => truth.set_hwaddr(index, hwaddr),
        (None, None) => Err(EINVAL),
    }
}

fn set_option(truth: &mut Truth, list: &[u8]) -> Answer {
    let item = find(list, 1).ok_or(EINVAL)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes[..bytes.len() - 1].to_vec()).expect("text");
    let id = OptionId {
        name: text(find(item, 1).ok_or(EINVAL)?).into(),
        port: find_u32(item, 6).and_then(IfIndex::new),
        array_index: find_u32(item, 7),
    };
    let data = find(item, 4);
    let number = || data.and_then(|data| data.try_into().ok()).ok_or(EINVAL);
    let value = match find(item, 3).ok_or(EINVAL)? {
        [3] => OptionValue::U32(u32::from_ne_bytes(number()?)),
        [5] => OptionValue::String(text(data.ok_or(EINVAL)?)),
        [6] => OptionValue::Bool(data.is_some()),
        [11] => OptionValue::Binary(data.ok_or(EINVAL)?.to_vec()),
        [14] => OptionValue::I32(i32::from_ne_bytes(number()?)),
        _ => return Err(ENOENT),
    };
    truth.set(&id, value)
}

fn verdict(answer: Answer) -> Vec<u8> {
    ack(answer.map_or_else(|errno| -errno, |()| 0))
}

/// The datagrams of a multipart message. The end is in the last one, or by itself.
pub(crate) fn multipart(messages: Vec<Vec<u8>>, items: usize) -> Vec<Vec<u8>> {
    let mut datagrams = messages;
    match datagrams.last_mut() {
        Some(last) if items % 2 == 0 => last.extend(bare_done()),
        _ => datagrams.push(bare_done()),
    }
    datagrams
}
