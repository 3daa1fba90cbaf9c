//! A hint for kernels without the team driver.

use libteam::netlink::{NetlinkConnection, Protocol};
use libteam::{ErrorKind, Result};
use netlink_packet_generic::GenlMessage;
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};

/// Returns the end of an error message on a kernel without the team driver, else an empty string.
pub(crate) fn hint() -> &'static str {
    let is_missing = look_up_family().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if is_missing {
        "; this kernel has no team driver loaded: tests/kernel/run COMMAND runs a command on a kernel that has it"
    } else {
        ""
    }
}

/// Looks up the driver's family of generic netlink. A driver that is a module is loaded when a team
/// is created.
fn look_up_family() -> Result<()> {
    let nlas = vec![GenlCtrlAttrs::FamilyName("team".to_owned())];
    let request = GenlMessage::from_payload(GenlCtrl { cmd: GenlCtrlCmd::GetFamily, nlas });
    NetlinkConnection::new(Protocol::GENERIC)?
        .request::<_, GenlMessage<GenlCtrl>>(request, 0)
        .map(drop)
}
