//! The sockets of a scene, and what they received.

use std::time::Duration;

use netlink_sys::Socket;
use netlink_sys::protocols::{NETLINK_GENERIC, NETLINK_ROUTE};

use crate::message::{
    DONE, ERROR, NEWLINK, NOOP, TEAM_FAMILY, attribute, attributes, kind, message, messages, slim,
};

/// The index of the team in every scene.
pub(crate) const TEAM: u32 = 10;
const GENL_CONTROLLER: u16 = 16;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
pub(crate) const DUMP: u16 = 0x300;

/// What a scene recorded.
#[derive(Default)]
pub(crate) struct Recorded {
    /// Every datagram, in order.
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// The reply of the generic netlink controller.
    pub(crate) family: Vec<u8>,
    /// All messages, in the form of the input of the target `cache`.
    pub(crate) story: Vec<u8>,
    /// The options that the team had, as text: name, type, value.
    pub(crate) options: Vec<String>,
}

/// Sockets that receive events of links and of the driver, and send requests to both.
pub(crate) struct Recorder {
    links: Socket,
    team: Socket,
    route: Socket,
    generic: Socket,
    pub(crate) recorded: Recorded,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let open = |protocol| {
            let mut socket = Socket::new(protocol).unwrap();
            socket.bind_auto().unwrap();
            socket.set_rx_buf_sz(4_i32 << 20).unwrap();
            socket
        };
        let mut recorder = Self {
            links: open(NETLINK_ROUTE),
            team: open(NETLINK_GENERIC),
            route: open(NETLINK_ROUTE),
            generic: open(NETLINK_GENERIC),
            recorded: Recorded::default(),
        };
        recorder.route.set_ext_ack(true).unwrap();
        recorder.generic.set_ext_ack(true).unwrap();
        // With strict checks the kernel can also refuse dumps.
        recorder.route.set_netlink_get_strict_chk(true).unwrap();
        recorder.links.add_membership(1).unwrap();
        let group = recorder.find_family();
        recorder.team.add_membership(group).unwrap();
        recorder.links.set_non_blocking(true).unwrap();
        recorder.team.set_non_blocking(true).unwrap();
        recorder
    }

    /// Looks up the family, and returns its multicast group.
    fn find_family(&mut self) -> u32 {
        let name = attribute(2, b"team\0");
        let request = message(GENL_CONTROLLER, REQUEST, 1, &[&[3, 1, 0, 0], &name[..]].concat());
        let answer = ask(&self.generic, &request).remove(0);
        let list = attributes(&answer[20..]);
        let value =
            |wanted: u16| list.iter().find(|(kind, _)| *kind == wanted).expect("a family has it").1;
        assert_eq!(
            value(1),
            TEAM_FAMILY.to_ne_bytes(),
            "another family was loaded before the driver's"
        );
        let (_, group) = attributes(value(7)).remove(0);
        let id =
            attributes(group).iter().find(|(kind, _)| *kind == 2).expect("a group has a number").1;
        let id = u32::from_ne_bytes(id.try_into().unwrap());
        self.recorded.family = answer[16..].to_vec();
        self.recorded.datagrams.push(answer);
        id
    }

    /// Receives the events of the last action, those of the driver first, like a handle.
    pub(crate) fn receive(&mut self) {
        // The driver announces carriers from a work queue.
        std::thread::sleep(Duration::from_millis(30));
        for socket in [&self.team, &self.links] {
            while let Ok((datagram, _)) = socket.recv_from_full() {
                self.recorded.story.extend(events(&datagram));
                self.recorded.datagrams.push(datagram);
            }
        }
        self.recorded.story.extend(message(NOOP, 0, 0, &[]));
    }

    /// Dumps links, ports and options, like a handle after lost events. `during` runs between the
    /// first datagram of the links and the others.
    pub(crate) fn resync(&mut self, during: impl FnOnce()) {
        let skip_stats = attribute(29, &8_u32.to_ne_bytes());
        let links = message(18, REQUEST | DUMP, 2, &[&[0; 16], &skip_stats[..]].concat());
        self.route.send(&links, 0).unwrap();
        let mut answer = vec![self.route.recv_from_full().unwrap().0];
        during();
        while !is_whole(&answer) {
            answer.push(self.route.recv_from_full().unwrap().0);
        }
        for command in [3, 2] {
            let team = attribute(1, &TEAM.to_ne_bytes());
            let request =
                message(TEAM_FAMILY, REQUEST, 3, &[&[command, 1, 0, 0], &team[..]].concat());
            answer.extend(ask(&self.generic, &request));
        }
        for datagram in answer {
            self.recorded.story.extend(messages(&datagram).into_iter().flat_map(shortened));
            self.recorded.datagrams.push(datagram);
        }
        self.recorded.story.extend(message(NOOP, 0, 0, &[]));
    }

    /// Sends a request to rtnetlink or to the driver, and records the reply, with and without a
    /// copy of the request in it.
    pub(crate) fn request(&mut self, request_kind: u16, flags: u16, payload: &[u8]) {
        let request = message(request_kind, REQUEST | ACK | flags, 4, payload);
        let socket = if request_kind == TEAM_FAMILY { &mut self.generic } else { &mut self.route };
        for capped in [false, true] {
            socket.set_cap_ack(capped).unwrap();
            self.recorded.datagrams.extend(ask(socket, &request));
        }
    }

    /// Records the request with which a handle sets an option.
    pub(crate) fn note_request(&mut self, items: &[Vec<u8>]) {
        let item = attribute(1, &items.concat());
        let payload =
            [&[1, 1, 0, 0], &attribute(1, &TEAM.to_ne_bytes())[..], &attribute(2, &item)].concat();
        self.recorded.story.extend(message(TEAM_FAMILY, REQUEST | ACK, 5, &payload));
    }
}

/// Sends a request and reads the whole reply.
fn ask(socket: &Socket, request: &[u8]) -> Vec<Vec<u8>> {
    socket.send(request, 0).unwrap();
    let mut answer = Vec::new();
    while !is_whole(&answer) {
        answer.push(socket.recv_from_full().unwrap().0);
    }
    answer
}

fn is_whole(answer: &[Vec<u8>]) -> bool {
    let is_last = |message: &&[u8]| matches!(kind(message), DONE | ERROR) || message[6] & 2 == 0;
    answer.last().is_some_and(|datagram| messages(datagram).last().is_some_and(is_last))
}

/// Returns the messages of a datagram as events.
fn events(datagram: &[u8]) -> Vec<u8> {
    messages(datagram)
        .into_iter()
        .filter(|message| kind(message) != DONE)
        .flat_map(shortened)
        .collect()
}

fn shortened(message: &[u8]) -> Vec<u8> {
    match kind(message) {
        NEWLINK | crate::message::DELLINK if message[16] == 0 => slim(message),
        TEAM_FAMILY => slim(message),
        _ => message.to_vec(),
    }
}
