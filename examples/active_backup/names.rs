//! Names that links can have.

/// Returns why no link can have this name, if that is so. The kernel has these rules in
/// `dev_valid_name`, and takes a percent sign for a pattern.
pub(crate) fn why_impossible(name: &str) -> Option<&'static str> {
    /// The kernel's `IFNAMSIZ` without the NUL.
    const LONGEST: usize = 15;
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > LONGEST {
        Some("it is longer than 15 bytes")
    } else if name == "." || name == ".." {
        Some("it is a directory's name")
    } else if name.contains(['/', ':', '%', '\0']) {
        Some("it has a slash, a colon, a percent sign or a NUL")
    } else if name.bytes().any(is_space) {
        Some("it has white space")
    } else {
        None
    }
}

/// The kernel's `isspace`, which looks at bytes and takes them for ISO 8859-1.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ' | 0xa0)
}
