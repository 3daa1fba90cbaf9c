//! Answers requests from the state of the namespace.

use std::collections::{BTreeMap, BTreeSet};

use netlink_packet_core::{
    NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_ECHO, NLM_F_MULTIPART, NLMSG_DONE,
};

use super::event::Setting;
use super::namespace::{
    Answer, EBUSY, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, EPERM, LOOPBACK, Namespace,
};
use super::notice::Notice;
use super::state::{Key, Value};
use super::wire::{self, Mark, find, find_u32};
use crate::model::ifindex::IfIndex;
use crate::model::option::OptionId;
use crate::model::option_value::OptionValue;
use crate::netlink::codec::attribute::attributes;
use crate::netlink::codec::frame::Frame;
use crate::netlink::codec::link::{
    IFLA_ADDRESS, IFLA_ALT_IFNAME, IFLA_CARRIER, IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINKINFO,
    IFLA_MASTER, IFLA_MTU, RTM_DELLINK, RTM_NEWLINK,
};
use crate::testing::bytes::{ack, bare_done, message, with_sequence};
#[cfg(test)]
use crate::testing::digest::Digest;
use crate::testing::messages::{FAMILY, family};

const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const RTM_GETADDR: u16 = 22;
const IFINFOMSG_LEN: usize = 16;
const IFF_UP: u32 = 1;
/// What a request may have of a link, or for a new one.
const SETTABLE: [u16; 7] = [
    IFLA_ADDRESS,
    IFLA_IFNAME,
    IFLA_MTU,
    IFLA_MASTER,
    IFLA_LINKINFO,
    IFLA_CARRIER,
    IFLA_ALT_IFNAME,
];
const GENL_ID_CTRL: u16 = 16;
const GENLMSGHDR_LEN: usize = 4;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const EMSGSIZE: i32 = 90;
const ESRCH: i32 = 3;

/// Answers requests, and keeps what a session may lack without being wrong.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) namespace: Namespace,
    /// The dumps that are under way, by the socket that requested them.
    dumps: BTreeMap<usize, Dump>,
    items: usize,
    dumps_by_position: bool,
    /// How often a session requests a dump that is interrupted.
    max_attempts: u32,
    /// What dumps have skipped since one contained all links.
    pub(crate) skipped: Skipped,
    /// Whether the process has `CAP_NET_ADMIN`, without which the driver carries out no request.
    pub(crate) has_net_admin: bool,
    /// The last list of options was cut, and the session has not reported that yet.
    pub(crate) is_cut_unreported: bool,
}

/// Links that existed all the time, and that a dump of all links did not contain.
#[derive(Debug, Default)]
pub(crate) struct Skipped {
    /// A session that never knew them cannot know of them: the dump had no mark, or the session has
    /// reported that something may be missing.
    pub(crate) excused: BTreeSet<u32>,
    /// Each attempt of the session was marked, and the session has not reported that yet.
    unreported: BTreeSet<u32>,
    /// How many dumps were requested one after the other, without another request in between.
    attempts: u32,
}

impl Skipped {
    /// Records the end of a dump that skipped these links, marked or not. While attempts are left
    /// a marked dump is no excuse: the session has to repeat it.
    fn end(&mut self, links: BTreeSet<u32>, is_marked: bool, max_attempts: u32) {
        self.excused.retain(|link| links.contains(link));
        self.unreported.clear();
        if !is_marked {
            self.excused.extend(links);
        } else if self.attempts >= max_attempts {
            self.unreported = links;
        }
    }

    fn mark_reported(&mut self) {
        self.excused.append(&mut self.unreported);
    }
}

/// A dump of the links that is under way.
#[derive(Debug)]
struct Dump {
    /// The last index that was listed, and how many links were.
    last: u32,
    count: usize,
    /// The links that existed at the start, and are still to be listed.
    unlisted: BTreeSet<u32>,
    /// Only the ports of this link are listed.
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
    /// The answer if no socket got the notices.
    pub(crate) answer_if_undelivered: Option<Vec<u8>>,
}

impl Reply {
    pub(crate) fn of(answer: Vec<Vec<u8>>) -> Self {
        Self { answer, ..Self::default() }
    }
}

impl Service {
    pub(crate) fn new(setting: Setting) -> Self {
        Self::with_namespace(Namespace::new(setting), setting)
    }

    /// With as little as possible: see [`Namespace::smallest`].
    #[cfg(test)]
    pub(crate) fn smallest(setting: Setting) -> Self {
        Self::with_namespace(Namespace::smallest(setting), setting)
    }

