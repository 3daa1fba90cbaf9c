use std::fmt;
use std::str::FromStr;

/// A hardware (link-layer) address of up to 32 bytes.
///
/// Ethernet addresses have 6 bytes, `InfiniBand` addresses 20, those of IPv4 tunnels 4. An address
/// is parsed from and printed as hexadecimal bytes separated by colons.
///
/// # Examples
///
/// ```
/// use libteam::HwAddr;
///
/// let address: HwAddr = "02:00:00:00:00:2a".parse()?;
/// assert_eq!(address.as_bytes(), [2, 0, 0, 0, 0, 42]);
/// assert_eq!(address.to_string(), "02:00:00:00:00:2a");
/// assert_eq!(HwAddr::new(&[2, 0, 0, 0, 0, 42]), Some(address));
/// assert_eq!(HwAddr::new(&[0; 33]), None);
/// # Ok::<(), libteam::ParseHwAddrError>(())
/// ```
///
/// # Source
///
/// `MAX_ADDR_LEN`, the kernel's `linux/netdevice.h`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HwAddr {
    length: u8,
    bytes: [u8; Self::MAX_LEN],
}

impl HwAddr {
    /// The kernel's longest hardware address in bytes (`MAX_ADDR_LEN`).
    pub const MAX_LEN: usize = 32;

    /// Returns the address with these bytes, or `None` for more than [`HwAddr::MAX_LEN`] bytes.
    #[must_use]
    pub fn new(address: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX_LEN];
        bytes.get_mut(..address.len())?.copy_from_slice(address);
        Some(Self { length: u8::try_from(address.len()).ok()?, bytes })
    }

    /// Returns the length of the address in bytes.
    #[doc(alias = "team_get_ifinfo_hwaddr_len")]
    #[doc(alias = "team_get_ifinfo_orig_hwaddr_len")]
    #[expect(clippy::len_without_is_empty, reason = "an address is not a collection")]
    #[must_use]
    pub fn len(self) -> usize {
        self.length.into()
    }

    /// Returns the bytes of the address, most significant first, as on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Display for HwAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.as_bytes().iter().enumerate() {
            let separator = if position == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for HwAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HwAddr({self})")
    }
}

impl FromStr for HwAddr {
    type Err = ParseHwAddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let byte = |part: &str| {
            let is_hex =
                matches!(part.len(), 1 | 2) && part.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_hex.then(|| u8::from_str_radix(part, 16).ok()).flatten()
        };
        text.split(':')
            .map(byte)
            .collect::<Option<Vec<u8>>>()
            .and_then(|bytes| Self::new(&bytes))
            .ok_or_else(|| ParseHwAddrError { text: text.to_owned() })
    }
}

/// The error of a string that is not a hardware address.
///
/// # Examples
///
/// ```
/// let error = "02:00:00:00:00:xx".parse::<libteam::HwAddr>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "invalid hardware address \"02:00:00:00:00:xx\": \
///      expected up to 32 hex bytes separated by colons",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid hardware address {text:?}: expected up to 32 hex bytes separated by colons")]
pub struct ParseHwAddrError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_address_is_rejected() {
        for text in ["", ":", "02:", "zz", "002", "+2", "1:2:", &"1:".repeat(33)] {
            let error = text.parse::<HwAddr>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "invalid hardware address \"{text}\": \
                     expected up to 32 hex bytes separated by colons"
                )
            );
        }
    }

    #[test]
    fn address_up_to_32_bytes_is_accepted() {
        for length in 0..=HwAddr::MAX_LEN {
            let bytes = vec![0xa5; length];
            assert_eq!(HwAddr::new(&bytes).unwrap().as_bytes(), bytes);
        }
        assert_eq!(HwAddr::new(&[0; HwAddr::MAX_LEN + 1]), None);
    }
}
