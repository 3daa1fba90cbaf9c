//! Whether the kernel has the team driver.

use libteam::netlink::{NetlinkConnection, Protocol};
use libteam::{ErrorKind, Result};
use netlink_packet_generic::GenlMessage;
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};

/// Returns the rest of the sentence for an error on a kernel that has no team driver, else nothing.
pub(crate) fn hint() -> &'static str {
    let is_missing = ask_for_family().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if is_missing {
        "; this kernel has no team driver loaded: tests/kernel/run COMMAND runs a command on a kernel that has it"
    } else {
        ""
    }
}

/// Asks for the driver's family of generic netlink. Where the driver is a module, whatever creates
/// a team loads it.
fn ask_for_family() -> Result<()> {
    let nlas = vec![GenlCtrlAttrs::FamilyName("team".to_owned())];
    let request = GenlMessage::from_payload(GenlCtrl { cmd: GenlCtrlCmd::GetFamily, nlas });
    NetlinkConnection::new(Protocol::GENERIC)?
        .request::<_, GenlMessage<GenlCtrl>>(request, 0)
        .map(drop)
}
