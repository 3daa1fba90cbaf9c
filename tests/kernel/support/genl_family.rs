//! The ids of the driver's generic netlink family, queried without the library.

use netlink_packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_generic::GenlMessage;
use netlink_packet_generic::ctrl::nlas::{GenlCtrlAttrs, McastGrpAttrs};
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_sys::{Socket, SocketAddr};

pub(crate) struct Driver {
    /// The type of the family's messages.
    pub(crate) family: u16,
    /// The family's multicast group.
    pub(crate) group: u32,
}

impl Driver {
    /// Queries the ids by a bound generic netlink socket.
    pub(crate) fn query(socket: &Socket) -> Self {
        socket.send_to(&request(), &SocketAddr::new(0, 0), 0).unwrap();
        let (answer, _) = socket.recv_from_full().unwrap();
        let answer = NetlinkMessage::<GenlMessage<GenlCtrl>>::deserialize(&answer).unwrap();
        let NetlinkPayload::InnerMessage(answer) = answer.payload else {
            panic!("no team family in {answer:?}")
        };
        let (mut family, mut group) = (None, None);
        for attribute in answer.payload.nlas {
            match attribute {
                GenlCtrlAttrs::FamilyId(id) => family = Some(id),
                GenlCtrlAttrs::McastGroups(groups) => {
                    group = groups.into_iter().flatten().find_map(|attribute| match attribute {
                        McastGrpAttrs::Id(id) => Some(id),
                        McastGrpAttrs::Name(_) => None,
                    });
                }
                _ => {}
            }
        }
        Self { family: family.unwrap(), group: group.unwrap() }
    }
}

/// Returns the `CTRL_CMD_GETFAMILY` request.
pub(crate) fn request() -> Vec<u8> {
    let nlas = vec![GenlCtrlAttrs::FamilyName("team".to_owned())];
    let request = GenlMessage::from_payload(GenlCtrl { cmd: GenlCtrlCmd::GetFamily, nlas });
    let mut request = NetlinkMessage::from(request);
    request.header.flags = NLM_F_REQUEST;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    bytes
}
