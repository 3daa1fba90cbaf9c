//! Lists the kernel's IPsec states and policies. Keys are not shown.
//!
//! ```sh
//! cargo build --example ipsec
//! tests/kernel/run unshare -n bash -c '
//!     ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 enc cipher_null ""
//!     ip xfrm policy add src 192.0.2.0/24 dst 198.51.100.0/24 dir out
//!     target/debug/examples/ipsec states && target/debug/examples/ipsec policies --json'
//! ```
//!
//! The example shows a [`NetlinkConnection`] with the message types of netlink-packet-xfrm.

#[path = "../common/closed_output.rs"]
mod closed_output;
#[path = "../common/print.rs"]
mod print;
#[path = "../common/protocol.rs"]
mod protocol;

mod policy;
mod selector;
mod state;
mod words;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};
use libteam::netlink::netlink_packet_core::DecodeError;
use libteam::netlink::{NetlinkConnection, Protocol};
use netlink_packet_xfrm::XfrmMessage;
use netlink_packet_xfrm::policy::DelGetMessage;
use netlink_packet_xfrm::state::GetDumpMessage;

use closed_output::CLOSED_OUTPUT;
use policy::Policy;
use print::print;
use state::State;

const USAGE: &str = "\
Usage: ipsec [--json] states|policies

Lists the IPsec states (security associations) or policies of this network namespace.

  -j, --json  as JSON
  -h, --help  this help
";

#[derive(Clone, Copy, Debug)]
enum Request {
    Help,
    States { as_json: bool },
    Policies { as_json: bool },
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Kernel(#[from] libteam::Error),
    #[error("the kernel sent a message that is not a {0}")]
    Unexpected(&'static str),
    #[error("the kernel sent a malformed {0}: {1}")]
    Malformed(&'static str, DecodeError),
    #[error("listing the {0}: {1}")]
    List(&'static str, Box<Failure>),
    #[error("writing the output: {0}")]
    Write(io::Error),
}

// Not derived with `#[from]`: the text already contains the error, which therefore is not a source.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

fn main() -> ExitCode {
    let request = match parse(lexopt::Parser::from_env()) {
        Ok(request) => request,
        Err(misuse) => {
            eprintln!("ipsec: {misuse}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match run(request, &mut out).and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Write(error)) if error.kind() == ErrorKind::BrokenPipe => {
            ExitCode::from(CLOSED_OUTPUT)
        }
        Err(failure) => {
            eprintln!("ipsec: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut parser: lexopt::Parser) -> Result<Request, lexopt::Error> {
    let (mut what, mut as_json) = (None, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Request::Help),
            Short('j') | Long("json") => as_json = true,
            Value(word) if what.is_none() => what = Some(word),
            _ => return Err(argument.unexpected()),
        }
    }
    match what.as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("states") => Ok(Request::States { as_json }),
        Some("policies") => Ok(Request::Policies { as_json }),
        _ => Err("expected states or policies".into()),
    }
}

fn run(request: Request, out: &mut impl Write) -> Result<(), Failure> {
    let listing = |what| move |failure| Failure::List(what, Box::new(failure));
    match request {
        Request::Help => write!(out, "{USAGE}")?,
        Request::States { as_json } => print(&states().map_err(listing("states"))?, as_json, out)?,
        Request::Policies { as_json } => {
            print(&policies().map_err(listing("policies"))?, as_json, out)?;
        }
    }
    Ok(())
}

fn states() -> Result<Vec<State>, Failure> {
    let mut connection = NetlinkConnection::new(Protocol::XFRM)?;
    let dump = connection.dump(XfrmMessage::GetDumpSa(GetDumpMessage::default()))?;
    let read = |message| match message {
        XfrmMessage::AddSa(message) => {
            State::read(&message).map_err(|error| Failure::Malformed("state", error))
        }
        _ => Err(Failure::Unexpected("state")),
    };
    dump.into_iter().map(read).collect()
}

fn policies() -> Result<Vec<Policy>, Failure> {
    let mut connection = NetlinkConnection::new(Protocol::XFRM)?;
    let dump = connection.dump(XfrmMessage::GetPolicy(DelGetMessage::default()))?;
    let read = |message| match message {
        XfrmMessage::AddPolicy(message) => {
            Policy::read(&message).map_err(|error| Failure::Malformed("policy", error))
        }
        _ => Err(Failure::Unexpected("policy")),
    };
    dump.into_iter().map(read).collect()
}