    /// Without a team.
    pub(crate) fn empty(setting: Setting) -> Self {
        Self::with_namespace(Namespace::empty(setting.items), setting)
    }

    fn with_namespace(namespace: Namespace, setting: Setting) -> Self {
        let Setting { items, dumps_by_position, attempts, .. } = setting;
        let skipped = Skipped::default();
        Self {
            namespace,
            dumps: BTreeMap::new(),
            items,
            dumps_by_position,
            max_attempts: attempts,
            skipped,
            has_net_admin: true,
            is_cut_unreported: false,
        }
    }

    #[cfg(test)]
    pub(super) fn digest(&self, digest: &mut Digest) {
        let Namespace { links, ports, options, .. } = &self.namespace;
        digest.debug(&(links, ports, options));
        digest.debug(&(&self.dumps, &self.skipped.excused, &self.skipped.unreported));
    }

    /// Answers an rtnetlink request.
    pub(crate) fn rtnl(&mut self, socket: usize, request: &Frame<'_>) -> Reply {
        let is_dump = request.has(NLM_F_DUMP);
        if !is_dump {
            self.skipped.attempts = 0;
        }
        let result = match request.kind {
            RTM_GETLINK if is_dump && self.dumps.contains_key(&socket) => Err(EBUSY),
            RTM_GETLINK if is_dump => return self.start_dump(socket, request),
            // The links of the model have no addresses.
            RTM_GETADDR if is_dump => {
                return Reply::of(vec![message(NLMSG_DONE, NLM_F_MULTIPART, &[0; 4])]);
            }
            RTM_NEWLINK | RTM_DELLINK | RTM_GETLINK | RTM_SETLINK => self.link(request),
            _ => Err(EOPNOTSUPP),
        };
        let (mut answer, verdict) = match result {
            Ok(answer) => (answer, ack(0)),
            Err(errno) => (vec![], ack(-errno)),
        };
        answer.push(verdict);
        Reply { notices: self.namespace.take_notices(), ..Reply::of(answer) }
    }

    fn start_dump(&mut self, socket: usize, request: &Frame<'_>) -> Reply {
        self.skipped.attempts += 1;
        let master = request.payload.get(IFINFOMSG_LEN..);
        let dump = Dump {
            last: 0,
            count: 0,
            unlisted: self.namespace.links.keys().copied().collect(),
            master: master.and_then(|attributes| find_u32(attributes, IFLA_MASTER)),
            generation: self.namespace.generation,
            is_interrupted: false,
            sequence: request.sequence,
        };
        self.dumps.insert(socket, dump);
        Reply::of(self.next_part(socket).into_iter().collect())
    }

    /// Answers a request about one link, but for the acknowledgement.
    fn link(&mut self, request: &Frame<'_>) -> Result<Vec<Vec<u8>>, i32> {
        let (header, attributes) = request.payload.split_at_checked(IFINFOMSG_LEN).ok_or(EINVAL)?;
        let number = |at: usize| header[at..at + 4].try_into().map(u32::from_ne_bytes);
        let index = number(4).map_err(|_| EINVAL)?;
        let flags = number(8).map_err(|_| EINVAL)?;
        let change = number(12).map_err(|_| EINVAL)?;
        let up = (change & IFF_UP != 0).then_some(flags & IFF_UP != 0);
        if request.kind == RTM_NEWLINK && request.has(NLM_F_CREATE) {
            return self.create_link(index, up, attributes, request.has(NLM_F_ECHO));
        }
        let ifindex = self.find_link(index, attributes)?;
        match request.kind {
            RTM_GETLINK => return Ok(vec![self.newlink(ifindex)]),
            RTM_DELLINK if ifindex == LOOPBACK => return Err(EOPNOTSUPP),
            RTM_DELLINK => self.namespace.delete(ifindex)?,
            _ => set_link(&mut self.namespace, ifindex, up, attributes, index == 0)?,
        }
        Ok(vec![])
    }

    fn create_link(
        &mut self,
        index: u32,
        up: Option<bool>,
        attributes: &[u8],
        echo: bool,
    ) -> Result<Vec<Vec<u8>>, i32> {
        let name = find_text(attributes, IFLA_IFNAME).ok_or(EINVAL)?;
        let kind = find(attributes, IFLA_LINKINFO).and_then(|info| find_text(info, IFLA_INFO_KIND));
        let ifindex = self.namespace.add(&name, &kind.ok_or(EOPNOTSUPP)?, index)?;
        let result = set_link(&mut self.namespace, ifindex, up, attributes, true);
        if result.is_err() {
            self.namespace.delete(ifindex)?;
        }
        result.map(|()| if echo { vec![self.newlink(ifindex)] } else { vec![] })
    }

