//! The table of results, printed as Markdown, and the bars that the results must meet.

use std::fmt;

use crate::sample::{Ratio, Samples};

/// The limit of a ratio. A ratio fails when it is beyond the limit by more than its own spread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    None,
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    fn holds(self, ratio: Ratio) -> bool {
        match self {
            Self::None => true,
            Self::AtMost(bar) => ratio.value - ratio.spread <= bar,
            Self::AtLeast(bar) => ratio.value + ratio.spread >= bar,
        }
    }

    fn judge(self, ratio: Ratio) -> String {
        let Ratio { value, spread } = ratio;
        let bar = match self {
            Self::None => return format!("{value:.2}"),
            Self::AtMost(bar) => format!("≤ {bar}"),
            Self::AtLeast(bar) => format!("≥ {bar}"),
        };
        format!("{value:.2} ±{spread:.2} ({bar}{})", if self.holds(ratio) { "" } else { ": FAILS" })
    }
}

/// The times of all contenders for one thing.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub(crate) ours: Samples,
    pub(crate) limit: Samples,
    pub(crate) c_library: Samples,
    /// The times of the contenders that [`Table::with`] names, in the same order.
    pub(crate) others: Vec<Samples>,
}

/// What is compared, and the bars of the comparison.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    /// The number of other links.
    pub(crate) links: u32,
    /// The bar of this crate's time over the limit's.
    pub(crate) limit: Bar,
    /// The bar of the C library's time over this crate's.
    pub(crate) c_library: Bar,
}

impl Row {
    fn holds(&self, times: &Compared) -> bool {
        self.limit.holds(times.ours.over(&times.limit))
            && self.c_library.holds(times.c_library.over(&times.ours))
    }
}

#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<String>,
    others: usize,
    rows: Vec<Vec<String>>,
    fails: bool,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self::with("other links", "C library", &[])
    }

    /// Makes a table with these names: of the number of links, of the C library, and of further
    /// contenders.
    pub(crate) fn with(links: &str, c_library: &str, others: &[&str]) -> Self {
        let contenders = [c_library].into_iter().chain(others.iter().copied());
        let mut head = vec!["what", links, "this crate", "the limit"];
        head.extend(contenders.clone());
        head.push("x the limit");
        let mut head: Vec<String> = head.into_iter().map(str::to_owned).collect();
        head.extend(contenders.map(|contender| format!("{contender} / this crate")));
        Self { head, others: others.len(), rows: Vec::new(), fails: false }
    }

    /// Measures one thing and adds its row.
    pub(crate) fn compare(&mut self, row: &Row, mut measure: impl FnMut() -> Compared) -> Compared {
        let row = std::slice::from_ref(row);
        self.compare_all(row, |_| vec![measure()]).pop().unwrap_or_default()
    }

    /// Measures several things together and adds their rows. `measure` gets the places of the rows
    /// to measure: those that fail are measured again, and the second result counts.
    pub(crate) fn compare_all(
        &mut self,
        rows: &[Row],
        mut measure: impl FnMut(&[usize]) -> Vec<Compared>,
    ) -> Vec<Compared> {
        let all: Vec<usize> = (0..rows.len()).collect();
        let mut times = measure(&all);
        let failed: Vec<usize> = rows
            .iter()
            .zip(&times)
            .enumerate()
            .filter(|(_, (row, times))| !row.holds(times))
            .map(|(place, _)| place)
            .collect();
        if !failed.is_empty() {
            for (row, times) in rows.iter().zip(&times).filter(|(row, times)| !row.holds(times)) {
                eprintln!("measured again: {}", line(&self.cells(row, times)));
            }
            for (place, again) in failed.iter().zip(measure(&failed)) {
                if let Some(times) = times.get_mut(*place) {
                    *times = again;
                }
            }
        }
        for (row, times) in rows.iter().zip(&times) {
            self.fails |= !row.holds(times);
            self.add(self.cells(row, times));
        }
        times
    }

    fn cells(&self, row: &Row, times: &Compared) -> Vec<String> {
        let mut cells = vec![
            row.what.clone(),
            row.links.to_string(),
            times.ours.to_string(),
            times.limit.to_string(),
            times.c_library.to_string(),
        ];
        let over_ours = |samples: &Samples, bar: Bar| {
            if samples.is_empty() { String::new() } else { bar.judge(samples.over(&times.ours)) }
        };
        let others = || (0..self.others).map(|place| times.others.get(place));
        cells.extend(others().map(|samples| samples.map(Samples::to_string).unwrap_or_default()));
        cells.push(if times.limit.is_empty() {
            String::new()
        } else {
            row.limit.judge(times.ours.over(&times.limit))
        });
        cells.push(over_ours(&times.c_library, row.c_library));
        cells.extend(others().map(|samples| {
            samples.map(|samples| over_ours(samples, Bar::None)).unwrap_or_default()
        }));
        cells
    }

    /// Adds a result that is not a comparison of times.
    pub(crate) fn fact(&mut self, what: &str, found: &str, holds: bool) {
        self.fact_beside(what, found, "", holds);
    }

    /// Adds a result that is not a comparison of times, with the C library's.
    pub(crate) fn fact_beside(&mut self, what: &str, found: &str, c_library: &str, holds: bool) {
        self.fails |= !holds;
        let verdict = if holds { "" } else { "FAILS" };
        let mut cells =
            [what, "", found, "", c_library].into_iter().map(str::to_owned).collect::<Vec<_>>();
        cells.resize(5 + self.others, String::new());
        cells.push(verdict.to_owned());
        cells.resize(self.head.len(), String::new());
        self.add(cells);
    }

    fn add(&mut self, row: Vec<String>) {
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }

    pub(crate) fn holds(&self) -> bool {
        !self.fails
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", line(&self.head))?;
        writeln!(formatter, "{}", line(&vec!["---".to_owned(); self.head.len()]))?;
        self.rows.iter().try_for_each(|row| writeln!(formatter, "{}", line(row)))
    }
}

fn line(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}
