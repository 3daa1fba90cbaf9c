//! What the kernel takes as the name of a network interface.

use crate::error::{Error, Result};

/// The longest interface name in bytes: the kernel's `IFNAMSIZ` without its NUL.
pub(crate) const MAX_LEN: usize = 15;

/// Checks a device's name before anything is sent.
///
/// The kernel refuses most of these with a bare `EINVAL`; `%` it would take for a numbering pattern.
pub(crate) fn check(name: &str) -> Result<()> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name == "." || name == ".." {
        "it is a directory's name"
    } else if name.contains('/') {
        "it has a slash"
    } else if name.contains(':') {
        "it has a colon"
    } else if name.contains('%') {
        "it has a percent sign"
    } else if name.contains(|c: char| c.is_whitespace()) {
        "it has white space"
    } else if name.contains('\0') {
        "it has a NUL"
    } else if name.len() > MAX_LEN {
        "it is longer than 15 bytes"
    } else {
        return Ok(());
    };
    Err(Error::InvalidName { name: name.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_takes_pass() {
        for name in ["t", "team0", "fifteen-bytes-x", "a.b", "...", "ä"] {
            check(name).unwrap();
        }
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
            ("a\u{a0}b", "white space"),
            ("a\0b", "NUL"),
            ("sixteen-bytes-xx", "15 bytes"),
            ("äääääääää", "15 bytes"),
        ];
        for (name, why) in table {
            let message = check(name).unwrap_err().to_string();
            assert!(message.contains(why), "{name:?}: {message}");
        }
    }
}
