//! A state (security association): how packets from one address to another are protected.

use std::fmt;
use std::net::IpAddr;

use libteam::netlink::netlink_packet_core::{DecodeError, Nla};
use netlink_packet_xfrm::state::ModifyMessage;
use netlink_packet_xfrm::{EncapTmpl, XfrmAttrs};
use serde_json::{Value, json};

use crate::print::Item;
use crate::protocol::Protocol;
use crate::selector::Selector;
use crate::words::{Masked, Word, add, address, flags, mode, state_direction};

const FLAGS: [&str; 8] =
    ["noecn", "decap-dscp", "nopmtudisc", "wildrecv", "icmp", "af-unspec", "align4", "esn"];
const EXTRA_FLAGS: [&str; 2] = ["dont-encap-dscp", "oseq-may-wrap"];
/// The attribute for the direction, since Linux 6.10.
const XFRMA_SA_DIR: u16 = 33;

#[derive(Debug)]
pub(crate) struct State {
    src: IpAddr,
    dst: IpAddr,
    protocol: Protocol,
    spi: u32,
    request_id: u32,
    mode: Word,
    direction: Option<Word>,
    replay_window: u32,
    flags: Vec<String>,
    mark: Option<Masked>,
    output_mark: Option<Masked>,
    interface_id: Option<u32>,
    algorithms: Vec<Algorithm>,
    encapsulation: Option<Encapsulation>,
    care_of: Option<IpAddr>,
    /// `None` if it applies to both address families.
    selector: Option<Selector>,
}

/// An algorithm without its key.
#[derive(Debug)]
struct Algorithm {
    purpose: &'static str,
    name: String,
    key_bits: u32,
    /// The length of the check value in packets.
    check_bits: Option<u32>,
}

/// The UDP or TCP encapsulation.
#[derive(Debug)]
struct Encapsulation {
    kind: u16,
    sport: u16,
    dport: u16,
}

impl State {
    pub(crate) fn read(message: &ModifyMessage) -> Result<Self, DecodeError> {
        let info = &message.user_sa_info;
        let selector = (info.selector.family != 0).then(|| Selector::read(&info.selector));
        let mut state = Self {
            src: address(&info.saddr, info.family)?,
            dst: address(&info.id.daddr, info.family)?,
            protocol: Protocol(info.id.proto),
            spi: info.id.spi,
            request_id: info.reqid,
            mode: mode(info.mode),
            direction: None,
            replay_window: info.replay_window.into(),
            flags: flags(info.flags.into(), &FLAGS),
            mark: None,
            output_mark: None,
            interface_id: None,
            algorithms: Vec::new(),
            encapsulation: None,
            care_of: None,
            selector: selector.transpose()?,
        };
        for attribute in &message.nlas {
            state.add(attribute, info.family)?;
        }
        Ok(state)
    }

    fn add(&mut self, attribute: &XfrmAttrs, family: u16) -> Result<(), DecodeError> {
        let mut algorithm = |purpose, name: &[u8], key_bits, check_bits| {
            self.algorithms.push(Algorithm { purpose, name: text(name), key_bits, check_bits });
        };
        match attribute {
            // The kernel sends the algorithm twice; only this attribute has the length of the check
            // value.
            XfrmAttrs::AuthenticationAlgTrunc(it) => {
                algorithm("auth", &it.alg_name, it.alg_key_len, Some(it.alg_trunc_len));
            }
            XfrmAttrs::EncryptionAlg(it) => algorithm("enc", &it.alg_name, it.alg_key_len, None),
            XfrmAttrs::EncryptionAlgAead(it) => {
                algorithm("aead", &it.alg_name, it.alg_key_len, Some(it.alg_icv_len));
            }
            XfrmAttrs::CompressionAlg(it) => algorithm("comp", &it.alg_name, it.alg_key_len, None),
            XfrmAttrs::ReplayStateEsn(replay) => self.replay_window = replay.replay_window,
            XfrmAttrs::ExtraFlags(bits) => self.flags.extend(flags(*bits, &EXTRA_FLAGS)),
            XfrmAttrs::Mark(mark) => self.mark = Some(mark.into()),
            XfrmAttrs::MarkVal(value) => self.output_mark(|mark| mark.value = *value),
            XfrmAttrs::MarkMask(mask) => self.output_mark(|mark| mark.mask = *mask),
            XfrmAttrs::IfId(id) => self.interface_id = Some(*id),
            XfrmAttrs::EncapsulationTemplate(template) => {
                self.encapsulation = Some(template.into());
            }
            XfrmAttrs::CareOfAddr(care_of) => self.care_of = Some(address(care_of, family)?),
            XfrmAttrs::Other(other) if other.kind() == XFRMA_SA_DIR => {
                let mut direction = [0];
                if other.value_len() == direction.len() {
                    other.emit_value(&mut direction);
                }
                self.direction = Some(state_direction(direction[0]));
            }
            _ => {}
        }
        Ok(())
    }

