use libteam::OptionValue;
use nix::errno::Errno;

use super::split_text;
use crate::parse;
use crate::store::OptType;

/// The first letter of an option's type, and the text of a value as a C string.
pub(super) fn option_value(input: &[u8]) {
    let Some((letter, text)) = input.split_first() else { return };
    let expected_type = match letter {
        b'u' => OptType::U32,
        b's' => OptType::S32,
        b't' => OptType::String,
        b'b' => OptType::Bool,
        _ => OptType::Binary,
    };
    let (text, _) = split_text(text);
    let found = parse::option_value(expected_type, text.to_bytes());
    let expected = expected_value(expected_type, text.to_bytes());
    assert_eq!(found, expected, "{text:?} as {expected_type:?}");
    if let Ok(value) = found {
        assert_eq!(OptType::of(&value), Some(expected_type), "{text:?}");
        let printed = value.to_string();
        let again = parse::option_value(expected_type, printed.as_bytes());
        assert_eq!(again, Ok(value), "{text:?} was printed as {printed:?}");
    }
}

/// Returns what `team_set_option_value_from_string` reads from a text.
fn expected_value(expected: OptType, text: &[u8]) -> Result<OptionValue, Errno> {
    let utf8 = str::from_utf8(text).map_err(|_| Errno::EINVAL);
    match expected {
        OptType::U32 => number(utf8?)?.parse().map(OptionValue::U32).map_err(|_| Errno::ERANGE),
        OptType::S32 => number(utf8?)?.parse().map(OptionValue::I32).map_err(|_| Errno::ERANGE),
        OptType::String => utf8.map(OptionValue::from),
        OptType::Bool => utf8?.parse().map(OptionValue::Bool).map_err(|_| Errno::EINVAL),
        OptType::Binary => binary(utf8?).map(OptionValue::Binary).ok_or(Errno::EINVAL),
    }
}

/// Returns the digits that strtol(3) reads, without leading zeros and with their sign if it is `-`;
/// `0` for no text. Text that strtol(3) does not read to its end is an error.
fn number(text: &str) -> Result<String, Errno> {
    if text.is_empty() {
        return Ok("0".to_owned());
    }
    let signed = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let digits = signed.strip_prefix(['+', '-']).unwrap_or(signed);
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_ascii_digit()) {
        return Err(Errno::EINVAL);
    }
    match digits.trim_start_matches('0') {
        "" => Ok("0".to_owned()),
        digits if signed.starts_with('-') => Ok(format!("-{digits}")),
        digits => Ok(digits.to_owned()),
    }
}

/// Returns the bytes of a text like `\0a\Ff`.
fn binary(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.split('\\');
    // The text before the first backslash.
    if !bytes.next().is_none_or(str::is_empty) {
        return None;
    }
    bytes
        .map(|digits| {
            let is_byte =
                digits.len() == 2 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(digits, 16).ok().filter(|_| is_byte)
        })
        .collect()
}
