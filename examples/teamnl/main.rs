//! Shows and sets the ports and options of a team, and follows its changes, like the C library's
//! tool of the same name.
//!
//! ```sh
//! cargo build --example teamnl
//! tests/kernel/run unshare -n bash -c 'ip link add team0 type team && target/debug/examples/teamnl team0 options'
//! ```
//!
//! The command line, the output and the exit status are those of the C tool, except that the status
//! after a usage error is 2, that numbers are parsed strictly, and that errors have more detail.

#[path = "../common/closed_output.rs"]
mod closed_output;
#[path = "../common/driver.rs"]
mod driver;
#[path = "../common/interrupt.rs"]
mod interrupt;

mod arguments;
mod line;
mod monitor;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use libteam::{Error, IfIndex, LinkScope, OptionId, TeamHandle};

use arguments::{Arguments, Command, Misuse, Request, Usage};
use closed_output::CLOSED_OUTPUT;
use line::{End, Item, Line};
use monitor::Style;

/// The C tool ends every line with a space.
const END: End = End { whole: " ", cut: " <trunc>" };

/// The error of a command.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Team(#[from] Error),
    /// Already printed, with the usage.
    #[error("misuse")]
    Misuse,
    #[error("{0}")]
    Request(String),
    #[error("writing the output: {0}")]
    Write(io::Error),
    #[error("waiting for changes: {0}")]
    Wait(io::Error),
}

fn main() -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let called_as = env::args_os().next().unwrap_or_default().to_string_lossy().into_owned();
    let done = match arguments::parse(lexopt::Parser::from_env()) {
        Ok(Request::Run(arguments)) => run(&arguments, &mut out),
        Ok(Request::Help) => write!(out, "{}", Usage(&called_as)).map_err(Failure::Write),
        Err(misuse) => {
            eprintln!("{misuse}");
            let gap = if matches!(misuse, Misuse::Option(_)) { "" } else { "\n" };
            let written = write!(out, "{gap}{}", Usage(&called_as)).map_err(Failure::Write);
            written.and(Err(Failure::Misuse))
        }
    };
    match done.and_then(|()| out.flush().map_err(Failure::Write)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Write(error)) if error.kind() == ErrorKind::BrokenPipe => {
            ExitCode::from(CLOSED_OUTPUT)
        }
        Err(Failure::Misuse) => ExitCode::from(2),
        Err(failure) => {
            eprintln!("Command failed: {failure}{}", driver::hint());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Failure> {
    // The monitor follows every link of the namespace, like that of the C library.
    let scope = if matches!(arguments.command, Command::Monitor) {
        LinkScope::All
    } else {
        LinkScope::Team
    };
    let mut team = TeamHandle::builder().link_scope(scope).open(&arguments.team)?;
    let port = arguments.port.as_deref().map(|name| port_index(&mut team, name)).transpose()?;
    let array_index = arguments.array_index.as_ref().map(number).transpose()?;
    let mut words = arguments.words.iter().map(|word| word.to_string_lossy().into_owned());
    let mut word = || words.next().unwrap_or_default();
    match arguments.command {
        Command::Ports => write_lines(&team, team.ports(), out),
        Command::Options => write_lines(&team, team.options(), out),
        Command::GetOption => {
            let id = OptionId { port, array_index, ..OptionId::global(word()) };
            match team.option(&id) {
                Some(option) => writeln!(out, "{}", option.value()).map_err(Failure::Write),
                None => Err(Failure::Request(format!(
                    "reading option {id} of {}: no such option",
                    team.name()
                ))),
            }
        }
        Command::SetOption => {
            let id = OptionId { port, array_index, ..OptionId::global(word()) };
            Ok(team.set_option_str(&id, &word())?)
        }
        Command::Monitor => {
            let style = words.next().map_or(Ok(Style::Changed), |word| word.parse())?;
            monitor::run(&mut team, style, out)
        }
    }
}

fn port_index(team: &mut TeamHandle, name: &OsStr) -> Result<IfIndex, Failure> {
    let ifindex = team.lookup_ifindex(name)?;
    if team.is_port(ifindex) {
        Ok(ifindex)
    } else {
        Err(Failure::Request(format!(
            "{} is not a port of {}",
            name.to_string_lossy(),
            team.name()
        )))
    }
}

fn number(text: &OsString) -> Result<u32, Failure> {
    let text = text.to_string_lossy();
    text.trim_ascii_start().parse().map_err(|_| {
        Failure::Request(format!(
            "invalid array index {text:?}: expected a decimal number up to {}",
            u32::MAX
        ))
    })
}

/// Writes a list in the order of the C tool: the newest first.
fn write_lines<'a, T: Item + 'a>(
    team: &TeamHandle,
    list: impl DoubleEndedIterator<Item = &'a T>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    list.rev()
        .try_for_each(|thing| Line::of(thing, team).write("", END, out))
        .map_err(Failure::Write)
}
