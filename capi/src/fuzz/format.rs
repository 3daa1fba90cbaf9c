use std::ffi::c_char;

use super::split_text;
use crate::format::{MAX_ARGUMENTS, name_address, parse};

/// A format and, after its NUL, the slots of its arguments.
pub(super) fn format(input: &[u8]) {
    let (format, slots) = split_text(input);
    let mut arguments = [0; MAX_ARGUMENTS];
    for (argument, slot) in arguments.iter_mut().zip(slots.chunks(size_of::<usize>())) {
        let mut bytes = [0; size_of::<usize>()];
        bytes.iter_mut().zip(slot).for_each(|(to, from)| *to = *from);
        *argument = usize::from_le_bytes(bytes);
    }

    let letters = format.to_bytes();
    let expected = expected(letters, &arguments);
    let found = parse(&format, arguments);
    assert_eq!(found.is_some(), expected.is_some(), "{format:?}");
    if let (Some(found), Some(expected)) = (found, expected) {
        let context = format!("{format:?} with {arguments:x?}");
        let address = name_address(&found).map(<*const c_char>::addr);
        // NULL is no name.
        assert_eq!(address, expected.name.filter(|name| *name != 0), "the name of {context}");
        assert_eq!(found.port, expected.port.map(low_half), "the port of {context}");
        assert_eq!(found.array_index, expected.array_index.map(low_half), "the index of {context}");
        assert_eq!(found.is_forced, letters.contains(&b'!'), "the `!` of {context}");
    }
}

/// The slots that the three letters take.
struct Slots {
    name: Option<usize>,
    port: Option<usize>,
    array_index: Option<usize>,
}

/// Returns the slot of each letter: the last of equal letters counts, and its slot has the number
/// of letters with an argument before it. `None` if there are too few slots.
fn expected(letters: &[u8], slots: &[usize]) -> Option<Slots> {
    let takers: Vec<u8> =
        letters.iter().copied().filter(|letter| matches!(letter, b'n' | b'p' | b'a')).collect();
    let slot_of = |letter| {
        let position = takers.iter().rposition(|taker| *taker == letter)?;
        slots.get(position).copied()
    };
    (takers.len() <= slots.len()).then(|| Slots {
        name: slot_of(b'n'),
        port: slot_of(b'p'),
        array_index: slot_of(b'a'),
    })
}

/// The value of a `uint32_t` argument: the upper half of a 64-bit slot is undefined.
fn low_half(slot: usize) -> u32 {
    u32::try_from(slot & 0xffff_ffff).unwrap_or_default()
}
