//! Comparing what two libraries did.

use std::fmt::Write as _;

/// The steps of a scenario, each with what could be observed after it.
#[derive(Debug, Default)]
pub(crate) struct Record(Vec<(String, String)>);

impl Record {
    pub(crate) fn add(&mut self, step: impl Into<String>, observed: impl Into<String>) {
        self.0.push((step.into(), observed.into()));
    }

    /// Returns everything that was observed.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|(step, observed)| format!("{step}: {observed}\n")).collect()
    }

    fn of<'a>(&'a self, step: &str) -> Option<&'a str> {
        self.0.iter().find(|(name, _)| name == step).map(|(_, observed)| &**observed)
    }
}

/// A step after which the libraries may differ: as it goes wrong with Debian's, which may depend on
/// the time that things take.
pub(crate) struct Allowed<'a> {
    pub(crate) step: &'a str,
    /// What is observed with ours then holds this text.
    pub(crate) ours: &'a str,
    pub(crate) why: &'a str,
}

/// Prints the steps after which the libraries differ; panics unless these may.
pub(crate) fn assert_same(title: &str, [debian, ours]: &[Record; 2], allowed: &[Allowed<'_>]) {
    assert!(!debian.0.is_empty(), "{title}: nothing was observed");
    let mut steps: Vec<&str> = debian.0.iter().map(|(step, _)| &**step).collect();
    steps.extend(ours.0.iter().map(|(step, _)| &**step).filter(|step| debian.of(step).is_none()));
    let (mut text, mut wrong) = (String::new(), Vec::new());
    for step in steps.iter().filter(|step| debian.of(step) != ours.of(step)) {
        let [debian, ours] = [debian, ours].map(|record| record.of(step).unwrap_or("(nothing)"));
        let found =
            allowed.iter().find(|allowed| allowed.step == *step && ours.contains(allowed.ours));
        let why = found.map_or("NOT ALLOWED", |allowed| allowed.why);
        writeln!(text, "{title}: {step} ({why}):\n{}", difference(debian, ours)).unwrap();
        wrong.extend(found.is_none().then_some(*step));
    }
    eprintln!("{title}: {} steps\n{text}", steps.len());
    assert!(wrong.is_empty(), "{title}: the libraries differ after {wrong:?}:\n{text}");
}

/// Returns the lines of the two texts that the other lacks.
pub(crate) fn difference(debian: &str, ours: &str) -> String {
    let lines = |sign: char, text: &str, other: &str| {
        text.lines()
            .filter(|line| !other.lines().any(|found| found == *line))
            .fold(String::new(), |all, line| all + &format!("{sign} {line}\n"))
    };
    let different = lines('-', debian, ours) + &lines('+', ours, debian);
    if different.is_empty() { format!("- {debian}\n+ {ours}\n") } else { different }
}
