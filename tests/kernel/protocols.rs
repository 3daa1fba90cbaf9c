//! `NetlinkConnection` with other protocols than rtnetlink: XFRM and netfilter.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use libteam::netlink::netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use libteam::netlink::{NetlinkConnection, Protocol};
use libteam::rtnl::netlink_packet_route::RouteNetlinkMessage;
use libteam::{Error, ErrorKind};
use netlink_packet_netfilter::conntrack::{
    ConntrackAttribute, ConntrackMessage, IPTuple, ProtoTuple, Protocol as IpProtocol, Tuple,
};
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};
use netlink_packet_xfrm::state::{DelGetMessage, ModifyMessage};
use netlink_packet_xfrm::{Alg, UserSaInfo, XFRM_INF, XfrmAttrs, XfrmMessage};

use crate::support::conntrack_cli::run_conntrack;
use crate::support::netns::{enter, ip};
use crate::support::programs::{example, run};

const UDP: [ProtoTuple; 1] = [ProtoTuple::Protocol(IpProtocol::Udp)];

fn netfilter(message: ConntrackMessage) -> NetfilterMessage {
    NetfilterMessage::new(NetfilterHeader::new(NetfilterProtoFamily::IPv4, 0, 0), message)
}

/// Returns a tracked UDP connection from this source port.
fn entry(port: u16) -> Vec<ConntrackAttribute> {
    let [client, server] = [1, 2].map(|last| IpAddr::from(Ipv4Addr::new(10, 0, 0, last)));
    let tuple = |src, dst, sport, dport| {
        let ports = [ProtoTuple::SourcePort(sport), ProtoTuple::DestinationPort(dport)];
        let addresses = vec![IPTuple::SourceAddress(src), IPTuple::DestinationAddress(dst)];
        vec![Tuple::Ip(addresses), Tuple::Proto(UDP.into_iter().chain(ports).collect())]
    };
    vec![
        ConntrackAttribute::CtaTupleOrig(tuple(client, server, port, 53)),
        ConntrackAttribute::CtaTupleReply(tuple(server, client, 53, port)),
        ConntrackAttribute::CtaTimeout(1000),
    ]
}

/// Enters a namespace with this many tracked connections, with source ports from 1.
fn tracking(count: u16) -> NetlinkConnection {
    enter();
    let mut connection = NetlinkConnection::new(Protocol::NETFILTER).unwrap();
    for port in 1..=count {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        connection.execute(netfilter(ConntrackMessage::New(entry(port))), flags).unwrap();
    }
    connection
}

#[test]
fn abandoned_dump_does_not_disturb_the_next() {
    let mut connection = tracking(3000);
    for _ in 0..20 {
        // No message of connection tracking can be decoded as one of rtnetlink.
        let error = connection
            .dump::<_, RouteNetlinkMessage>(netfilter(ConntrackMessage::Get(vec![])))
            .unwrap_err();
        assert!(matches!(error, Error::Decode { .. }), "expected Decode: {error}");
        let dump = connection
            .dump::<_, NetfilterMessage>(netfilter(ConntrackMessage::Get(vec![])))
            .unwrap();
        assert_eq!((dump.items().len(), dump.is_consistent(), dump.attempts()), (3000, true, 1));
    }
    assert_eq!(run_conntrack("-L").lines().count(), 3000);
}

#[test]
fn conntrack_errors_have_different_kinds() {
    let mut connection = tracking(2);
    let error = connection
        .execute(netfilter(ConntrackMessage::New(entry(1))), NLM_F_CREATE | NLM_F_EXCL)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    // The id of another entry than the one with these addresses.
    let other = ConntrackAttribute::Other(DefaultNla::new(12, vec![1, 2, 3, 4]));
    let key = [entry(1).remove(0), other].to_vec();
    let error = connection.execute(netfilter(ConntrackMessage::Delete(key)), 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    connection.execute(netfilter(ConntrackMessage::Delete(vec![entry(1).remove(0)])), 0).unwrap();
    let error = connection
        .execute(netfilter(ConntrackMessage::Delete(vec![entry(1).remove(0)])), 0)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "netlink request of type 258: no such file or directory (ENOENT)"
    );
    assert_eq!(error.raw_os_error(), Some(2));
    let answers: Vec<NetfilterMessage> =
        connection.request(netfilter(ConntrackMessage::Get(vec![entry(2).remove(0)])), 0).unwrap();
    assert_eq!(answers.len(), 1);
    assert_eq!(run_conntrack("-L").lines().count(), 1);
}