    /// The link that a request names by its index, or by its name.
    fn find_link(&self, index: u32, attributes: &[u8]) -> Result<u32, i32> {
        if index != 0 {
            return self.namespace.links.contains_key(&index).then_some(index).ok_or(ENODEV);
        }
        let name = find_text(attributes, IFLA_IFNAME)
            .or_else(|| find_text(attributes, IFLA_ALT_IFNAME))
            .ok_or(EINVAL)?;
        self.namespace.find(&name).ok_or(ENODEV)
    }

    fn newlink(&self, ifindex: u32) -> Vec<u8> {
        wire::link(RTM_NEWLINK, 0, ifindex, &self.namespace.links[&ifindex])
    }

    /// Whether the session has reported that its list of options is cut, if it is.
    pub(crate) fn is_all_reported(&self) -> bool {
        !self.is_cut_unreported || self.namespace.is_gone
    }

    /// Records that the session has reported that something may be missing.
    pub(crate) fn mark_reported(&mut self) {
        self.skipped.mark_reported();
        self.is_cut_unreported = false;
    }

    /// Whether the dump of this number is under way.
    pub(crate) fn is_dumping(&self, socket: usize, sequence: u32) -> bool {
        self.dumps.get(&socket).is_some_and(|dump| dump.sequence == sequence)
    }

    pub(super) fn has_dump(&self, socket: usize) -> bool {
        self.dumps.contains_key(&socket)
    }

    pub(crate) fn forget_dump(&mut self, socket: usize) {
        self.dumps.remove(&socket);
    }

    /// Whether a session may lack this without being wrong. That is never a port, which the team's
    /// driver reports too.
    pub(crate) fn may_be_missing(&self, key: &Key, value: &Value) -> bool {
        match (key, value) {
            (Key::Link(ifindex), Value::Link(link)) => {
                self.skipped.excused.contains(ifindex) && link.master.is_none()
            }
            _ => false,
        }
    }

    /// The next datagram of the dump that is under way on a socket.
    pub(crate) fn next_part(&mut self, socket: usize) -> Option<Vec<u8>> {
        let mut dump = self.dumps.remove(&socket)?;
        // Only the first message after a link was created or deleted has the mark.
        let mut flags = NLM_F_MULTIPART;
        let is_marked = dump.generation != self.namespace.generation;
        if is_marked {
            dump.generation = self.namespace.generation;
            flags |= NLM_F_DUMP_INTR;
        }
        let (from, skipped) =
            if self.dumps_by_position { (0, dump.count) } else { (dump.last + 1, 0) };
        let mut messages = vec![];
        for (ifindex, link) in self.namespace.links.range(from..).skip(skipped) {
            if messages.len() == self.items {
                break;
            }
            if dump.master.is_none_or(|master| link.master == Some(master)) {
                messages.push(wire::link(RTM_NEWLINK, flags, *ifindex, link));
                flags = NLM_F_MULTIPART;
            }
            dump.unlisted.remove(ifindex);
            (dump.last, dump.count) = (*ifindex, dump.count + 1);
        }
        dump.unlisted.retain(|ifindex| self.namespace.links.contains_key(ifindex));
        let sequence = dump.sequence;
        if messages.is_empty() {
            // The kernel does not mark a change behind the last link.
            messages.push(message(NLMSG_DONE, NLM_F_MULTIPART, &[0; 4]));
            if dump.master.is_none() {
                self.skipped.end(dump.unlisted, dump.is_interrupted, self.max_attempts);
            }
        } else {
            dump.is_interrupted |= is_marked;
            self.dumps.insert(socket, dump);
        }
        Some(with_sequence(messages.concat(), sequence))
    }

