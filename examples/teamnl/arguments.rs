//! The command line.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use lexopt::prelude::{Long, Short, Value};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    Ports,
    Options,
    GetOption,
    SetOption,
    Monitor,
}

/// The commands, in the order in which abbreviations are looked up, with their arguments.
const COMMANDS: [(Command, &str, &str); 5] = [
    (Command::Ports, "ports", ""),
    (Command::Options, "options", ""),
    (Command::GetOption, "getoption", " OPT_NAME"),
    (Command::SetOption, "setoption", " OPT_NAME OPT_VALUE"),
    (Command::Monitor, "monitor", " OPT_STYLE"),
];

/// The options, as the usage prints them.
const OPTIONS: [(&str, &str); 3] = [
    ("-h --help", "Show this help"),
    ("-p --port_name", "team slave port name"),
    ("-a --array_index", "team option array index"),
];

#[derive(Debug)]
pub(crate) enum Request {
    Help,
    Run(Arguments),
}

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) team: OsString,
    pub(crate) command: Command,
    /// The arguments of the command.
    pub(crate) words: Vec<OsString>,
    pub(crate) port: Option<OsString>,
    pub(crate) array_index: Option<OsString>,
}

/// A usage error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misuse {
    #[error("{0}.")]
    Option(#[from] lexopt::Error),
    #[error("No team device specified.")]
    NoTeam,
    #[error("No command specified.")]
    NoCommand,
    #[error("Unknown command \"{}\".", .0.to_string_lossy())]
    UnknownCommand(OsString),
    #[error("Option {0} expected.")]
    NoWord(&'static str),
}

/// Parses a command line. Options may be anywhere, and their long names may be abbreviated.
pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Request, Misuse> {
    let (mut words, mut port, mut array_index) = (Vec::new(), None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') => return Ok(Request::Help),
            Long(name) if "help".starts_with(name) => {
                let option = format!("--{name}");
                return match parser.optional_value() {
                    None => Ok(Request::Help),
                    Some(value) => Err(lexopt::Error::UnexpectedValue { option, value }.into()),
                };
            }
            Short('p') => port = Some(parser.value()?),
            Long(name) if "port_name".starts_with(name) => port = Some(parser.value()?),
            Short('a') => array_index = Some(parser.value()?),
            Long(name) if "array_index".starts_with(name) => array_index = Some(parser.value()?),
            Value(word) => words.push(word),
            Short(_) | Long(_) => return Err(argument.unexpected().into()),
        }
    }
    let mut words = words.into_iter();
    let team = words.next().ok_or(Misuse::NoTeam)?;
    let word = words.next().ok_or(Misuse::NoCommand)?;
    let command = COMMANDS.iter().find(|(_, name, _)| name.as_bytes().starts_with(word.as_bytes()));
    let &(command, ..) = command.ok_or(Misuse::UnknownCommand(word))?;
    let words: Vec<OsString> = words.collect();
    match (command, words.len()) {
        (Command::GetOption | Command::SetOption, 0) => Err(Misuse::NoWord("name")),
        (Command::SetOption, 1) => Err(Misuse::NoWord("value")),
        _ => Ok(Request::Run(Arguments { team, command, words, port, array_index })),
    }
}

/// The usage, with the name by which the program was started.
pub(crate) struct Usage<'a>(pub(crate) &'a str);

impl fmt::Display for Usage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} [options] teamdevname command [command args]", self.0)?;
        for (option, meaning) in OPTIONS {
            writeln!(f, "\t{option:<24} {meaning}")?;
        }
        writeln!(f, "Commands:")?;
        COMMANDS.iter().try_for_each(|(_, name, words)| writeln!(f, "\t{name}{words}"))
    }
}
