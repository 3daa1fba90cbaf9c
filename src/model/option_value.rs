use std::fmt;
use std::num::IntErrorKind;

use crate::bpf::BpfProgram;

/// The value of an option, in the type that the driver gives the option.
///
/// # Examples
///
/// ```
/// use libteam::{OptionType, OptionValue};
///
/// let count = OptionValue::from(3_u32);
/// assert_eq!(count, OptionValue::U32(3));
/// assert_eq!(count.option_type(), OptionType::U32);
/// assert_eq!(OptionValue::from("activebackup").to_string(), "activebackup");
/// assert_eq!(OptionValue::from(vec![0, 255]).to_string(), r"\00\ff");
/// ```
///
/// # Source
///
/// `TEAM_ATTR_OPTION_DATA`, `linux/if_team.h`.
#[doc(alias = "team_option_value_str")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum OptionValue {
    /// An unsigned number.
    #[doc(alias = "team_get_option_value_u32")]
    U32(u32),
    /// A signed number.
    #[doc(alias = "team_get_option_value_s32")]
    I32(i32),
    /// On or off.
    #[doc(alias = "team_get_option_value_bool")]
    Bool(bool),
    /// Text of at most 31 bytes: the kernel's limit is 32 bytes with the terminating NUL.
    #[doc(alias = "team_get_option_value_string")]
    String(String),
    /// Raw bytes.
    #[doc(alias = "team_get_option_value_binary")]
    #[doc(alias = "team_get_option_value_len")]
    Binary(Vec<u8>),
    /// A value of a type that this version of the crate does not know; it can be read, not set.
    Other {
        /// The kernel's number of the type.
        type_code: u8,
        /// The bytes of the value.
        data: Vec<u8>,
    },
}

impl OptionValue {
    /// Returns the type of the value.
    #[doc(alias = "team_get_option_type")]
    #[must_use]
    pub fn option_type(&self) -> OptionType {
        match self {
            Self::U32(_) => OptionType::U32,
            Self::I32(_) => OptionType::I32,
            Self::Bool(_) => OptionType::Bool,
            Self::String(_) => OptionType::String,
            Self::Binary(_) => OptionType::Binary,
            Self::Other { type_code, .. } => OptionType::Other(*type_code),
        }
    }
}

impl OptionValue {
    /// Returns the value for an error message: text quoted, long binary values as their length.
    pub(crate) fn abbreviated(&self) -> String {
        match self {
            Self::String(text) => format!("{text:?}"),
            Self::Binary(bytes) if bytes.len() > 16 => format!("{} bytes", bytes.len()),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U32(value) => value.fmt(f),
            Self::I32(value) => value.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::String(value) => value.fmt(f),
            Self::Binary(bytes) => bytes.iter().try_for_each(|byte| write!(f, "\\{byte:02x}")),
            Self::Other { .. } => f.write_str("<unknown>"),
        }
    }
}

macro_rules! from_value {
    ($($native:ty => $variant:ident),+) => {
        $(impl From<$native> for OptionValue {
            fn from(value: $native) -> Self {
                Self::$variant(value.into())
            }
        })+
    };
}

from_value!(u32 => U32, i32 => I32, bool => Bool, &str => String, String => String, &[u8] => Binary, Vec<u8> => Binary);

impl From<&BpfProgram> for OptionValue {
    fn from(program: &BpfProgram) -> Self {
        Self::Binary(program.to_bytes())
    }
}

/// The type that the driver gives an option.
///
/// # Examples
///
/// See [`parse`](Self::parse) and [`OptionValue`].
///
/// # Source
///
/// `TEAM_ATTR_OPTION_TYPE`, `linux/if_team.h`: the numbers are `NLA_*` of the kernel's
/// `net/netlink.h`.
#[doc(alias = "team_option_type")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum OptionType {
    /// An unsigned number.
    U32,
    /// A signed number.
    I32,
    /// On or off.
    Bool,
    /// Text.
    String,
    /// Raw bytes.
    Binary,
    /// A type that this version of the crate does not know, by the kernel's number.
    Other(u8),
}

