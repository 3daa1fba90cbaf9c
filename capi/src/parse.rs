//! Text from a C program: values of options, and settings in the environment.

use std::ops::RangeInclusive;

use libteam::OptionValue;
use nix::errno::Errno;

use crate::store::OptType;

/// Reads a value for `team_set_option_value_from_string`.
///
/// Numbers are read like strtol(3) reads them: white space and a sign may come first, and nothing
/// at all is 0.
pub(crate) fn option_value(expected: OptType, text: &[u8]) -> Result<OptionValue, Errno> {
    match expected {
        OptType::U32 => {
            let limit = i128::from(u64::MAX);
            let number = whole_number(text, -limit..=limit)?;
            u32::try_from(number).map(OptionValue::U32).map_err(|_| Errno::ERANGE)
        }
        OptType::S32 => {
            let number = whole_number(text, i64::MIN.into()..=i64::MAX.into())?;
            i32::try_from(number).map(OptionValue::I32).map_err(|_| Errno::ERANGE)
        }
        OptType::Bool => match text {
            b"true" => Ok(OptionValue::Bool(true)),
            b"false" => Ok(OptionValue::Bool(false)),
            _ => Err(Errno::EINVAL),
        },
        OptType::String => {
            String::from_utf8(text.to_vec()).map(OptionValue::String).map_err(|_| Errno::EINVAL)
        }
        OptType::Binary => bytes(text).map(OptionValue::Binary),
    }
}

/// Each byte is a backslash and a hexadecimal number of two characters, which are two digits, or one
/// after a sign or white space.
fn bytes(text: &[u8]) -> Result<Vec<u8>, Errno> {
    if text.len() % 3 != 0 {
        return Err(Errno::EINVAL);
    }
    let digit = |digit: u8| {
        let digit = char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        digit.ok_or(Errno::EINVAL)
    };
    text.chunks(3)
        .map(|chunk| match *chunk {
            [b'\\', b'-', low] if digit(low)? != 0 => Err(Errno::ERANGE),
            [b'\\', high, low] if matches!(high, b'+' | b'-') || is_space(high) => digit(low),
            [b'\\', high, low] => Ok(digit(high)? << 4 | digit(low)?),
            _ => Err(Errno::EINVAL),
        })
        .collect()
}

/// Reads a number with nothing after it. One outside the range of the C type that the C library
/// reads is out of range whatever follows.
fn whole_number(text: &[u8], range: RangeInclusive<i128>) -> Result<i128, Errno> {
    let (number, rest) = leading_number(text);
    if !range.contains(&number) {
        Err(Errno::ERANGE)
    } else if rest.is_empty() {
        Ok(number)
    } else {
        Err(Errno::EINVAL)
    }
}

/// What isspace(3) accepts.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Reads a decimal number like strtol(3), and returns it with the text after it: the nearest number
/// for one that is too large, and 0 with the whole text where there is no number.
fn leading_number(text: &[u8]) -> (i128, &[u8]) {
    let start = text.iter().take_while(|byte| is_space(**byte)).count();
    let unsigned = start + usize::from(matches!(text.get(start), Some(b'+' | b'-')));
    let digits = text.get(unsigned..).unwrap_or_default();
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return (0, text);
    }
    let sign = if text.get(start) == Some(&b'-') { -1 } else { 1 };
    let number = digits.iter().take(count).fold(0_i128, |number, digit| {
        number.saturating_mul(10).saturating_add(sign * i128::from(digit - b'0'))
    });
    (number, digits.get(count..).unwrap_or_default())
}

/// The smallest receive buffer that `TEAM_EVENT_BUFSIZE` sets, in bytes.
const MIN_EVENT_BUFFER: usize = 32 * 1024;

/// Reads `TEAM_EVENT_BUFSIZE`: a number of bytes. What is not a positive number sets the smallest
/// size.
pub(crate) fn event_buffer(text: &[u8]) -> usize {
    let (number, _) = leading_number(text);
    usize::try_from(number.max(0)).unwrap_or(usize::MAX).max(MIN_EVENT_BUFFER)
}

pub(crate) const LOG_ERROR: i32 = 3;
pub(crate) const LOG_WARNING: i32 = 4;
pub(crate) const LOG_INFO: i32 = 6;
pub(crate) const LOG_DEBUG: i32 = 7;

