//! How values look to serde where that is not how they are kept. What no handle could have told is
//! refused.

use std::ffi::OsStr;
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hwaddr::HwAddr;
use super::ifindex::IfIndex;
use super::link::{Link, LinkFlags, OperState, RareAttrs};
use super::mode::Mode;
use super::name::Name;
use super::tx_method::TxMethod;
use crate::bpf::{BpfInstruction, BpfProgram, HashFields};

/// The kernel's `MAX_PHYS_ITEM_ID_LEN`.
const MAX_PHYS_PORT_ID: usize = 32;

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

impl Serialize for TxMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TxMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

impl Serialize for HwAddr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HwAddr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // An address without bytes prints as nothing, which people who type an address do not mean.
        let empty = if text.is_empty() { Self::new(&[]) } else { None };
        empty.map_or_else(|| text.parse(), Ok).map_err(D::Error::custom)
    }
}

/// Text where a person may read it and the name is UTF-8, otherwise the bytes.
impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) if serializer.is_human_readable() => serializer.serialize_str(text),
            _ => self.as_os_str().as_bytes().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Shape {
            Text(Box<str>),
            Bytes(Vec<u8>),
        }
        let shape = if deserializer.is_human_readable() {
            Shape::deserialize(deserializer)?
        } else {
            Shape::Bytes(Vec::deserialize(deserializer)?)
        };
        Ok(match shape {
            Shape::Text(text) => Self::Text(text),
            Shape::Bytes(bytes) => OsStr::from_bytes(&bytes).into(),
        })
    }
}

/// A list of names, as teamd's `tx_hash` is.
impl Serialize for HashFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Some formats need to know the length first.
        serializer.collect_seq(self.iter_names().map(|(name, _)| name).collect::<Vec<_>>())
    }
}

impl<'de> Deserialize<'de> for HashFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        names
            .iter()
            .map(|name| Self::parse_name(name))
            .collect::<Result<_, _>>()
            .map_err(D::Error::custom)
    }
}

impl Serialize for BpfProgram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.instructions().serialize(serializer)
    }
}

/// Checked as by [`BpfProgram::new`].
impl<'de> Deserialize<'de> for BpfProgram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::<BpfInstruction>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A link as its accessors show it.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Link")]
struct LinkShape {
    ifindex: IfIndex,
    name: Name,
    hwaddr: Option<HwAddr>,
    original_hwaddr: Option<HwAddr>,
    master: Option<IfIndex>,
    flags: LinkFlags,
    carrier: bool,
    carrier_changes: u32,
    oper_state: OperState,
    mtu: u32,
    kind: Option<Arc<str>>,
    phys_port_id: Option<Box<[u8]>>,
    alternative_names: Vec<Name>,
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RareAttrs { phys_port_id, alternative_names } =
            self.rare.as_deref().cloned().unwrap_or_default();
        let shape = LinkShape {
            ifindex: self.ifindex,
            name: self.name.clone(),
            hwaddr: self.hwaddr,
            original_hwaddr: self.original_hwaddr,
            master: self.master,
            flags: self.flags,
            carrier: self.carrier,
            carrier_changes: self.carrier_changes,
            oper_state: self.oper_state,
            mtu: self.mtu,
            kind: self.kind.clone(),
            phys_port_id,
            alternative_names,
        };
        shape.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shape = LinkShape::deserialize(deserializer)?;
        if shape.phys_port_id.as_ref().is_some_and(|id| id.len() > MAX_PHYS_PORT_ID) {
            return Err(D::Error::custom(
                "invalid physical port identification: expected at most 32 bytes",
            ));
        }
        let rare = RareAttrs {
            phys_port_id: shape.phys_port_id,
            alternative_names: shape.alternative_names,
        };
        Ok(Self {
            ifindex: shape.ifindex,
            name: shape.name,
            hwaddr: shape.hwaddr,
            original_hwaddr: shape.original_hwaddr,
            master: shape.master,
            flags: shape.flags,
            carrier: shape.carrier,
            carrier_changes: shape.carrier_changes,
            oper_state: shape.oper_state,
            mtu: shape.mtu,
            kind: shape.kind,
            rare: (rare != RareAttrs::default()).then(|| Box::new(rare)),
        })
    }
}