/// Returns an XFRM state with compression only.
fn state() -> ModifyMessage {
    let mut info = UserSaInfo::default();
    info.source(&Ipv4Addr::new(10, 0, 0, 1).into());
    info.destination(&Ipv4Addr::new(10, 0, 0, 2).into());
    info.id.spi = 0x999;
    info.id.proto = 108;
    info.lifetime_cfg.soft_byte_limit = XFRM_INF;
    info.lifetime_cfg.hard_byte_limit = XFRM_INF;
    info.lifetime_cfg.soft_packet_limit = XFRM_INF;
    info.lifetime_cfg.hard_packet_limit = XFRM_INF;
    let mut alg_name = [0; 64];
    alg_name[..7].copy_from_slice(b"deflate");
    let compression = XfrmAttrs::CompressionAlg(Alg { alg_name, alg_key_len: 0, alg_key: vec![] });
    ModifyMessage { user_sa_info: info, nlas: vec![compression] }
}

#[test]
fn xfrm_state_is_added_read_and_deleted() {
    enter();
    let mut connection = NetlinkConnection::new(Protocol::XFRM).unwrap();
    let mut alien = state();
    alien.user_sa_info.family = 77;
    let error = connection.execute(XfrmMessage::AddSa(alien), 0).unwrap_err();
    let Error::Kernel { message: Some(words), .. } = &error else { panic!("{error:?}") };
    assert_eq!((error.kind(), &**words), (ErrorKind::InvalidInput, "Invalid address family"));
    assert_eq!(
        error.to_string(),
        "netlink request of type 16: invalid argument (EINVAL): Invalid address family"
    );

    // A state for outgoing packets only; some kernels accept the direction but do not keep it.
    let mut outgoing = state();
    outgoing.nlas.push(XfrmAttrs::Other(DefaultNla::new(33, vec![2])));
    connection.execute(XfrmMessage::AddSa(outgoing), 0).unwrap();
    let error = connection.execute(XfrmMessage::AddSa(state()), 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let mut id = DelGetMessage::default();
    id.user_sa_id.destination(&Ipv4Addr::new(10, 0, 0, 2).into());
    id.user_sa_id.spi = 0x999;
    id.user_sa_id.proto = 108;
    let answers: Vec<XfrmMessage> = connection.request(XfrmMessage::GetSa(id.clone()), 0).unwrap();
    let [XfrmMessage::AddSa(found)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(found.user_sa_info.id, state().user_sa_info.id);
    let keeps_direction = found.nlas.contains(&XfrmAttrs::Other(DefaultNla::new(33, vec![2])));
    let mut ipsec = Command::new(example("ipsec"));
    ipsec.arg("states");
    let listed = run(ipsec).stdout;
    let direction = if keeps_direction { ", dir out" } else { "" };
    let line =
        format!("comp 10.0.0.1 -> 10.0.0.2, spi 0x00000999, reqid 0, mode transport{direction}\n");
    assert!(listed.starts_with(&line), "expected {line:?} at the start of {listed}");

    connection.execute(XfrmMessage::DeleteSa(id.clone()), 0).unwrap();
    let error = connection.request::<_, XfrmMessage>(XfrmMessage::GetSa(id), 0).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::NotFound, Some(3)));
    assert_eq!(ip("xfrm state"), "");
}

#[test]
fn unknown_protocol_is_an_error() {
    let error = NetlinkConnection::new(Protocol::new(31)).unwrap_err();
    assert_eq!(
        (error.kind(), &*error.to_string()),
        (
            ErrorKind::Unsupported,
            "opening a netlink socket: protocol not supported (EPROTONOSUPPORT)"
        )
    );
}
