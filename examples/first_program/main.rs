//! The README's first program. It needs a link `eth1`, which becomes the active port of `team0`.
//!
//! ```sh
//! cargo build --example first_program
//! tests/kernel/run unshare -n bash -c '
//!     ip link add eth1 type veth peer far1 && ip link set far1 up && ip link set eth1 up
//!     (sleep 1; ip link set far1 down; sleep 1; ip link del team0) &
//!     target/debug/examples/first_program'
//! ```
//!
//! `readme.rs` is the program of the README; this file adds the help.

#[path = "../common/alone.rs"]
mod alone;

use std::process::ExitCode;

/// The README's program.
#[allow(clippy::print_stdout, reason = "a first program prints with println")]
mod readme {
    include!("readme.rs");

    pub(super) fn start() -> ExitCode {
        main()
    }
}

const HELP: &str = "\
Usage: first_program

Opens or creates team0, makes eth1 its active port, and prints the changes of its ports until the team is deleted.

  -h, --help  this help
";

fn main() -> ExitCode {
    alone::main("first_program", HELP, || {
        let status = readme::start();
        if let Some(hint) = alone::driver::hint().strip_prefix("; ") {
            eprintln!("first_program: {hint}");
        }
        Ok(status)
    })
}
