//! Error numbers as text.

use std::fmt;

use nix::errno::Errno;

/// An error number as an error message shows it: its meaning and its name.
pub(super) struct Described(pub(super) i32);

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errno = Errno::from_raw(self.0);
        if errno == Errno::UnknownErrno {
            return write!(f, "error number {}", self.0);
        }
        let text = errno.desc();
        // "Device or resource busy" begins in lower case within a sentence, "I/O error" does not.
        let mut characters = text.chars();
        match (characters.next(), characters.as_str()) {
            (Some(first), rest) if rest.starts_with(|next: char| next.is_ascii_lowercase()) => {
                write!(f, "{}{rest}", first.to_ascii_lowercase())?;
            }
            _ => f.write_str(text)?,
        }
        write!(f, " ({errno:?})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_number_is_described_and_named() {
        let table = [
            (Errno::EBUSY as i32, "device or resource busy (EBUSY)"),
            (Errno::EPERM as i32, "operation not permitted (EPERM)"),
            (Errno::EIO as i32, "I/O error (EIO)"),
            (Errno::EAGAIN as i32, "try again (EAGAIN)"),
            (Errno::ENODEV as i32, "no such device (ENODEV)"),
        ];
        for (number, text) in table {
            assert_eq!(Described(number).to_string(), text);
        }
    }

    #[test]
    fn unknown_error_number_prints_as_a_number() {
        // ENOTSUPP, which some drivers return though it is not meant for programs.
        assert_eq!(Described(524).to_string(), "error number 524");
        assert_eq!(Described(0).to_string(), "error number 0");
        assert_eq!(Described(-1).to_string(), "error number -1");
    }
}
