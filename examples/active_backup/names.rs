//! Valid names of links.

/// Returns why a name is invalid, or `None` if it is valid. The rules are those of the kernel's
/// `dev_valid_name`; a percent sign is a pattern for the kernel.
pub(crate) fn why_invalid(name: &str) -> Option<&'static str> {
    /// The kernel's `IFNAMSIZ` without the NUL.
    const LONGEST: usize = 15;
    if name.is_empty() {
        Some("empty")
    } else if name.len() > LONGEST {
        Some("longer than 15 bytes")
    } else if name == "." || name == ".." {
        Some("reserved")
    } else if name.contains(['/', ':', '%', '\0']) {
        Some("contains a slash, colon, percent sign or NUL")
    } else if name.bytes().any(is_space) {
        Some("contains white space")
    } else {
        None
    }
}

/// The kernel's `isspace`, which treats bytes as ISO 8859-1.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ' | 0xa0)
}
