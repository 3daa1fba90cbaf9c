//! Text from a user.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::codec::sent_and_read;
use crate::bpf::{BpfProgram, HashFields};
use crate::model::hwaddr::HwAddr;
use crate::model::mode::Mode;
use crate::model::option::OptionId;
use crate::model::option_value::OptionType;
use crate::model::tx_method::TxMethod;
use crate::netlink::ifname;

/// The name of an option, its type's number and its value, each on a line: what can be read can be
/// printed, and what can be sent arrives.
pub(super) fn option_value(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.splitn(3, '\n');
    let (Some(name), Some(number), Some(text)) = (lines.next(), lines.next(), lines.next()) else {
        return;
    };
    let wanted = match number {
        "3" => OptionType::U32,
        "5" => OptionType::String,
        "6" => OptionType::Bool,
        "11" => OptionType::Binary,
        "14" => OptionType::I32,
        other => OptionType::Other(other.parse().unwrap_or_default()),
    };
    match wanted.parse(text) {
        Ok(value) => {
            assert_eq!(value.option_type(), wanted);
            assert_eq!(wanted.parse(&value.to_string()).as_ref(), Ok(&value));
            sent_and_read(&OptionId::global(name.to_owned()), &value);
        }
        Err(error) => {
            assert!(
                error.to_string().starts_with(&format!("invalid {wanted} {text:?}: expected "))
            );
        }
    }
}

/// A hardware address, and the names of a device, a mode and a method.
pub(super) fn names(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match text.parse::<HwAddr>() {
        Ok(address) => {
            assert_eq!(address.to_string().parse(), Ok(address));
            assert_eq!(HwAddr::new(address.as_bytes()), Some(address));
        }
        Err(error) => assert!(error.to_string().contains(&format!("{text:?}"))),
    }
    match ifname::validate_ifname(OsStr::from_bytes(input)) {
        Ok(()) => {
            assert!((1..=ifname::MAX_LEN).contains(&input.len()));
            assert!(!input.iter().any(|byte| b"/:% \n\0".contains(byte)));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    assert_eq!(Mode::from_kernel_name(&text).as_str(), text);
    assert_eq!(TxMethod::from_kernel_name(&text).as_str(), text);
    let mode = Mode::from_kernel_name(&text);
    let is_known = !matches!(mode, Mode::Other(_));
    assert_eq!(text.parse().ok(), is_known.then_some(mode));
}

/// The header fields of a hash: every set of them makes a program that is right.
pub(super) fn hash_fields(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match text.parse::<HashFields>() {
        Ok(fields) => {
            assert_eq!(fields.to_string().parse(), Ok(fields));
            let program = BpfProgram::hash(fields);
            assert_eq!(BpfProgram::new(program.instructions()), Ok(program.clone()));
            super::bpf::program(&program.to_bytes());
        }
        Err(error) => assert!(error.to_string().ends_with("or l4")),
    }
}
