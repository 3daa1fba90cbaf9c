//! The example `conntrack`: invalid command lines, and errors of the kernel.

use std::process::Command;

use crate::support::conntrack_cli::{
    listed_by_conntrack, printed_by_example, run_conntrack, run_example,
};
use crate::support::netns::enter;
use crate::support::programs::{example, run};

/// Invalid command lines, and their errors.
const MISUSES: [(&str, &str); 30] = [
    ("", "expected list or delete"),
    ("lists", "expected list or delete"),
    ("--protocol tcp", "expected list or delete"),
    ("list delete", "unexpected argument \"delete\""),
    ("list --zone 3", "invalid option '--zone'"),
    ("delete", "delete requires a filter: without one it would delete every connection"),
    ("delete --json --protocol tcp", "--json requires list"),
    ("list --protocol", "missing argument for option '--protocol'"),
    ("list -p tpc", "--protocol tpc: expected the name of a protocol or a number up to 255"),
    ("list -p 256", "--protocol 256: expected the name of a protocol or a number up to 255"),
    ("list -p -1", "--protocol -1: expected the name of a protocol or a number up to 255"),
    ("list -s 10.0.0.256", "--src 10.0.0.256: expected ADDRESS or ADDRESS/LEN"),
    ("list -s localhost", "--src localhost: expected ADDRESS or ADDRESS/LEN"),
    ("list -s 10.0.0/24", "--src 10.0.0/24: expected ADDRESS or ADDRESS/LEN"),
    ("list --src 10.0.0.0/33", "--src 10.0.0.0/33: expected a length up to 32"),
    ("list --src 10.0.0.0/", "--src 10.0.0.0/: expected a length up to 32"),
    ("list --dst ::/129", "--dst ::/129: expected a length up to 128"),
    ("list --dst ::/0/0", "--dst ::/0/0: expected a length up to 128"),
    ("list --sport 65536", "--sport 65536: expected a number up to 65535"),
    ("list --dport http", "--dport http: expected a number up to 65535"),
    ("list --mark 4294967296", "--mark 4294967296: expected a 32-bit number, MARK or MARK/MASK"),
    ("list --mark 0xg", "--mark 0xg: expected a 32-bit number, MARK or MARK/MASK"),
    ("list --mark 0x+1", "--mark 0x+1: expected a 32-bit number, MARK or MARK/MASK"),
    ("list --mark 1/", "--mark 1/: expected a 32-bit mask"),
    ("list --mark 0x17/0xf", "--mark 0x17/0xf: the mark has bits that are not in the mask"),
    (
        "list --state LISTEN",
        "--state LISTEN: expected one of NONE, SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, \
         CLOSE, SYN_SENT2",
    ),
    ("delete --src 10.0.0.1 --src 10.0.0.2", "--src is given twice"),
    ("delete -p tcp -p udp", "--protocol is given twice"),
    ("list --src 10.0.0.1 --dst fc00::1", "--src and --dst must be of one address family"),
    ("list --state ESTABLISHED --protocol udp", "--state requires the protocol tcp"),
];

#[test]
fn invalid_command_line_is_named_and_deletes_nothing() {
    enter();
    run_conntrack(
        "-I -p tcp -s 10.0.0.1 -d 10.0.0.9 --sport 1000 --dport 80 --state ESTABLISHED -t 3000",
    );
    for (words, error) in MISUSES {
        let outcome = run_example(words);
        assert_eq!((outcome.status.code(), &*outcome.stdout), (Some(2), ""), "{words}");
        assert!(
            outcome.stderr.starts_with(&format!("conntrack: {error}\n\nUsage: ")),
            "{words}: expected {error:?}: {}",
            outcome.stderr
        );
    }
    assert_eq!(listed_by_conntrack("").len(), 1);
    assert!(printed_by_example("--help").starts_with("Usage: conntrack list"));
}

#[test]
fn closed_output_ends_conntrack_and_ipsec_with_141() {
    enter();
    for program in ["conntrack", "ipsec"] {
        let mut command = Command::new("sh");
        let words = r#"{ sleep 0.2; "$0" --help; echo "$?" >&2; } | true"#;
        command.args(["-c", words]).arg(example(program));
        assert_eq!(run(command).stderr, "141\n", "{program}");
    }
}

#[test]
fn conntrack_without_capability_shows_kernel_error() {
    enter();
    run_conntrack("-I -p udp -s 10.0.0.1 -d 10.0.0.9 --sport 1000 --dport 80 -t 3000");
    for words in ["list", "delete --protocol udp"] {
        let mut command = Command::new("setpriv");
        command
            .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"])
            .arg(example("conntrack"));
        command.args(words.split_whitespace());
        let outcome = run(command);
        let said = "conntrack: listing the connections: netlink request of type 257: \
                    operation not permitted (EPERM)\n";
        assert_eq!(
            (outcome.status.code(), &*outcome.stderr, &*outcome.stdout),
            (Some(1), said, ""),
            "{words}"
        );
    }
    assert_eq!(listed_by_conntrack("").len(), 1);
}
