//! The names of IPsec's numbers, as in `ip xfrm`, and code that states and policies share.

use std::fmt;
use std::net::IpAddr;

use libteam::netlink::netlink_packet_core::DecodeError;
use netlink_packet_xfrm::constants::{AF_INET, AF_INET6};
use netlink_packet_xfrm::{Address, Mark};
use serde_json::{Value, json};

/// Decodes an address of a family.
pub(crate) fn address(address: &Address, family: u16) -> Result<IpAddr, DecodeError> {
    match family {
        AF_INET => Ok(address.to_ipv4().into()),
        AF_INET6 => Ok(address.to_ipv6().into()),
        family => {
            Err(DecodeError::from(format!("address family {family} is neither IPv4 nor IPv6")))
        }
    }
}

/// A number that has a name, or can have one in a later kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    number: u8,
    words: &'static [&'static str],
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.words.get(usize::from(self.number)) {
            Some(word) => f.write_str(word),
            None => write!(f, "{}", self.number),
        }
    }
}

pub(crate) fn mode(number: u8) -> Word {
    Word { number, words: &["transport", "tunnel", "ro", "in_trigger", "beet", "iptfs"] }
}

/// Returns the direction of a policy. The last three belong to policies of a single socket.
pub(crate) fn policy_direction(number: u8) -> Word {
    Word { number, words: &["in", "out", "fwd", "socket in", "socket out", "socket fwd"] }
}

/// Returns the direction of a state.
pub(crate) fn state_direction(number: u8) -> Word {
    Word { number, words: &["0", "in", "out"] }
}

pub(crate) fn action(number: u8) -> Word {
    Word { number, words: &["allow", "block"] }
}

pub(crate) fn policy_type(number: u8) -> Word {
    Word { number, words: &["main", "sub"] }
}

/// Returns the names of the set bits; a bit without a name is printed as a number.
pub(crate) fn flags(bits: u32, words: &[&str]) -> Vec<String> {
    let set = (0..u32::BITS).filter(|bit| bits >> bit & 1 == 1);
    set.map(|bit| match words.get(usize::try_from(bit).unwrap_or(usize::MAX)) {
        Some(word) => (*word).to_owned(),
        None => format!("{:#x}", 1_u32 << bit),
    })
    .collect()
}

/// A mark, and the bits of it that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Masked {
    pub(crate) value: u32,
    pub(crate) mask: u32,
}

impl Masked {
    pub(crate) fn json(self) -> Value {
        json!({ "value": self.value, "mask": self.mask })
    }
}

impl From<&Mark> for Masked {
    fn from(mark: &Mark) -> Self {
        Self { value: mark.value, mask: mark.mask }
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}/{:#x}", self.value, self.mask)
    }
}

/// Adds a field if it has a value.
pub(crate) fn add(object: &mut Value, key: &str, value: Option<impl Into<Value>>) {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(key.to_owned(), value.into());
    }
}
