//! The name of a link, as bytes and as text.

use std::ffi::OsStr;
use std::fmt;

/// The name of a link: any bytes, but nearly always UTF-8.
///
/// It has the size of a `Box<str>`, to save memory where there are many links.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Text(Box<str>),
    NotUtf8(Box<NotUtf8>),
}

/// A name that is not UTF-8.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NotUtf8 {
    bytes: Box<OsStr>,
    /// The name with U+FFFD in place of bytes that are not UTF-8.
    text: Box<str>,
}

impl Name {
    /// Returns the name as text, with U+FFFD in place of bytes that are not UTF-8.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::NotUtf8(name) => &name.text,
        }
    }

    /// Returns the name as the kernel spells it.
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
            return Self::NotUtf8(Box::new(NotUtf8 {
                bytes: name.into(),
                text: name.to_string_lossy().into(),
            }));
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

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn non_utf8_name_keeps_its_bytes() {
        assert_eq!(size_of::<Name>(), size_of::<Box<str>>());
        let names = [&b"t\xff"[..], b"t\xfe", "t\u{fffd}".as_bytes()].map(OsStr::from_bytes);
        for name in names {
            let kept = Name::from(name);
            assert_eq!((kept.as_os_str(), kept.as_str()), (name, "t\u{fffd}"));
            assert_eq!(
                names.map(Name::from).iter().filter(|other| **other == kept).count(),
                1,
                "number of names equal to {name:?}"
            );
        }
        assert_eq!(Name::default().as_os_str(), "");
    }
}
