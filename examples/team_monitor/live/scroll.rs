//! The visible rows of a list that does not fit.

use std::ops::Range;

/// A scroll step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Rows(isize),
    Pages(isize),
    ToStart,
    ToEnd,
}

#[derive(Debug, Default)]
pub(crate) struct Scroll {
    /// The first visible row; can be beyond the end until the next drawing.
    top: usize,
    /// The number of rows that fitted at the last drawing.
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

    /// Returns which of `rows` rows to show if `room` rows fit.
    pub(crate) fn show(&mut self, rows: usize, room: usize) -> Range<usize> {
        self.page = room;
        self.top = self.top.min(rows.saturating_sub(room));
        self.top..rows.min(self.top + room)
    }
}
