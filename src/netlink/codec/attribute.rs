//! Netlink attributes: walking them and reading their values.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::error::DecodeError;
use crate::model::ifindex::IfIndex;

/// The length of an attribute's header in bytes: its length and type.
const HEADER_LEN: usize = 4;
/// The bits of the type field without the flags.
const KIND_MASK: u16 = 0x3fff;

/// An attribute: its type without the flags, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    pub(crate) kind: u16,
    pub(crate) value: &'a [u8],
}

/// Iterates over a sequence of attributes; the first error ends it.
///
/// A link message has about forty attributes, and a dump may have ten thousand such messages.
/// Iterating with netlink-packet-core would take half of the time that is spent on a link.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, DecodeError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let attribute = first(rest);
        let length = attribute.map_or(rest.len(), |attribute| HEADER_LEN + attribute.value.len());
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(attribute.ok_or(DecodeError::new("an attribute's length does not fit its message")))
    })
}

fn first(bytes: &[u8]) -> Option<Attribute<'_>> {
    let ([l0, l1, k0, k1], _) = bytes.split_first_chunk()?;
    let value = bytes.get(HEADER_LEN..u16::from_ne_bytes([*l0, *l1]).into())?;
    Some(Attribute { kind: u16::from_ne_bytes([*k0, *k1]) & KIND_MASK, value })
}

impl<'a> Attribute<'a> {
    pub(crate) fn u8(self) -> Result<u8, DecodeError> {
        Ok(u8::from_ne_bytes(self.array()?))
    }

    pub(crate) fn u16(self) -> Result<u16, DecodeError> {
        Ok(u16::from_ne_bytes(self.array()?))
    }

    pub(crate) fn u32(self) -> Result<u32, DecodeError> {
        Ok(u32::from_ne_bytes(self.array()?))
    }

    pub(crate) fn i32(self) -> Result<i32, DecodeError> {
        Ok(i32::from_ne_bytes(self.array()?))
    }

    /// Reads an interface index.
    pub(crate) fn ifindex(self) -> Result<IfIndex, DecodeError> {
        IfIndex::new(self.u32()?).ok_or(DecodeError::new("an interface index is out of range"))
    }

    /// Returns the text up to the NUL, or up to the end of the value without one.
    ///
    /// U+FFFD replaces bytes that are not UTF-8.
    pub(crate) fn text(self) -> Cow<'a, str> {
        let text = self.os_text().as_bytes();
        // For UTF-8, which nearly all text is, `from_utf8` is three times faster.
        std::str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text), Cow::Borrowed)
    }

    /// Returns the bytes up to the NUL, or up to the end of the value without one.
    pub(crate) fn os_text(self) -> &'a OsStr {
        OsStr::from_bytes(self.value.split(|&byte| byte == 0).next().unwrap_or_default())
    }

    fn array<const N: usize>(self) -> Result<[u8; N], DecodeError> {
        self.value
            .try_into()
            .map_err(|_| DecodeError::new("a number's attribute has the wrong length"))
    }
}

/// Appends an attribute with its padding; the caller has checked the length of the value.
pub(crate) fn push(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_flags_and_padding_are_ignored() {
        let mut bytes = vec![];
        bytes.extend(5_u16.to_ne_bytes());
        bytes.extend((0x8000_u16 | 3).to_ne_bytes());
        bytes.extend([7, 0, 0, 0]);
        bytes.extend(4_u16.to_ne_bytes());
        bytes.extend((0x4000_u16 | 9).to_ne_bytes());
        let found: Vec<_> = attributes(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!(found, [Attribute { kind: 3, value: &[7] }, Attribute { kind: 9, value: &[] }]);
    }

    #[test]
    fn invalid_length_ends_iteration_with_error() {
        for length in [0_u16, 3, 9, u16::MAX] {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend([1, 0, 0, 0, 0, 0]);
            let mut walk = attributes(&bytes);
            walk.next().unwrap().unwrap_err();
            assert_eq!(walk.next(), None);
        }
    }

    #[test]
    fn number_of_other_width_is_rejected() {
        let attribute = Attribute { kind: 1, value: &[0, 0] };
        attribute.u32().unwrap_err();
        attribute.u8().unwrap_err();
        assert_eq!(attribute.u16(), Ok(0));
        Attribute { kind: 1, value: &[0; 4] }.ifindex().unwrap_err();
    }

    #[test]
    fn text_ends_at_its_nul_or_at_the_end() {
        assert_eq!(Attribute { kind: 1, value: b"eth0\0junk" }.text(), "eth0");
        assert_eq!(Attribute { kind: 1, value: b"eth0" }.text(), "eth0");
        assert_eq!(Attribute { kind: 1, value: b"" }.text(), "");
        assert_eq!(Attribute { kind: 1, value: b"e\xff\0" }.text(), "e\u{fffd}");
        assert_eq!(Attribute { kind: 1, value: b"e\xff\0junk" }.os_text().as_bytes(), b"e\xff");
    }
}