    /// Value and mask are separate attributes; without a mask all bits count.
    fn output_mark(&mut self, set: impl FnOnce(&mut Masked)) {
        set(self.output_mark.get_or_insert(Masked { value: 0, mask: u32::MAX }));
    }
}

/// Decodes a text that ends with a NUL.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

impl From<&EncapTmpl> for Encapsulation {
    fn from(raw: &EncapTmpl) -> Self {
        Self { kind: raw.encap_type, sport: raw.encap_sport, dport: raw.encap_dport }
    }
}

impl Encapsulation {
    fn kind(&self) -> String {
        match self.kind {
            1 => "espinudp-nonike".to_owned(),
            2 => "espinudp".to_owned(),
            7 => "espintcp".to_owned(),
            kind => kind.to_string(),
        }
    }
}

impl Item for State {
    fn json(&self) -> Value {
        let algorithm = |it: &Algorithm| {
            let mut json =
                json!({ "purpose": it.purpose, "name": it.name, "key_bits": it.key_bits });
            add(&mut json, "check_bits", it.check_bits);
            json
        };
        let encapsulation =
            |it: &Encapsulation| json!({ "type": it.kind(), "sport": it.sport, "dport": it.dport });
        let mut json = json!({
            "src": self.src.to_string(),
            "dst": self.dst.to_string(),
            "proto": self.protocol.to_string(),
            "spi": self.spi,
            "reqid": self.request_id,
            "mode": self.mode.to_string(),
            "replay_window": self.replay_window,
            "flags": self.flags,
            "algorithms": self.algorithms.iter().map(algorithm).collect::<Vec<_>>(),
        });
        add(&mut json, "selector", self.selector.as_ref().map(Selector::json));
        add(&mut json, "dir", self.direction.map(|direction| direction.to_string()));
        add(&mut json, "mark", self.mark.map(Masked::json));
        add(&mut json, "output_mark", self.output_mark.map(Masked::json));
        add(&mut json, "if_id", self.interface_id);
        add(&mut json, "encap", self.encapsulation.as_ref().map(encapsulation));
        add(&mut json, "coa", self.care_of.map(|address| address.to_string()));
        json
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.protocol, self.src, self.dst)?;
        write!(f, ", spi {:#010x}, reqid {}, mode {}", self.spi, self.request_id, self.mode)?;
        if let Some(direction) = self.direction {
            write!(f, ", dir {direction}")?;
        }
        write!(f, "\n    replay window {}", self.replay_window)?;
        for flag in &self.flags {
            write!(f, ", {flag}")?;
        }
        if let Some(mark) = self.mark {
            write!(f, "\n    mark {mark}")?;
        }
        if let Some(mark) = self.output_mark {
            write!(f, "\n    output mark {mark}")?;
        }
        if let Some(id) = self.interface_id {
            write!(f, "\n    if_id {id:#x}")?;
        }
        for algorithm in &self.algorithms {
            write!(f, "\n    {algorithm}")?;
        }
        if let Some(it) = &self.encapsulation {
            write!(f, "\n    in {} sport {} dport {}", it.kind(), it.sport, it.dport)?;
        }
        if let Some(address) = self.care_of {
            write!(f, "\n    care of {address}")?;
        }
        let selector = self.selector.as_ref().filter(|selector| !selector.matches_all());
        selector.map_or(Ok(()), |selector| write!(f, "\n    only {selector}"))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {} bits of key", self.purpose, self.name, self.key_bits)?;
        self.check_bits.map_or(Ok(()), |bits| write!(f, ", {bits} bits of check value"))
    }
}
