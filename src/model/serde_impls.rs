//! Serialization of the types whose serialized form differs from their fields.
//!
//! Deserialization rejects values that no handle could have returned.

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
        // `parse` rejects the empty string, but an address without bytes is serialized as one.
        let empty = if text.is_empty() { Self::new(&[]) } else { None };
        empty.map_or_else(|| text.parse(), Ok).map_err(D::Error::custom)
    }
}

/// Writes text if the format is human-readable and the name is UTF-8, otherwise bytes.
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
        enum Repr {
            Text(Box<str>),
            Bytes(Vec<u8>),
        }
        let repr = if deserializer.is_human_readable() {
            Repr::deserialize(deserializer)?
        } else {
            Repr::Bytes(Vec::deserialize(deserializer)?)
        };
        Ok(match repr {
            Repr::Text(text) => Self::Text(text),
            Repr::Bytes(bytes) => OsStr::from_bytes(&bytes).into(),
        })
    }
}

/// Writes a list of names, the format of teamd's `tx_hash`.
impl Serialize for HashFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Some formats write the length first, so collect the names.
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

/// Checks the program like [`BpfProgram::new`].
impl<'de> Deserialize<'de> for BpfProgram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::<BpfInstruction>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The serialized form of a link: one field for each accessor.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Link")]
struct LinkRepr {
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
        let repr = LinkRepr {
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
        repr.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let repr = LinkRepr::deserialize(deserializer)?;
        if repr.phys_port_id.as_ref().is_some_and(|id| id.len() > MAX_PHYS_PORT_ID) {
            return Err(D::Error::custom(
                "invalid physical port identification: expected at most 32 bytes",
            ));
        }
        let rare = RareAttrs {
            phys_port_id: repr.phys_port_id,
            alternative_names: repr.alternative_names,
        };
        Ok(Self {
            ifindex: repr.ifindex,
            name: repr.name,
            hwaddr: repr.hwaddr,
            original_hwaddr: repr.original_hwaddr,
            master: repr.master,
            flags: repr.flags,
            carrier: repr.carrier,
            carrier_changes: repr.carrier_changes,
            oper_state: repr.oper_state,
            mtu: repr.mtu,
            kind: repr.kind,
            rare: (rare != RareAttrs::default()).then(|| Box::new(rare)),
        })
    }
}
