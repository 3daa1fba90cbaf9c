//! The generic netlink controller: looks up the numbers of a family and of its multicast group.

use super::attribute::{attributes, push};
use super::genl::{self, GenlRequest};
use crate::error::DecodeError;

/// The numbers of a generic netlink family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Family {
    /// The message type of the family's messages.
    pub(crate) id: u16,
    /// The number of the requested multicast group.
    pub(crate) group: u32,
}

const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const VERSION: u8 = 2;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CTRL_ATTR_MCAST_GROUPS: u16 = 7;
const CTRL_ATTR_MCAST_GRP_NAME: u16 = 1;
const CTRL_ATTR_MCAST_GRP_ID: u16 = 2;

/// Returns the request for a family by its name.
pub(crate) fn family_request(name: &str) -> GenlRequest {
    let mut attributes = Vec::new();
    push(&mut attributes, CTRL_ATTR_FAMILY_NAME, format!("{name}\0").as_bytes());
    GenlRequest { family: GENL_ID_CTRL, command: CTRL_CMD_GETFAMILY, version: VERSION, attributes }
}

/// Reads the reply: the numbers of the family and of its multicast group `group`.
pub(crate) fn decode_family(payload: &[u8], group: &str) -> Result<Family, DecodeError> {
    let (_, body) = genl::split_header(payload)?;
    let (mut id, mut group_id) = (None, None);
    for attribute in attributes(body) {
        let attribute = attribute?;
        match attribute.kind {
            CTRL_ATTR_FAMILY_ID => id = Some(attribute.u16()?),
            CTRL_ATTR_MCAST_GROUPS => {
                for entry in attributes(attribute.value) {
                    group_id = group_id.or(decode_group(entry?.value, group)?);
                }
            }
            _ => {}
        }
    }
    Ok(Family {
        id: id.ok_or(DecodeError::new("a generic netlink family has no number"))?,
        group: group_id
            .ok_or(DecodeError::new("a generic netlink family lacks its multicast group"))?,
    })
}

/// Returns the number of a multicast group if it has this name.
fn decode_group(entry: &[u8], name: &str) -> Result<Option<u32>, DecodeError> {
    let (mut matches, mut id) = (false, None);
    for attribute in attributes(entry) {
        let attribute = attribute?;
        match attribute.kind {
            CTRL_ATTR_MCAST_GRP_NAME => matches = attribute.text() == name,
            CTRL_ATTR_MCAST_GRP_ID => id = Some(attribute.u32()?),
            _ => {}
        }
    }
    Ok(id.filter(|_| matches))
}

#[cfg(test)]
mod tests;
