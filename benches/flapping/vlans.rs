//! The first part: VLANs on teams flap while ports come and go.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use libteam::IfIndex;

use crate::Size;
use crate::c_library::CLibrary;
use crate::follow::monotonic;
use crate::follower::{Follower, with_the_c_library, with_this_crate};
use crate::kernel_alone;
use crate::netns::enter;
use crate::raw::drops;
use crate::scene::{Scene, create_teams};
use crate::teamd::{Teamd, wait_until_right};

/// Names this project's libteam.so.5.
const LIBRARY_VARIABLE: &str = "TEAM_BENCH_LIBTEAM";

/// The kernel announces the loss of a carrier up to a second late: after this time it has nothing
/// more to announce.
const QUIET: Duration = Duration::from_millis(2_500);

/// How much later than the kernel's last notification this crate must be right.
const BAR: Duration = Duration::from_secs(1);

struct Contender {
    name: String,
    kind: Kind,
    is_ours: bool,
}

enum Kind {
    KernelAlone,
    ThisCrate(&'static str),
    Program(Option<PathBuf>),
    Teamd(Option<PathBuf>),
}

/// What a follower counted.
struct Counted {
    batches: usize,
    errors: usize,
    wrong: usize,
}

struct Outcome {
    changes: usize,
    /// From the last change.
    right_after: Option<Duration>,
    processor_time: Duration,
    /// The notifications that the kernel could not deliver: of links, and of the driver.
    lost: (u64, u64),
    /// What the follower counted, unless that is teamd: it can only be asked for its state.
    counted: Option<Counted>,
    /// The lines of its state that are wrong at the end.
    wrong_at_end: usize,
}

/// Prints a table; false if this crate does not do what it must.
pub(crate) fn measure(size: Size) -> bool {
    let program = CLibrary::build("follow", &["libteam.so.5"]);
    let mut holds = true;
    let mut kernel = Duration::MAX;
    println!(
        "{} teams with {} VLANs on each, all flapping for {} s while ports come and go:\n\n\
         | follower | changes made | right after the last change | CPU | lost: links, driver | batches | errors | wrong reports | wrong at the end |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        size.teams, size.vlans, size.seconds
    );
    for contender in contenders() {
        // The namespace goes with its thread.
        let outcome = thread::scope(|scope| {
            scope
                .spawn(|| contender.run(size, program.program()))
                .join()
                .expect("it ran to its end")
        });
        if matches!(contender.kind, Kind::KernelAlone) {
            kernel = outcome.right_after.unwrap_or(Duration::MAX);
        }
        let is_right = outcome.right_after.is_some_and(|time| time <= kernel.saturating_add(BAR));
        let fails = contender.is_ours
            && !(is_right && outcome.counted.as_ref().is_some_and(|counted| counted.wrong == 0));
        holds &= !fails;
        println!("| {}{} | {outcome} |", contender.name, if fails { ": FAILS" } else { "" });
    }
    println!();
    holds
}

fn contenders() -> Vec<Contender> {
    let ours = env::var_os(LIBRARY_VARIABLE).map(PathBuf::from);
    let contender = |name: &str, kind| Contender { name: name.to_owned(), kind, is_ours: false };
    let mut all = vec![contender("the kernel alone", Kind::KernelAlone)];
    for (name, scope) in [("this crate, Team", "team"), ("this crate, All", "all")] {
        all.push(Contender { is_ours: true, ..contender(name, Kind::ThisCrate(scope)) });
    }
    for library in [None].into_iter().chain(ours.map(Some)) {
        let name =
            if library.is_some() { "this project's libteam.so.5" } else { "Debian's libteam" };
        all.push(contender(&format!("a program on {name}"), Kind::Program(library.clone())));
        all.push(contender(&format!("teamd on {name}"), Kind::Teamd(library)));
    }
    all
}

impl Contender {
    fn run(&self, size: Size, program: &Path) -> Outcome {
        enter();
        if let Kind::Teamd(library) = &self.kind {
            return follow_with_teamd(size, library.as_deref());
        }
        create_teams(size);
        let mut scene = Scene::new(size);
        let teams: Vec<IfIndex> = scene.teams.iter().map(|team| team.ifindex).collect();
        let command = match &self.kind {
            Kind::ThisCrate(scope) => with_this_crate(scope),
            Kind::Program(library) => with_the_c_library(program, library.as_deref()),
            Kind::KernelAlone | Kind::Teamd(_) => {
                let mut command = Command::new(env::current_exe().unwrap());
                command.arg(kernel_alone::ARGUMENT);
                command
            }
        };
        let mut follower = Follower::start(command, &teams);
        follower.wait_until_open();
        let before = follower.processor_time();
        let last_change = scene.flap(Duration::from_secs(size.seconds));
        thread::sleep(QUIET);
        let state = match self.kind {
            Kind::KernelAlone | Kind::Teamd(_) => Vec::new(),
            Kind::ThisCrate("team") | Kind::Program(_) => scene.state(false),
            Kind::ThisCrate(_) => scene.state(true),
        };
        let report = follower.state(Duration::from_secs(size.patience));
        let processor_time = follower.processor_time().saturating_sub(before);
        if let Some(report) = &report {
            show_first_differences(&self.name, &report.state, &state);
        }
        let differing =
            report.as_ref().map_or(state.len(), |report| differing(&report.state, &state));
        Outcome {
            changes: scene.changes,
            right_after: report
                .as_ref()
                .filter(|_| differing == 0)
                .map(|report| report.changed_at.saturating_sub(last_change)),
            processor_time,
            lost: drops(),
            counted: report.map(|report| Counted {
                batches: report.calls,
                errors: report.errors,
                wrong: report.wrong,
            }),
            wrong_at_end: differing,
        }
    }
}

fn follow_with_teamd(size: Size, library: Option<&Path>) -> Outcome {
    let mut teamds: Vec<Teamd> =
        (0..size.teams).map(|number| Teamd::start(number, library)).collect();
    let mut scene = Scene::new(size);
    thread::sleep(QUIET);
    let time = |teamds: &[Teamd]| teamds.iter().map(Teamd::processor_time).sum::<Duration>();
    let before = time(&teamds);
    let last_change = scene.flap(Duration::from_secs(size.seconds));
    let processor_time = time(&teamds).saturating_sub(before);
    let (right_at, wrong_at_end) = wait_until_right(
        &teamds,
        monotonic() + QUIET,
        || scene.ports(),
        Duration::from_secs(size.patience),
    );
    let lost = drops();
    teamds.iter_mut().filter_map(Teamd::failure).for_each(|failure| eprintln!("{failure}"));
    Outcome {
        changes: scene.changes,
        right_after: right_at.map(|time| time.saturating_sub(last_change)),
        processor_time,
        lost,
        counted: None,
        wrong_at_end,
    }
}

/// Prints some lines that are in one of the states only, so that a fault of the comparison shows.
fn show_first_differences(name: &str, found: &[String], expected: &[String]) {
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|line| !those.contains(line)).take(4).cloned().collect::<Vec<_>>()
    };
    let (found, expected) = (only(found, expected), only(expected, found));
    if !found.is_empty() || !expected.is_empty() {
        eprintln!("{name}: has {found:?}, the kernel has {expected:?}");
    }
}

/// How many lines are in one of the states only.
fn differing(found: &[String], wanted: &[String]) -> usize {
    let by_team = |lines: &[String]| {
        let mut team = String::new();
        lines
            .iter()
            .map(|line| {
                if line.starts_with("team ") {
                    team.clone_from(line);
                }
                format!("{team}: {line}")
            })
            .collect::<std::collections::BTreeSet<_>>()
    };
    by_team(found).symmetric_difference(&by_team(wanted)).count()
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let right_after = self.right_after.map_or_else(
            || "not in time".to_owned(),
            |time| format!("{:.2} s", time.as_secs_f64()),
        );
        let counted = self.counted.as_ref().map_or_else(
            || "? | ? | ?".to_owned(),
            |counted| format!("{} | {} | {}", counted.batches, counted.errors, counted.wrong),
        );
        let (links, driver) = self.lost;
        write!(
            formatter,
            "{} | {right_after} | {:.2} s | {links}, {driver} | {counted} | {}",
            self.changes,
            self.processor_time.as_secs_f64(),
            self.wrong_at_end
        )
    }
}
