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
    let utf8 = std::str::from_utf8(text).map_err(|_| Errno::EINVAL);
    match expected {
        OptType::U32 => {
            let number = number(text, [u64::MAX; 2])?;
            number.parse().map(OptionValue::U32).map_err(|_| Errno::ERANGE)
        }
        OptType::S32 => {
            let number = number(text, [i64::MAX.unsigned_abs(), i64::MIN.unsigned_abs()])?;
            number.parse().map(OptionValue::I32).map_err(|_| Errno::ERANGE)
        }
        OptType::String => utf8.map(OptionValue::from),
        OptType::Bool => utf8?.parse().map(OptionValue::Bool).map_err(|_| Errno::EINVAL),
        OptType::Binary => binary(text).map(OptionValue::Binary),
    }
}

/// Returns the digits that strtol(3) reads, without leading zeros and with their sign if it is `-`;
/// `0` for no text. The limits are those of the C type, without and with the sign `-`: beyond them
/// the number is out of range whatever follows. Text that strtol(3) does not read is an error.
fn number(text: &[u8], [limit, negative_limit]: [u64; 2]) -> Result<String, Errno> {
    let start = text.iter().position(|byte| !b" \t\n\x0b\x0c\r".contains(byte));
    let signed = text.get(start.unwrap_or(0)..).unwrap_or_default();
    let is_negative = signed.starts_with(b"-");
    let unsigned = signed.strip_prefix(if is_negative { b"-" } else { b"+" }).unwrap_or(signed);
    let end = unsigned.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(unsigned.len());
    let (digits, rest) = unsigned.split_at(end);
    let digits: String = digits.iter().copied().map(char::from).collect();
    let significant = digits.trim_start_matches('0');

    let limit = if is_negative { negative_limit } else { limit }.to_string();
    if (significant.len(), significant) > (limit.len(), &limit) {
        return Err(Errno::ERANGE);
    }
    if !rest.is_empty() || digits.is_empty() && !text.is_empty() {
        return Err(Errno::EINVAL);
    }
    let sign = if is_negative { "-" } else { "" };
    Ok(if significant.is_empty() { "0".to_owned() } else { format!("{sign}{significant}") })
}

/// Returns the bytes of a text like `\0a\Ff`. Like all that strtol(3) reads, one digit may have a
/// sign or white space before it.
fn binary(text: &[u8]) -> Result<Vec<u8>, Errno> {
    if text.len() % 3 != 0 {
        return Err(Errno::EINVAL);
    }
    let mut bytes = Vec::new();
    for byte in text.chunks(3) {
        let byte: String = byte.iter().copied().map(char::from).collect();
        let digits = byte.strip_prefix('\\').ok_or(Errno::EINVAL)?;
        let unsigned = digits
            .strip_prefix([' ', '\t', '\n', '\x0b', '\x0c', '\r', '+', '-'])
            .filter(|_| digits.len() == 2)
            .unwrap_or(digits);
        if !unsigned.chars().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(Errno::EINVAL);
        }
        if digits.starts_with('-') && unsigned != "0" {
            return Err(Errno::ERANGE);
        }
        bytes.push(u8::from_str_radix(unsigned, 16).map_err(|_| Errno::EINVAL)?);
    }
    Ok(bytes)
}
