//! A policy: the action for the packets that a selector matches.

use std::fmt;
use std::net::IpAddr;

use libteam::netlink::netlink_packet_core::DecodeError;
use netlink_packet_xfrm::policy::ModifyMessage;
use netlink_packet_xfrm::{UserTemplate, XfrmAttrs};
use serde_json::{Value, json};

use crate::print::Item;
use crate::protocol::Protocol;
use crate::selector::Selector;
use crate::words::{
    Masked, Word, action, add, address, flags, mode, policy_direction, policy_type,
};

const FLAGS: [&str; 3] = ["localok", "icmp", "cpu_acquire"];

#[derive(Debug)]
pub(crate) struct Policy {
    selector: Selector,
    direction: Word,
    action: Word,
    priority: u32,
    kind: Word,
    flags: Vec<String>,
    mark: Option<Masked>,
    interface_id: Option<u32>,
    templates: Vec<Template>,
}

/// A state that a packet must pass.
#[derive(Debug)]
struct Template {
    src: IpAddr,
    dst: IpAddr,
    protocol: Protocol,
    /// `None` for any.
    spi: Option<u32>,
    request_id: u32,
    mode: Word,
    is_optional: bool,
}

impl Policy {
    pub(crate) fn read(message: &ModifyMessage) -> Result<Self, DecodeError> {
        let info = &message.user_policy_info;
        let mut policy = Self {
            selector: Selector::read(&info.selector)?,
            direction: policy_direction(info.direction),
            action: action(info.action),
            priority: info.priority,
            kind: policy_type(0),
            flags: flags(info.flags.into(), &FLAGS),
            mark: None,
            interface_id: None,
            templates: Vec::new(),
        };
        for attribute in &message.nlas {
            match attribute {
                XfrmAttrs::Mark(mark) => policy.mark = Some(mark.into()),
                XfrmAttrs::IfId(id) => policy.interface_id = Some(*id),
                XfrmAttrs::PolicyType(kind) => policy.kind = policy_type(kind.ptype),
                XfrmAttrs::Template(list) => {
                    policy.templates = list.iter().map(Template::read).collect::<Result<_, _>>()?;
                }
                _ => {}
            }
        }
        Ok(policy)
    }
}

impl Template {
    fn read(raw: &UserTemplate) -> Result<Self, DecodeError> {
        Ok(Self {
            src: address(&raw.saddr, raw.family)?,
            dst: address(&raw.id.daddr, raw.family)?,
            protocol: Protocol(raw.id.proto),
            spi: (raw.id.spi != 0).then_some(raw.id.spi),
            request_id: raw.reqid,
            mode: mode(raw.mode),
            is_optional: raw.optional != 0,
        })
    }

    fn json(&self) -> Value {
        let mut json = json!({
            "src": self.src.to_string(),
            "dst": self.dst.to_string(),
            "proto": self.protocol.to_string(),
            "reqid": self.request_id,
            "mode": self.mode.to_string(),
            "optional": self.is_optional,
        });
        add(&mut json, "spi", self.spi);
        json
    }
}

impl Item for Policy {
    fn json(&self) -> Value {
        let mut json = json!({
            "selector": self.selector.json(),
            "dir": self.direction.to_string(),
            "action": self.action.to_string(),
            "priority": self.priority,
            "ptype": self.kind.to_string(),
            "flags": self.flags,
            "templates": self.templates.iter().map(Template::json).collect::<Vec<_>>(),
        });
        add(&mut json, "mark", self.mark.map(Masked::json));
        add(&mut json, "if_id", self.interface_id);
        json
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}, priority {}, {}",
            self.direction, self.action, self.selector, self.priority, self.kind
        )?;
        for flag in &self.flags {
            write!(f, ", {flag}")?;
        }
        if let Some(mark) = self.mark {
            write!(f, "\n    mark {mark}")?;
        }
        if let Some(id) = self.interface_id {
            write!(f, "\n    if_id {id:#x}")?;
        }
        self.templates.iter().try_for_each(|template| write!(f, "\n    by {template}"))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.protocol, self.src, self.dst)?;
        if let Some(spi) = self.spi {
            write!(f, ", spi {spi:#010x}")?;
        }
        write!(f, ", reqid {}, mode {}", self.request_id, self.mode)?;
        f.write_str(if self.is_optional { ", optional" } else { "" })
    }
}
