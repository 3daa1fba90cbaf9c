//! The table that a benchmark prints.

use std::fmt;

use crate::sample::Samples;

/// The required limit of a ratio.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    None,
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Self::None => true,
            Self::AtMost(bar) => ratio <= bar,
            Self::AtLeast(bar) => ratio >= bar,
        }
    }

    fn judge(self, ratio: f64) -> String {
        let bar = match self {
            Self::None => return format!("{ratio:.2}"),
            Self::AtMost(bar) => format!("≤ {bar}"),
            Self::AtLeast(bar) => format!("≥ {bar}"),
        };
        format!("{ratio:.2} ({bar}{})", if self.holds(ratio) { "" } else { ": FAILS" })
    }
}

/// The times of three programs for one operation.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub(crate) ours: Samples,
    pub(crate) limit: Samples,
    pub(crate) c_library: Samples,
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<[String; 7]>,
    fails: bool,
}

const HEAD: [&str; 7] = [
    "what",
    "other links",
    "this crate",
    "the limit",
    "C library",
    "x the limit",
    "C / this crate",
];

impl Table {
    /// Adds a comparison. `limit` applies to this crate's time over the limit's, if there is one,
    /// `c_library` to the C library's time over this crate's.
    pub(crate) fn compare(
        &mut self,
        what: &str,
        other_links: u32,
        times: &Compared,
        limit: Bar,
        c_library: Bar,
    ) {
        let (over_limit, faster) =
            (times.ours.over(&times.limit), times.c_library.over(&times.ours));
        self.fails |= !limit.holds(over_limit) || !c_library.holds(faster);
        self.add([
            what.to_owned(),
            other_links.to_string(),
            times.ours.to_string(),
            times.limit.to_string(),
            times.c_library.to_string(),
            if times.limit.is_empty() { String::new() } else { limit.judge(over_limit) },
            c_library.judge(faster),
        ]);
    }

    /// Adds a result that is not a comparison of times.
    pub(crate) fn fact(&mut self, what: &str, found: &str, holds: bool) {
        self.fails |= !holds;
        let verdict = if holds { "" } else { "FAILS" };
        let cells = [what, "", found, "", "", verdict, ""];
        self.add(cells.map(str::to_owned));
    }

    fn add(&mut self, row: [String; 7]) {
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }

    pub(crate) fn holds(&self) -> bool {
        !self.fails
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", line(&HEAD.map(str::to_owned)))?;
        writeln!(formatter, "{}", line(&HEAD.map(|_| "---".to_owned())))?;
        self.rows.iter().try_for_each(|row| writeln!(formatter, "{}", line(row)))
    }
}

fn line(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}