impl OptionType {
    /// Parses a value of this type in the form in which [`OptionValue`] prints it.
    ///
    /// Numbers are decimal, a bool is `true` or `false`, text is taken as it is, and each byte of a
    /// binary value is a backslash with two hexadecimal digits.
    ///
    /// White space and a sign may precede a number, as in the C library. Unlike the C library this
    /// method rejects an empty string and numbers that are out of range.
    ///
    /// # Errors
    ///
    /// [`ParseOptionError`] if the text is not a value of this type, and for [`OptionType::Other`].
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{OptionType, OptionValue};
    ///
    /// assert_eq!(OptionType::I32.parse("-3")?, OptionValue::I32(-3));
    /// assert_eq!(OptionType::Binary.parse(r"\00\ff")?, OptionValue::Binary(vec![0, 255]));
    /// let error = OptionType::Bool.parse("yes").unwrap_err();
    /// assert_eq!(error.to_string(), "invalid bool \"yes\": expected true or false");
    /// # Ok::<(), libteam::ParseOptionError>(())
    /// ```
    ///
    /// # Source
    ///
    /// The C library's `team_set_option_value_from_string`.
    pub fn parse(self, text: &str) -> Result<OptionValue, ParseOptionError> {
        let number = text.trim_ascii_start();
        let parsed = match self {
            Self::U32 => number
                .parse()
                .map(OptionValue::U32)
                .map_err(|_| "expected a decimal number up to 4294967295"),
            Self::I32 => number
                .parse()
                .map(OptionValue::I32)
                .map_err(|_| "expected a decimal number from -2147483648 to 2147483647"),
            Self::Bool => text.parse().map(OptionValue::Bool).map_err(|_| "expected true or false"),
            Self::String => Ok(OptionValue::String(text.to_owned())),
            Self::Binary => bytes(text)
                .map(OptionValue::Binary)
                .ok_or(r"expected each byte as \ and two hexadecimal digits"),
            Self::Other(_) => Err("expected a type that this library can set"),
        };
        parsed.map_err(|reason| ParseOptionError { expected: self, text: text.to_owned(), reason })
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
    text.as_bytes()
        .chunks(3)
        .map(|chunk| match chunk {
            [b'\\', high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

impl fmt::Display for OptionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U32 => f.pad("u32"),
            Self::I32 => f.pad("i32"),
            Self::Bool => f.pad("bool"),
            Self::String => f.pad("string"),
            Self::Binary => f.pad("binary"),
            Self::Other(code) => write!(f, "unknown type {code}"),
        }
    }
}

/// The error of a string that is not a value of an option's type.
///
/// # Examples
///
/// See [`OptionType::parse`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {expected} {text:?}: {reason}")]
pub struct ParseOptionError {
    expected: OptionType,
    text: String,
    reason: &'static str,
}

impl ParseOptionError {
    /// Returns whether the text is a number outside the range of the type.
    pub(crate) fn is_out_of_range(&self) -> bool {
        matches!(self.expected, OptionType::U32 | OptionType::I32)
            && match self.text.trim_ascii_start().parse::<i128>() {
                Ok(_) => true,
                Err(error) => {
                    matches!(error.kind(), IntErrorKind::PosOverflow | IntErrorKind::NegOverflow)
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_value_parses_to_the_same_value() {
        let values = [
            OptionValue::U32(0),
            OptionValue::U32(u32::MAX),
            OptionValue::I32(i32::MIN),
            OptionValue::I32(i32::MAX),
            OptionValue::Bool(true),
            OptionValue::Bool(false),
            OptionValue::String("activebackup".to_owned()),
            OptionValue::String(String::new()),
            OptionValue::Binary(vec![]),
            OptionValue::Binary((0..=255).collect()),
        ];
        for value in values {
            assert_eq!(value.option_type().parse(&value.to_string()), Ok(value));
        }
    }

    #[test]
    fn number_with_white_space_and_sign_is_accepted() {
        assert_eq!(OptionType::U32.parse(" \t+7"), Ok(OptionValue::U32(7)));
        assert_eq!(OptionType::I32.parse("\n-7"), Ok(OptionValue::I32(-7)));
        assert_eq!(OptionType::U32.parse("007"), Ok(OptionValue::U32(7)));
    }

    #[test]
    fn invalid_value_is_rejected_with_type_and_text() {
        let table = [
            (OptionType::U32, ["", " ", "-1", "4294967296", "7 ", "0x7", "seven"]),
            (OptionType::I32, ["", "-", "2147483648", "-2147483649", "7.0", "7s", "--7"]),
            (OptionType::Bool, ["", "1", "yes", "True", " true", "false ", "no"]),
            (OptionType::Binary, ["00", "\\0", "\\000", "\\0g", "\\+1", "\\00\\", "\\00 "]),
        ];
        for (expected, texts) in table {
            for text in texts {
                let message = expected.parse(text).unwrap_err().to_string();
                let start = format!("invalid {expected} {text:?}: expected ");
                assert!(message.starts_with(&start), "message {message:?} starts with {start:?}");
            }
        }
    }
}
