//! The format of `team_get_option`.

use std::ffi::{CStr, c_char};

/// The arguments that `team_get_option` receives as registers or stack slots.
pub(crate) const MAX_ARGUMENTS: usize = 4;

/// What a format and its arguments look for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// The address of the name; `None` if the format has no `n`.
    pub(crate) name: Option<usize>,
    pub(crate) port: Option<u32>,
    pub(crate) array_index: Option<u32>,
    /// A missing option is made.
    pub(crate) is_forced: bool,
}

/// Reads a format: `n` takes a name, `p` the index of a port, `a` an index into an array; `!` takes
/// nothing. Other letters mean nothing. `None` if the format takes more arguments than there can
/// be.
pub(crate) fn parse(format: &CStr, arguments: [usize; MAX_ARGUMENTS]) -> Option<Query> {
    let mut query = Query::default();
    let mut arguments = arguments.into_iter();
    for letter in format.to_bytes() {
        match letter {
            b'n' => query.name = Some(arguments.next()?),
            b'p' => query.port = Some(low_half(arguments.next()?)),
            b'a' => query.array_index = Some(low_half(arguments.next()?)),
            b'!' => query.is_forced = true,
            _ => {}
        }
    }
    Some(query)
}

/// A 32-bit argument; the rest of its slot is undefined.
fn low_half(argument: usize) -> u32 {
    let [a, b, c, d, ..] = argument.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Returns the name that a query refers to.
pub(crate) fn name_address(query: &Query) -> Option<*const c_char> {
    query.name.map(std::ptr::with_exposed_provenance::<c_char>).filter(|name| !name.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_take_their_arguments_in_order() {
        let all = Query { name: Some(1), port: Some(2), array_index: Some(3), is_forced: true };
        assert_eq!(parse(c"npa!", [1, 2, 3, 4]), Some(all));
        assert_eq!(parse(c"!anp", [3, 1, 2, 4]), Some(all));
        assert_eq!(parse(c"n", [1, 2, 3, 4]), Some(Query { name: Some(1), ..Query::default() }));
        assert_eq!(parse(c"", [1, 2, 3, 4]), Some(Query::default()));
    }

    #[test]
    fn unknown_letters_take_nothing() {
        let named = Query { name: Some(1), ..Query::default() };
        assert_eq!(parse(c"x%n\x01\xff", [1, 2, 3, 4]), Some(named));
    }

    #[test]
    fn last_of_equal_letters_counts() {
        let last = Query { port: Some(4), ..Query::default() };
        assert_eq!(parse(c"pppp", [1, 2, 3, 4]), Some(last));
    }

    #[test]
    fn more_arguments_than_there_can_be_are_refused() {
        assert_eq!(parse(c"nnnnn", [1, 2, 3, 4]), None);
        assert_eq!(parse(c"npapn!", [1, 2, 3, 4]), None);
    }

    #[test]
    fn upper_half_of_a_slot_does_not_count() {
        let dirty = (usize::MAX ^ 0xffff_ffff) | 7;
        let port = Query { port: Some(7), ..Query::default() };
        assert_eq!(parse(c"p", [dirty, 0, 0, 0]), Some(port));
    }
}