    /// Answers a generic netlink request.
    pub(crate) fn genl(&mut self, request: &Frame<'_>) -> Reply {
        let Some(([command, ..], attributes)) = request.payload.split_at_checked(GENLMSGHDR_LEN)
        else {
            return Reply::of(vec![verdict(Err(EINVAL))]);
        };
        match request.kind {
            FAMILY => {}
            GENL_ID_CTRL
                if find_text(attributes, CTRL_ATTR_FAMILY_NAME).as_deref() == Some("team") =>
            {
                return Reply::of(family().to_vec());
            }
            _ => return Reply::of(vec![verdict(Err(ENOENT))]),
        }
        let team = find_u32(attributes, 1);
        if !self.has_net_admin {
            return Reply::of(vec![verdict(Err(EPERM))]);
        }
        let Some(team) =
            team.filter(|team| *team == self.namespace.team && !self.namespace.is_gone)
        else {
            return Reply::of(vec![verdict(Err(EINVAL))]);
        };
        match command {
            1 => {
                let answer = find(attributes, 2)
                    .ok_or(EINVAL)
                    .and_then(|list| set_option(&mut self.namespace, list));
                // A value that no socket could receive is set, and the driver says that there is no
                // listener.
                let answer_if_undelivered = answer.is_ok().then(|| verdict(Err(ESRCH)));
                Reply {
                    notices: self.namespace.take_notices(),
                    answer: vec![verdict(answer)],
                    answer_if_undelivered,
                }
            }
            2 => Reply::of(self.list_options(team)),
            3 => Reply::of(multipart(
                wire::ports(team, &self.namespace.ports, Mark::None, self.items),
                self.items,
            )),
            _ => Reply::of(vec![verdict(Err(EINVAL))]),
        }
    }

    fn list_options(&mut self, team: u32) -> Vec<Vec<u8>> {
        self.is_cut_unreported = self.namespace.is_list_cut();
        let mut datagrams =
            wire::options(team, self.namespace.list_options(), Mark::None, self.items);
        if self.is_cut_unreported {
            datagrams.push(verdict(Err(EMSGSIZE)));
            return datagrams;
        }
        multipart(datagrams, self.items)
    }
}

/// Applies what a request sets, in the kernel's order: `do_setlink` in net/core/rtnetlink.c.
fn set_link(
    namespace: &mut Namespace,
    ifindex: u32,
    up: Option<bool>,
    attributes: &[u8],
    is_named: bool,
) -> Answer {
    if self::attributes(attributes)
        .map_while(Result::ok)
        .any(|attribute| !SETTABLE.contains(&attribute.kind))
    {
        return Err(EOPNOTSUPP);
    }
    if let Some(hwaddr) = find(attributes, IFLA_ADDRESS) {
        namespace.set_hwaddr(ifindex, hwaddr)?;
    }
    if let Some(mtu) = find_u32(attributes, IFLA_MTU) {
        namespace.set_mtu(ifindex, mtu)?;
    }
    if let Some(name) = find_text(attributes, IFLA_IFNAME).filter(|_| !is_named) {
        namespace.set_name(ifindex, &name)?;
    }
    match find_u32(attributes, IFLA_MASTER) {
        None => {}
        Some(0) => namespace.release(ifindex)?,
        Some(master) if !namespace.links.contains_key(&master) => return Err(EINVAL),
        Some(master) if master != namespace.team => return Err(EOPNOTSUPP),
        Some(_) => namespace.enslave(ifindex)?,
    }
    if let Some(up) = up {
        namespace.set_up(ifindex, up)?;
    }
    match find(attributes, IFLA_CARRIER) {
        Some(carrier) => namespace.set_team_carrier(ifindex, *carrier != [0]),
        None => Ok(()),
    }
}

/// The value of an attribute as text, without the 0 at its end.
fn find_text(attributes: &[u8], kind: u16) -> Option<String> {
    text(find(attributes, kind)?).ok()
}

fn text(bytes: &[u8]) -> Result<String, i32> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    String::from_utf8(bytes.to_vec()).map_err(|_| EINVAL)
}

fn set_option(namespace: &mut Namespace, list: &[u8]) -> Answer {
    let item = find(list, 1).ok_or(EINVAL)?;
    let id = OptionId {
        name: text(find(item, 1).ok_or(EINVAL)?)?.into(),
        port: find_u32(item, 6).and_then(IfIndex::new),
        array_index: find_u32(item, 7),
    };
    let data = find(item, 4);
    let number = || data.and_then(|data| data.try_into().ok()).ok_or(EINVAL);
    let value = match find(item, 3).ok_or(EINVAL)? {
        [3] => OptionValue::U32(u32::from_ne_bytes(number()?)),
        [5] => OptionValue::String(text(data.ok_or(EINVAL)?)?),
        [6] => OptionValue::Bool(data.is_some()),
        [11] => OptionValue::Binary(data.ok_or(EINVAL)?.to_vec()),
        [14] => OptionValue::I32(i32::from_ne_bytes(number()?)),
        _ => return Err(ENOENT),
    };
    namespace.set(&id, value)
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
