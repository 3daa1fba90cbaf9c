use std::io;
use std::num::NonZeroU32;
use std::time::Duration;

use netlink_packet_core::{
    DefaultNla, NLM_F_CREATE, NLM_F_DUMP_INTR, NLM_F_MULTIPART, NetlinkHeader,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use nix::errno::Errno;

use super::*;
use crate::error::{Error, ErrorKind};
use crate::netlink::dump::InterruptedDump;
use crate::netlink::request::DumpPolicy;
use crate::testing::script::{Script, Step, ack, done, message};

const NUMBER: u16 = 0x5c2;

/// A message of a protocol that this crate does not know: one number.
#[derive(Debug, PartialEq, Eq)]
struct Number(u32);

#[derive(Debug, thiserror::Error)]
#[error("{0} bytes are not a number")]
struct NoNumber(usize);

impl NetlinkSerializable for Number {
    fn message_type(&self) -> u16 {
        NUMBER
    }

    fn buffer_len(&self) -> usize {
        4
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.0.to_ne_bytes());
    }
}

impl NetlinkDeserializable for Number {
    type Error = NoNumber;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, NoNumber> {
        let bytes = payload.try_into().map_err(|_| NoNumber(payload.len()))?;
        assert_eq!((header.message_type, header.length), (NUMBER, 20));
        Ok(Self(u32::from_ne_bytes(bytes)))
    }
}

fn connection(script: &Script, interrupted: InterruptedDump) -> NetlinkConnection {
    let dumps = DumpPolicy { attempts: NonZeroU32::new(3).unwrap(), interrupted };
    NetlinkConnection::from_socket(RequestSocket::new(
        script.clone(),
        Duration::from_millis(20),
        dumps,
    ))
}

fn number(number: u32, flags: u16) -> Vec<u8> {
    message(NUMBER, flags, &number.to_ne_bytes())
}

/// Returns a message that is not a `Number`.
fn other() -> Vec<u8> {
    message(NUMBER, NLM_F_MULTIPART, &[0; 12])
}

#[test]
fn request_accepts_any_message_type() {
    let script = Script::new([Step::answer(&[number(7, 0), number(8, 0), ack(0)])]);
    let answers: Vec<Number> =
        connection(&script, InterruptedDump::Keep).request(Number(5), NLM_F_CREATE).unwrap();
    assert_eq!(answers, [Number(7), Number(8)]);
    let [sent] = &script.sent()[..] else { panic!("sent {:?}, not one request", script.sent()) };
    let expected =
        [&20_u32.to_ne_bytes()[..], &NUMBER.to_ne_bytes(), &0x405_u16.to_ne_bytes()].concat();
    assert_eq!((&sent[..8], &sent[16..]), (&expected[..], &5_u32.to_ne_bytes()[..]));
}

#[test]
fn dump_contains_only_the_last_attempt() {
    let flags = NLM_F_MULTIPART | NLM_F_DUMP_INTR;
    let attempt =
        |first, flags| Step::answer(&[number(first, flags), number(9, NLM_F_MULTIPART), done(0)]);
    let script = Script::new([attempt(1, flags), attempt(2, NLM_F_MULTIPART)]);
    let dump: Dump<Number> = connection(&script, InterruptedDump::Fail).dump(Number(0)).unwrap();
    assert_eq!(
        (dump.items(), dump.is_consistent(), dump.attempts()),
        (&[Number(2), Number(9)][..], true, 2)
    );

    let script = Script::new((1..=3).map(|first| attempt(first, flags)));
    let dump: Dump<Number> = connection(&script, InterruptedDump::Keep).dump(Number(0)).unwrap();
    assert_eq!(
        (dump.items(), dump.is_consistent(), dump.attempts()),
        (&[Number(3), Number(9)][..], false, 3)
    );

    let script = Script::new((1..=3).map(|first| attempt(first, flags)));
    let error =
        connection(&script, InterruptedDump::Fail).dump::<_, Number>(Number(0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "netlink request of type 1474: interrupted by changes in each of 3 attempts"
    );
}

#[test]
fn connection_is_usable_after_undecodable_reply() {
    let script = Script::new([
        Step::answer(&[number(1, NLM_F_MULTIPART), other()]),
        Step::answer(&[done(0)]),
    ]);
    let mut connection = connection(&script, InterruptedDump::Keep);
    let error = connection.dump::<_, Number>(Number(0)).unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "found {error:?}, expected Decode");
    let text = "netlink request of type 1474: malformed reply: 12 bytes are not a number";
    assert_eq!(error.to_string(), text);
    assert_eq!((error.kind(), script.left()), (ErrorKind::InvalidData, 0));

    script.then([Step::answer(&[other(), ack(0)])]);
    let error = connection.request::<_, Number>(Number(0), 0).unwrap_err();
    assert_eq!(error.to_string(), text);

    script.then([Step::answer(&[other(), ack(0)])]);
    connection.execute(Number(0), 0).unwrap();
}

/// Returns the errors of a request, a command and a dump if this follows the first part of a reply.
fn failures(step: impl Fn() -> Option<Step>) -> [Error; 3] {
    let connection = || {
        let script = Script::new([Step::answer(&[number(1, NLM_F_MULTIPART)])]);
        script.then(step());
        connection(&script, InterruptedDump::Keep)
    };
    [
        connection().request::<_, Number>(Number(0), 0).unwrap_err(),
        connection().execute(Number(0), 0).unwrap_err(),
        connection().dump::<_, Number>(Number(0)).unwrap_err(),
    ]
}

#[test]
fn requests_and_dumps_fail_with_same_errors() {
    let check = |errors: [Error; 3], kind, reason: &str| {
        for error in errors {
            let text = format!("netlink request of type 1474: {reason}");
            assert_eq!((error.kind(), error.to_string()), (kind, text));
        }
    };
    check(
        failures(|| Some(Step::answer(&[ack(-17)]))),
        ErrorKind::AlreadyExists,
        "file exists (EEXIST)",
    );
    check(
        failures(|| Some(Step::answer(&[done(-1)]))),
        ErrorKind::PermissionDenied,
        "operation not permitted (EPERM)",
    );
    check(failures(|| None), ErrorKind::TimedOut, "no reply within 20ms");
    check(
        failures(|| Some(Step::Fails(Errno::EBADF))),
        ErrorKind::Other,
        "bad file number (EBADF)",
    );
    let cut = || Some(Step::Answer { bytes: ack(0)[..18].to_vec(), offset: 0 });
    check(
        failures(cut),
        ErrorKind::InvalidData,
        "malformed reply: a message's length does not fit its datagram",
    );
}

#[test]
fn request_with_too_long_attribute_is_not_sent() {
    let script = Script::new([]);
    let mut connection = connection(&script, InterruptedDump::Keep);
    for length in [65_500, 65_532, 65_536, 200_000] {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::Other(DefaultNla::new(20, vec![0; length])));
        let error = connection.execute(RouteNetlinkMessage::SetLink(message), 0).unwrap_err();
        assert!(
            matches!(&error, Error::Io { error, .. } if error.kind() == io::ErrorKind::InvalidInput),
            "found {error:?}, expected InvalidInput"
        );
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(script.sent().len(), 0);
}
