//! The set of header fields that a hash covers.

use std::fmt;
use std::iter;
use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, Sub, SubAssign};
use std::str::FromStr;

/// The names that [`ParseHashFieldsError`] lists.
const KNOWN_FIELDS: &str = "eth, vlan, ipv4, ipv6, ip, l3, tcp, udp, sctp or l4";

/// The set of header fields that a hash covers, with the names that teamd's `tx_hash` uses.
///
/// A field that a packet does not have contributes nothing to the packet's hash.
///
/// # Examples
///
/// ```
/// use libteam::bpf::HashFields;
///
/// let fields: HashFields = ["eth", "ip", "udp"].into_iter().map(str::parse).collect::<Result<_, _>>()?;
/// assert_eq!(fields, HashFields::ETH | HashFields::IP | HashFields::UDP);
/// assert_eq!(fields.to_string(), "eth,ip,udp");
///
/// // Parser, printer and iterator use the same names.
/// assert_eq!(HashFields::from_name("eth"), Some(HashFields::ETH));
/// let names: Vec<_> = fields.iter_names().map(|(name, _)| name).collect();
/// assert_eq!(names, ["eth", "ip", "udp"]);
/// # Ok::<(), libteam::bpf::ParseHashFieldsError>(())
/// ```
///
/// # Source
///
/// `tx_hash` of teamd.conf(5).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct HashFields(u32);

impl HashFields {
    /// `eth`: the source and destination addresses of the Ethernet header.
    pub const ETH: Self = Self(1);
    /// `vlan`: the VLAN identifiers, without the priorities.
    pub const VLAN: Self = Self(1 << 1);
    /// `ipv4`: the source and destination addresses of IPv4.
    pub const IPV4: Self = Self(1 << 2);
    /// `ipv6`: the source and destination addresses of IPv6.
    pub const IPV6: Self = Self(1 << 3);
    /// `tcp`: the source and destination ports of TCP.
    pub const TCP: Self = Self(1 << 4);
    /// `udp`: the source and destination ports of UDP.
    pub const UDP: Self = Self(1 << 5);
    /// `sctp`: the source and destination ports of SCTP.
    pub const SCTP: Self = Self(1 << 6);
    /// `ip`: the addresses of IPv4 and IPv6.
    pub const IP: Self = Self::IPV4.union(Self::IPV6);
    /// `l3`: the same as `ip`.
    pub const L3: Self = Self::IP;
    /// `l4`: the ports of TCP, UDP and SCTP.
    pub const L4: Self = Self::TCP.union(Self::UDP).union(Self::SCTP);

    /// The names, groups before their members.
    ///
    /// The order decides how a set is printed: a complete group by one name, and as `ip` rather
    /// than `l3`.
    const NAMES: [(&'static str, Self); 10] = [
        ("eth", Self::ETH),
        ("vlan", Self::VLAN),
        ("ip", Self::IP),
        ("l3", Self::L3),
        ("ipv4", Self::IPV4),
        ("ipv6", Self::IPV6),
        ("l4", Self::L4),
        ("tcp", Self::TCP),
        ("udp", Self::UDP),
        ("sctp", Self::SCTP),
    ];

    /// Returns the empty set, with which all packets have the same hash.
    #[must_use]
    pub const fn empty() -> Self {
        Self(0)
    }

    /// Returns the set of all fields.
    #[must_use]
    pub const fn all() -> Self {
        Self::ETH.union(Self::VLAN).union(Self::L3).union(Self::L4)
    }

    /// Returns the bits of the set, one for each field.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Returns the set with these bits, or `None` if a bit does not belong to a field.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits & !Self::all().0 == 0 { Some(Self(bits)) } else { None }
    }

