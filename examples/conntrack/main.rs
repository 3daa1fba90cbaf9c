//! Lists the connections that the kernel tracks, and deletes those that match a filter.
//!
//! ```sh
//! cargo run --example conntrack -- list --protocol tcp --state ESTABLISHED
//! cargo run --example conntrack -- delete --src 192.0.2.0/24 --dport 53
//! ```
//!
//! `cargo run` can start a test kernel, which has no connections. To see those of the running
//! kernel, start `target/debug/examples/conntrack` as root.
//!
//! The example shows a [`libteam::netlink::NetlinkConnection`] with the message types of
//! netlink-packet-netfilter.

#[path = "../common/closed_output.rs"]
mod closed_output;
#[path = "../common/print.rs"]
mod print;
#[path = "../common/protocol.rs"]
mod protocol;

mod arguments;
mod filter;
mod flow;
mod table;
mod tcp;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use arguments::{Request, USAGE};
use closed_output::CLOSED_OUTPUT;
use print::print;
use table::Table;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("listing the connections: {0}")]
    List(table::Failure),
    #[error("deleting the connections ({0} are deleted): {1}")]
    Delete(usize, table::Failure),
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
    let request = match arguments::parse(lexopt::Parser::from_env()) {
        Ok(request) => request,
        Err(misuse) => {
            eprintln!("conntrack: {misuse}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match run(&request, &mut out).and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Write(error)) if error.kind() == ErrorKind::BrokenPipe => {
            ExitCode::from(CLOSED_OUTPUT)
        }
        Err(failure) => {
            eprintln!("conntrack: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(request: &Request, out: &mut impl Write) -> Result<(), Failure> {
    match request {
        Request::Help => write!(out, "{USAGE}")?,
        Request::List { filter, as_json } => {
            let mut table = Table::open().map_err(Failure::List)?;
            print(&table.list(filter).map_err(Failure::List)?, *as_json, out)?;
        }
        Request::Delete { filter } => {
            let mut table = Table::open().map_err(Failure::List)?;
            let mut deleted = 0;
            for flow in table.list(filter).map_err(Failure::List)? {
                let is_deleted =
                    table.delete(&flow).map_err(|failure| Failure::Delete(deleted, failure))?;
                deleted += usize::from(is_deleted);
            }
            writeln!(out, "{deleted} deleted")?;
        }
    }
    Ok(())
}
