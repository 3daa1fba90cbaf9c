//! The command line.

use lexopt::ValueExt;
use lexopt::prelude::{Long, Short, Value};

use crate::filter::Filter;
use crate::protocol::{NAMES, Protocol};
use crate::tcp::{STATES, TCP, state_number};

pub(crate) const USAGE: &str = "\
Usage: conntrack list [--json] [FILTER…]
       conntrack delete FILTER…

Lists the connections that the kernel tracks in this network namespace, or deletes those that match. A connection
matches if all filters match the direction in which it was opened.

  -p, --protocol NAME      tcp, udp, icmp, ipv6-icmp, … or a number
  -s, --src ADDRESS[/LEN]  the source, IPv4 or IPv6
  -d, --dst ADDRESS[/LEN]  the destination
      --sport PORT         the source port
      --dport PORT         the destination port
  -m, --mark MARK[/MASK]   the mark, decimal or 0x…; with a mask, only the bits in it
      --state STATE        the TCP state, such as ESTABLISHED
  -j, --json               list as JSON
  -h, --help               this help
";

#[derive(Debug)]
pub(crate) enum Request {
    Help,
    List { filter: Filter, as_json: bool },
    Delete { filter: Filter },
}

/// A usage error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misuse {
    #[error(transparent)]
    Option(#[from] lexopt::Error),
    #[error("--{option} {value}: {reason}")]
    Filter { option: &'static str, value: String, reason: String },
    #[error("--{0} is given twice")]
    Twice(&'static str),
    #[error("expected list or delete")]
    NoCommand,
    #[error("--src and --dst must be of one address family")]
    Families,
    #[error("--state requires the protocol tcp")]
    StateOfOther,
    #[error("delete requires a filter: without one it would delete every connection")]
    DeleteAll,
    #[error("--json requires list")]
    JsonOfDelete,
}

pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Request, Misuse> {
    let (mut command, mut as_json, mut filter) = (None, false, Filter::default());
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Request::Help),
            Short('j') | Long("json") => as_json = true,
            Short('p') | Long("protocol") => {
                put(&mut filter.protocol, "protocol", &mut parser, protocol)?;
            }
            Short('s') | Long("src") => put(&mut filter.src, "src", &mut parser, parsed)?,
            Short('d') | Long("dst") => put(&mut filter.dst, "dst", &mut parser, parsed)?,
            Long("sport") => put(&mut filter.sport, "sport", &mut parser, port)?,
            Long("dport") => put(&mut filter.dport, "dport", &mut parser, port)?,
            Short('m') | Long("mark") => put(&mut filter.mark, "mark", &mut parser, parsed)?,
            Long("state") => put(&mut filter.tcp_state, "state", &mut parser, tcp_state)?,
            Value(word) if command.is_none() => command = Some(word.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    check(&filter)?;
    match command.as_deref() {
        Some("list") => Ok(Request::List { filter, as_json }),
        Some("delete") if as_json => Err(Misuse::JsonOfDelete),
        Some("delete") if filter.is_empty() => Err(Misuse::DeleteAll),
        Some("delete") => Ok(Request::Delete { filter }),
        _ => Err(Misuse::NoCommand),
    }
}

/// Refuses filters that no connection can match: they are mistakes.
fn check(filter: &Filter) -> Result<(), Misuse> {
    let families = [filter.src, filter.dst].map(|prefix| prefix.map(|prefix| prefix.is_ipv4()));
    if let [Some(src), Some(dst)] = families {
        if src != dst {
            return Err(Misuse::Families);
        }
    }
    if filter.tcp_state.is_some()
        && filter.protocol.is_some_and(|protocol| Protocol(protocol) != TCP)
    {
        return Err(Misuse::StateOfOther);
    }
    Ok(())
}

fn put<T>(
    place: &mut Option<T>,
    option: &'static str,
    parser: &mut lexopt::Parser,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<(), Misuse> {
    let value = parser.value()?.string()?;
    let read = read(&value).map_err(|reason| Misuse::Filter { option, value, reason })?;
    if place.replace(read).is_some() { Err(Misuse::Twice(option)) } else { Ok(()) }
}

fn parsed<T: std::str::FromStr<Err = &'static str>>(text: &str) -> Result<T, String> {
    text.parse().map_err(str::to_owned)
}

fn protocol(text: &str) -> Result<u8, String> {
    let by_name = || {
        NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(number, _)| *number)
    };
    text.parse()
        .ok()
        .or_else(by_name)
        .ok_or_else(|| "expected the name of a protocol or a number up to 255".to_owned())
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "expected a number up to 65535".to_owned())
}

fn tcp_state(text: &str) -> Result<u8, String> {
    state_number(text).ok_or_else(|| format!("expected one of {}", STATES.join(", ")))
}
