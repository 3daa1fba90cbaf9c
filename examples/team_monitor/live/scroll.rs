//! Which rows of a list that is longer than its place are shown.

use std::ops::Range;

/// How far to scroll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Rows(isize),
    Pages(isize),
    ToStart,
    ToEnd,
}

#[derive(Debug, Default)]
pub(crate) struct Scroll {
    /// The first row that is shown; beyond the end until it is shown the next time.
    top: usize,
    /// How many rows were shown last.
    page: usize,
}

impl Scroll {
    pub(crate) fn by(&mut self, by: By) {
        self.top = match by {
            By::Rows(rows) => self.top.saturating_add_signed(rows),
            By::Pages(pages) => {
                let page = isize::try_from(self.page.max(1)).unwrap_or(isize::MAX);
                self.top.saturating_add_signed(pages.saturating_mul(page))
            }
            By::ToStart => 0,
            By::ToEnd => usize::MAX,
        };
    }

    /// The rows to show of so many where there is room for `room`.
    pub(crate) fn show(&mut self, rows: usize, room: usize) -> Range<usize> {
        self.page = room;
        self.top = self.top.min(rows.saturating_sub(room));
        self.top..rows.min(self.top + room)
    }
}
