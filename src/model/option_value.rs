use std::fmt;

use super::option_type::OptionType;
use crate::bpf::BpfProgram;

/// An option's value in the type that the driver gives the option.
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
    /// Text, at most 31 bytes: the kernel wants the NUL among its 32.
    #[doc(alias = "team_get_option_value_string")]
    String(String),
    /// Raw bytes.
    #[doc(alias = "team_get_option_value_binary")]
    #[doc(alias = "team_get_option_value_len")]
    Binary(Vec<u8>),
    /// A type that this version of the crate does not know; it can be read, not set.
    Other {
        /// The kernel's number of the type.
        type_code: u8,
        /// The value's bytes.
        data: Vec<u8>,
    },
}

impl OptionValue {
    /// The type of the value.
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
    /// Returns the value as an error message shows it: text in quotation marks, and only the number
    /// of many bytes.
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
