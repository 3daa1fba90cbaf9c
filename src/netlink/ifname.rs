//! The kernel's rules for interface names.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::error::{Error, NAME_TOO_LONG, Result};

/// The length of the longest interface name in bytes: the kernel's `IFNAMSIZ` without the NUL.
pub(crate) const MAX_LEN: usize = 15;

/// Checks an interface name before a request is sent.
///
/// The kernel rejects most invalid names with `EINVAL` and no message, and treats `%` as a pattern
/// for a number.
pub(crate) fn validate_ifname(name: &OsStr) -> Result<()> {
    let bytes = name.as_bytes();
    let reason = if bytes.is_empty() {
        "expected at least one byte"
    } else if bytes == b"." || bytes == b".." {
        "expected a name other than . and .."
    } else if bytes.contains(&b'/') {
        "expected no slash"
    } else if bytes.contains(&b':') {
        "expected no colon"
    } else if bytes.contains(&b'%') {
        "expected no percent sign"
    } else if bytes.iter().copied().any(is_space) {
        "expected no white space"
    } else if bytes.contains(&NO_BREAK_SPACE) {
        "expected no byte 0xa0, which is white space to the kernel"
    } else if bytes.contains(&0) {
        "expected no NUL"
    } else if bytes.len() > MAX_LEN {
        NAME_TOO_LONG
    } else {
        return Ok(());
    };
    Err(Error::InvalidName { name: name.to_string_lossy().into_owned(), reason })
}

/// Checks a pattern for names: a name with one `%d`, which a number replaces.
pub(crate) fn validate_pattern(pattern: &OsStr) -> Result<()> {
    let invalid =
        |reason| Error::InvalidName { name: pattern.to_string_lossy().into_owned(), reason };
    if !pattern.as_bytes().windows(2).any(|window| window == b"%d") {
        return Err(invalid("expected %d for the number"));
    }
    // The reason is the same as for a name, but the error shows the pattern.
    validate_ifname(&numbered(pattern, 0)).map_err(|error| match error {
        Error::InvalidName { reason, .. } => invalid(reason),
        error => error,
    })
}

/// Returns the pattern with a number in place of `%d`.
pub(crate) fn numbered(pattern: &OsStr, number: u32) -> OsString {
    let bytes = pattern.as_bytes();
    let position = bytes.windows(2).position(|window| window == b"%d").unwrap_or(bytes.len());
    let (before, after) = bytes.split_at(position);
    let after = after.strip_prefix(b"%d").unwrap_or(after);
    OsString::from_vec([before, number.to_string().as_bytes(), after].concat())
}

/// Implements the kernel's `isspace`, which examines bytes, except for the byte 0xa0.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

/// The no-break space of ISO 8859-1, which the kernel treats as white space.
///
/// In UTF-8, the encoding of `à`, among others, ends with this byte.
const NO_BREAK_SPACE: u8 = 0xa0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_that_the_kernel_accepts_is_valid() {
        for name in [
            "t",
            "team0",
            "fifteen-bytes-x",
            "a.b",
            "...",
            "ä",
            "a\u{3000}b",
            "a\u{85}b",
            "a\u{2028}b",
        ] {
            validate_ifname(OsStr::new(name)).unwrap();
        }
        validate_ifname(OsStr::from_bytes(b"t\xff")).unwrap();
    }

    #[test]
    fn invalid_name_is_rejected_with_reason() {
        let white_space = "expected no white space";
        let byte = "expected no byte 0xa0, which is white space to the kernel";
        let table = [
            ("", "expected at least one byte"),
            (".", "expected a name other than . and .."),
            ("..", "expected a name other than . and .."),
            ("a/b", "expected no slash"),
            ("a:b", "expected no colon"),
            ("team%d", "expected no percent sign"),
            ("a b", white_space),
            ("a\tb", white_space),
            ("a\x0bb", white_space),
            ("a\u{a0}b", byte),
            ("voilà", byte),
            ("a\0b", "expected no NUL"),
            ("sixteen-bytes-xx", "expected at most 15 bytes"),
            ("äääääääää", "expected at most 15 bytes"),
        ];
        for (name, why) in table {
            let message = validate_ifname(OsStr::new(name)).unwrap_err().to_string();
            assert_eq!(message, format!("invalid device name {name:?}: {why}"));
        }
        let table = [
            (&b"\xff\xa0"[..], byte),
            (b"\xff/", "expected no slash"),
            (&[0xff; 16], "expected at most 15 bytes"),
        ];
        for (name, why) in table {
            let message = validate_ifname(OsStr::from_bytes(name)).unwrap_err().to_string();
            let name = String::from_utf8_lossy(name);
            assert_eq!(message, format!("invalid device name {name:?}: {why}"));
        }
    }
}