/// Reads `TEAM_LOG`: a priority of syslog(3) as a number or by the beginning of its name.
pub(crate) fn log_priority(text: &[u8]) -> i32 {
    let (number, rest) = leading_number(text);
    let is_number = rest.len() < text.len() && rest.first().is_none_or(u8::is_ascii_whitespace);
    if is_number {
        return i32::try_from(number).unwrap_or(i32::MAX);
    }
    let names = [(&b"err"[..], LOG_ERROR), (b"info", LOG_INFO), (b"debug", LOG_DEBUG)];
    names.iter().find(|(name, _)| text.starts_with(name)).map_or(0, |(_, priority)| *priority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_like_strtol() {
        let u32 = |text: &str| option_value(OptType::U32, text.as_bytes());
        assert_eq!(u32(""), Ok(OptionValue::U32(0)));
        assert_eq!(u32("007"), Ok(OptionValue::U32(7)));
        assert_eq!(u32(" \t+7"), Ok(OptionValue::U32(7)));
        assert_eq!(u32("4294967295"), Ok(OptionValue::U32(u32::MAX)));
        for text in ["4294967296", "-1", "-18446744073709551615", "99999999999999999999x"] {
            assert_eq!(u32(text), Err(Errno::ERANGE), "{text}");
        }
        for text in ["7 ", "0x7", "seven", " ", "-", "+ 7", "18446744073709551615x", "-1x"] {
            assert_eq!(u32(text), Err(Errno::EINVAL), "{text:?}");
        }
        let s32 = |text: &str| option_value(OptType::S32, text.as_bytes());
        assert_eq!(s32("-2147483648"), Ok(OptionValue::I32(i32::MIN)));
        assert_eq!(s32("2147483648"), Err(Errno::ERANGE));
        assert_eq!(s32("-9223372036854775808x"), Err(Errno::EINVAL));
        assert_eq!(s32("9223372036854775808x"), Err(Errno::ERANGE));
        assert_eq!(s32(""), Ok(OptionValue::I32(0)));
    }

    #[test]
    fn other_types_are_read_as_they_print() {
        assert_eq!(option_value(OptType::Bool, b"true"), Ok(OptionValue::Bool(true)));
        assert_eq!(option_value(OptType::Bool, b"1"), Err(Errno::EINVAL));
        assert_eq!(
            option_value(OptType::Binary, b"\\00\\fF"),
            Ok(OptionValue::Binary(vec![0, 255]))
        );
        assert_eq!(
            option_value(OptType::Binary, b"\\+1\\\na\\-0"),
            Ok(OptionValue::Binary(vec![1, 10, 0]))
        );
        assert_eq!(option_value(OptType::Binary, b"\\-1\\x1"), Err(Errno::ERANGE));
        for text in ["\\0", "\\0x", "\\  ", "\\ +", "\\-1\\0", "000"] {
            assert_eq!(
                option_value(OptType::Binary, text.as_bytes()),
                Err(Errno::EINVAL),
                "{text:?}"
            );
        }
        let text = OptionValue::String("activebackup".to_owned());
        assert_eq!(option_value(OptType::String, b"activebackup"), Ok(text));
        assert_eq!(option_value(OptType::String, b"\xff"), Err(Errno::EINVAL));
    }

    #[test]
    fn event_buffer_has_a_floor() {
        let table = [
            ("4096", MIN_EVENT_BUFFER),
            ("", MIN_EVENT_BUFFER),
            ("junk", MIN_EVENT_BUFFER),
            ("-5", MIN_EVENT_BUFFER),
            ("65536", 65536),
            ("65536 bytes", 65536),
        ];
        for (text, bytes) in table {
            assert_eq!(event_buffer(text.as_bytes()), bytes, "{text:?}");
        }
        assert_eq!(event_buffer(b"99999999999999999999"), usize::MAX);
    }

    #[test]
    fn log_priority_is_a_number_or_a_prefix() {
        let table = [
            ("7", 7),
            ("-1", -1),
            ("5 ", 5),
            ("error", 3),
            ("err", 3),
            ("info", 6),
            ("debugging", 7),
            ("7x", 0),
            ("warning", 0),
            ("", 0),
        ];
        for (text, priority) in table {
            assert_eq!(log_priority(text.as_bytes()), priority, "{text:?}");
        }
    }
}