    /// Returns the field or the group of fields with this name, or `None` for any other string.
    ///
    /// Case and white space matter.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, fields)| *fields)
    }

    /// Parses a single name.
    pub(crate) fn parse_name(name: &str) -> Result<Self, ParseHashFieldsError> {
        Self::from_name(name).ok_or_else(|| ParseHashFieldsError { name: name.to_owned() })
    }

    /// Returns the names of the fields and groups that make up this set, with their fields.
    ///
    /// They are the names that [`Display`](fmt::Display) prints and [`from_name`](Self::from_name)
    /// accepts.
    pub fn iter_names(self) -> impl Iterator<Item = (&'static str, Self)> {
        let mut rest = self;
        Self::NAMES.into_iter().filter(move |(_, fields)| {
            let is_next = rest.contains(*fields);
            if is_next {
                rest -= *fields;
            }
            is_next
        })
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns whether this set has all fields of the other set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns whether the sets have a field in common.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the fields of both sets, like `|`.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for HashFields {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for HashFields {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl BitAnd for HashFields {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitAndAssign for HashFields {
    fn bitand_assign(&mut self, other: Self) {
        *self = *self & other;
    }
}

impl Sub for HashFields {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl SubAssign for HashFields {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl FromIterator<Self> for HashFields {
    fn from_iter<I: IntoIterator<Item = Self>>(sets: I) -> Self {
        sets.into_iter().fold(Self::empty(), Self::union)
    }
}

impl Extend<Self> for HashFields {
    fn extend<I: IntoIterator<Item = Self>>(&mut self, sets: I) {
        sets.into_iter().for_each(|fields| *self |= fields);
    }
}

/// Parses one or more names separated by commas, without white space.
impl FromStr for HashFields {
    type Err = ParseHashFieldsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(Self::parse_name).collect()
    }
}

/// Prints the names, separated by commas.
impl fmt::Display for HashFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((name, _), separator) in self.iter_names().zip(iter::once("").chain(iter::repeat(",")))
        {
            write!(f, "{separator}{name}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for HashFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashFields({self})")
    }
}

/// The error of a string that is not the name of a header field.
///
/// # Examples
///
/// ```
/// let error = "eth,port".parse::<libteam::bpf::HashFields>().unwrap_err();
/// assert!(error.to_string().starts_with("invalid hash field \"port\": expected eth, vlan, "));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid hash field {name:?}: expected {KNOWN_FIELDS}")]
pub struct ParseHashFieldsError {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_prints_and_parses_by_the_same_names() {
        for bits in 1..=HashFields::all().bits() {
            let fields = HashFields::from_bits(bits).unwrap();
            assert_eq!(fields.to_string().parse(), Ok(fields));
            let names: Vec<_> = fields.iter_names().collect();
            assert!(names.iter().all(|(name, part)| HashFields::from_name(name) == Some(*part)));
            assert_eq!(names.iter().map(|(_, part)| *part).collect::<HashFields>(), fields);
            let together: u32 = names.iter().map(|(_, part)| part.bits()).sum();
            assert_eq!(together, bits, "bits of the names of {fields}, each field named once");
            let text: Vec<_> = names.iter().map(|(name, _)| *name).collect();
            assert_eq!(text.join(","), fields.to_string());
        }
        assert_eq!(HashFields::empty().iter_names().count(), 0);
        assert_eq!(HashFields::from_bits(1 << 7), None);
    }

    #[test]
    fn name_with_other_case_or_space_is_rejected() {
        for text in ["", "ETH", " eth", "eth ", "eth,", ",eth", "eth, ip", "eth|ip", "0x1"] {
            assert!(text.parse::<HashFields>().is_err(), "{text:?} is rejected");
            assert_eq!(HashFields::from_name(text), None, "fields with the name {text:?}");
        }
        for (name, fields) in HashFields::NAMES {
            assert_eq!(HashFields::from_name(name), Some(fields));
            assert_eq!(name.parse(), Ok(fields));
        }
        assert_eq!(HashFields::from_name("eth,ip"), None, "a list is not a name");
    }
}
