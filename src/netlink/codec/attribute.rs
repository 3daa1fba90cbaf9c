//! Netlink attributes: walking them and reading their values.

use std::borrow::Cow;

use netlink_packet_core::{NLA_HEADER_SIZE, NlasIterator};

use crate::error::DecodeError;
use crate::model::ifindex::IfIndex;

/// One attribute: its type without the flag bits, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    pub(crate) kind: u16,
    pub(crate) value: &'a [u8],
}

/// The attributes that `bytes` hold one after the other.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, DecodeError>> {
    NlasIterator::new(bytes).map(|attribute| {
        let attribute = attribute.map_err(|_| DecodeError::new("an attribute's length does not fit its message"))?;
        let (kind, end) = (attribute.kind(), usize::from(attribute.length()));
        let value = attribute.into_inner().get(NLA_HEADER_SIZE..end);
        Ok(Attribute { kind, value: value.unwrap_or_default() })
    })
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

    /// An interface index that cannot be 0.
    pub(crate) fn ifindex(self) -> Result<IfIndex, DecodeError> {
        IfIndex::new(self.u32()?).ok_or(DecodeError::new("an interface index is 0"))
    }

    /// Text up to its NUL, or to the value's end where it has none. Bytes that are no UTF-8 become U+FFFD.
    pub(crate) fn text(self) -> Cow<'a, str> {
        let text = self.value.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text)
    }

    fn array<const N: usize>(self) -> Result<[u8; N], DecodeError> {
        self.value.try_into().map_err(|_| DecodeError::new("a number's attribute has the wrong length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_masked_and_padding_is_skipped() {
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
    fn a_length_that_does_not_fit_ends_the_walk_with_an_error() {
        for length in [0_u16, 3, 9, u16::MAX] {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend([1, 0, 0, 0, 0, 0]);
            let mut walk = attributes(&bytes);
            walk.next().unwrap().unwrap_err();
            assert_eq!(walk.next(), None);
        }
    }

    #[test]
    fn numbers_of_another_width_are_refused() {
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
    }
}
