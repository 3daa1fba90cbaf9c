//! The names of network interfaces: what the kernel takes as one, and how one is kept.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use crate::error::{Error, Result};

/// The name of a link. The kernel takes any bytes; nearly all names are UTF-8.
///
/// It has the size of a `Box<str>`: there may be very many links.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Text(Box<str>),
    NotUtf8(Box<NotUtf8>),
}

/// A name that is not UTF-8.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NotUtf8 {
    bytes: Box<OsStr>,
    /// The name with U+FFFD for what is not UTF-8.
    text: Box<str>,
}

impl Name {
    /// Returns the name as text, with U+FFFD for what is not UTF-8.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::NotUtf8(name) => &name.text,
        }
    }

    /// Returns the name as the kernel has it.
    pub(crate) fn as_os_str(&self) -> &OsStr {
        match self {
            Self::Text(text) => OsStr::new(&**text),
            Self::NotUtf8(name) => &name.bytes,
        }
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::Text(Box::default())
    }
}

impl<T: AsRef<OsStr> + ?Sized> From<&T> for Name {
    fn from(name: &T) -> Self {
        let name = name.as_ref();
        let Some(text) = name.to_str() else {
            return Self::NotUtf8(Box::new(NotUtf8 { bytes: name.into(), text: name.to_string_lossy().into() }));
        };
        Self::Text(text.into())
    }
}

impl PartialEq<OsStr> for Name {
    fn eq(&self, other: &OsStr) -> bool {
        self.as_os_str() == other
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_os_str().fmt(f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The longest interface name in bytes: the kernel's `IFNAMSIZ` without its NUL.
pub(crate) const MAX_LEN: usize = 15;

/// Checks a device's name before anything is sent.
///
/// The kernel refuses most of these with a bare `EINVAL`; `%` it would take for a numbering pattern.
pub(crate) fn check(name: &OsStr) -> Result<()> {
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
        for name in ["t", "team0", "fifteen-bytes-x", "a.b", "...", "ä", "a\u{3000}b", "a\u{85}b", "a\u{2028}b"] {
            check(OsStr::new(name)).unwrap();
        }
        check(OsStr::from_bytes(b"t\xff")).unwrap();
    }

    #[test]
    fn name_that_is_not_utf8_keeps_its_bytes() {
        assert_eq!(size_of::<Name>(), size_of::<Box<str>>());
        let names = [&b"t\xff"[..], b"t\xfe", "t\u{fffd}".as_bytes()].map(OsStr::from_bytes);
        for name in names {
            let kept = Name::from(name);
            assert_eq!((kept.as_os_str(), kept.as_str()), (name, "t\u{fffd}"));
            assert_eq!(names.map(Name::from).iter().filter(|other| **other == kept).count(), 1, "{name:?}");
        }
        assert_eq!(Name::default().as_os_str(), "");
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
            let message = check(OsStr::new(name)).unwrap_err().to_string();
            assert!(message.contains(why), "{name:?}: {message}");
        }
        let table = [(&b"\xff\xa0"[..], "0xa0"), (b"\xff/", "slash"), (&[0xff; 16], "15 bytes")];
        for (name, why) in table {
            let message = check(OsStr::from_bytes(name)).unwrap_err().to_string();
            assert!(message.contains(why), "{name:?}: {message}");
        }
    }
}
