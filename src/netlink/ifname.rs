//! What the kernel takes as the name of a network interface.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::error::{Error, Result};

/// The longest interface name in bytes: the kernel's `IFNAMSIZ` without its NUL.
pub(crate) const MAX_LEN: usize = 15;

/// Checks a device's name before anything is sent.
///
/// The kernel refuses most of these with a bare `EINVAL`; `%` it would take for a numbering
/// pattern.
pub(crate) fn validate_ifname(name: &OsStr) -> Result<()> {
    let bytes = name.as_bytes();
    let reason = if bytes.is_empty() {
        "it is empty"
    } else if bytes == b"." || bytes == b".." {
        "it is a directory's name"
    } else if bytes.contains(&b'/') {
        "it has a slash"
    } else if bytes.contains(&b':') {
        "it has a colon"
    } else if bytes.contains(&b'%') {
        "it has a percent sign"
    } else if bytes.iter().copied().any(is_space) {
        "it has white space"
    } else if bytes.contains(&NO_BREAK_SPACE) {
        "the kernel takes its byte 0xa0 for white space"
    } else if bytes.contains(&0) {
        "it has a NUL"
    } else if bytes.len() > MAX_LEN {
        "it is longer than 15 bytes"
    } else {
        return Ok(());
    };
    Err(Error::InvalidName { name: name.to_string_lossy().into_owned(), reason })
}

/// Checks a pattern of names: a name with `%d` once, where a number goes.
pub(crate) fn validate_pattern(pattern: &OsStr) -> Result<()> {
    let invalid =
        |reason| Error::InvalidName { name: pattern.to_string_lossy().into_owned(), reason };
    if !pattern.as_bytes().windows(2).any(|window| window == b"%d") {
        return Err(invalid("it has no %d for the number"));
    }
    // The error is that of a name, but about the pattern.
    validate_ifname(&numbered(pattern, 0)).map_err(|error| match error {
        Error::InvalidName { reason, .. } => invalid(reason),
        error => error,
    })
}

/// Returns the name that a pattern and a number make.
pub(crate) fn numbered(pattern: &OsStr, number: u32) -> OsString {
    let bytes = pattern.as_bytes();
    let position = bytes.windows(2).position(|window| window == b"%d").unwrap_or(bytes.len());
    let (before, after) = bytes.split_at(position);
    let after = after.strip_prefix(b"%d").unwrap_or(after);
    OsString::from_vec([before, number.to_string().as_bytes(), after].concat())
}

/// The kernel's `isspace` without its byte 0xa0. It looks at bytes, not at characters.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

/// White space in ISO 8859-1, which the kernel takes it for. In UTF-8 it ends `à`, among others.
const NO_BREAK_SPACE: u8 = 0xa0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_takes_pass() {
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
    fn each_bad_name_is_told_why() {
        let table = [
            ("", "empty"),
            (".", "directory"),
            ("..", "directory"),
            ("a/b", "slash"),
            ("a:b", "colon"),
            ("team%d", "percent"),
            ("a b", "white space"),
            ("a\tb", "white space"),
            ("a\x0bb", "white space"),
            ("a\u{a0}b", "0xa0"),
            ("voilà", "0xa0"),
            ("a\0b", "NUL"),
            ("sixteen-bytes-xx", "15 bytes"),
            ("äääääääää", "15 bytes"),
        ];
        for (name, why) in table {
            let message = validate_ifname(OsStr::new(name)).unwrap_err().to_string();
            assert!(message.contains(why), "{name:?}: {message}");
        }
        let table = [(&b"\xff\xa0"[..], "0xa0"), (b"\xff/", "slash"), (&[0xff; 16], "15 bytes")];
        for (name, why) in table {
            let message = validate_ifname(OsStr::from_bytes(name)).unwrap_err().to_string();
            assert!(message.contains(why), "{name:?}: {message}");
        }
    }
}
