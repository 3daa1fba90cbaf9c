//! Lists a team's ports, or its options, whenever one of them changes. With `--live` it shows the team on the whole
//! screen instead, for as long as it is watched.
//!
//! ```console
//! $ cargo run --example team_monitor -- team0
//! $ cargo run --example team_monitor -- --live team0
//! ```
//!
//! `lines` is the list, `live` the screen. Where standard output is no terminal, there are lines in any case.

#[path = "../common/interrupt.rs"]
mod interrupt;
mod lines;
mod live;
#[path = "../common/nobody_reads.rs"]
mod nobody_reads;
#[path = "../common/report.rs"]
mod report;

use std::error::Error;
use std::io::{self, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

use lexopt::ValueExt;
use lexopt::prelude::{Long, Value};

use nobody_reads::NOBODY_READS;
use report::Report;

const USAGE: &str = "Usage: team_monitor [--live] TEAMDEV";

fn main() -> ExitCode {
    let Ok(arguments) = Arguments::parse(lexopt::Parser::from_env()) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match monitor(&arguments) {
        Ok(code) => code,
        Err(error) => match error.downcast_ref::<io::Error>() {
            Some(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(NOBODY_READS),
            _ => {
                // There may be nothing left to print on.
                drop(writeln!(stderr(), "{}", Report(&*error)));
                ExitCode::FAILURE
            }
        },
    }
}

fn monitor(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    if arguments.is_live && stdout().is_terminal() {
        return live::run(&arguments.team);
    }
    lines::run(&arguments.team)?;
    Ok(ExitCode::SUCCESS)
}

struct Arguments {
    is_live: bool,
    team: String,
}

impl Arguments {
    fn parse(mut parser: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let (mut is_live, mut team) = (false, None);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("live") => is_live = true,
                Value(name) if team.is_none() => team = Some(name.string()?),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Self { is_live, team: team.ok_or("no team device is named")? })
    }
}
