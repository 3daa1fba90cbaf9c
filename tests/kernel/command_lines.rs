//! The command line of every example: help, invalid arguments, failures, and the command in the
//! file's head.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use libteam::TeamHandle;

use crate::support::directory::Directory;
use crate::support::netns::{enter, ip};
use crate::support::programs::{Outcome, example, run};

/// The properties of one example.
struct Example {
    name: &'static str,
    /// The file whose head has a description and a command.
    head: &'static str,
    /// Words that the help must contain besides `--help`.
    help: &'static [&'static str],
    /// Command lines that lack an argument; empty for an example without arguments.
    incomplete: &'static [&'static str],
    /// Command lines with an unknown argument, and that argument.
    unknown: &'static [(&'static str, &'static str)],
}

const EXAMPLES: [Example; 14] = [
    Example {
        name: "active_backup",
        head: "active_backup/main.rs",
        help: &["CONFIG", "--status", "--json", "--keep", "--socket PATH"],
        incomplete: &["", "--status", "--keep", "--socket", "--socket x"],
        unknown: &[("--nosuch x", "--nosuch"), ("x surplus", "surplus"), ("-x", "-x")],
    },
    Example {
        name: "conntrack",
        head: "conntrack/main.rs",
        help: &["list", "delete", "--protocol", "--json"],
        incomplete: &["", "--json", "delete", "list --src"],
        unknown: &[("list --nosuch", "--nosuch"), ("list surplus", "surplus")],
    },
    Example {
        name: "event_loop_calloop",
        head: "event_loops/calloop.rs",
        help: &["calloop"],
        incomplete: &[],
        unknown: &[("--nosuch", "--nosuch"), ("surplus", "surplus")],
    },
    Example {
        name: "event_loop_mio",
        head: "event_loops/mio.rs",
        help: &["mio"],
        incomplete: &[],
        unknown: &[("--nosuch", "--nosuch"), ("surplus", "surplus")],
    },
    Example {
        name: "event_loop_poll",
        head: "event_loops/poll.rs",
        help: &["poll"],
        incomplete: &[],
        unknown: &[("--nosuch", "--nosuch"), ("surplus", "surplus")],
    },
    Example {
        name: "event_loop_threads",
        head: "event_loops/threads.rs",
        help: &["thread"],
        incomplete: &[],
        unknown: &[("--nosuch", "--nosuch"), ("surplus", "surplus")],
    },
    Example {
        name: "event_loop_tokio",
        head: "event_loops/tokio.rs",
        help: &["tokio"],
        incomplete: &[],
        unknown: &[("--nosuch", "--nosuch"), ("surplus", "surplus")],
    },
    Example {
        name: "failover",
        head: "failover/main.rs",
        help: &["activebackup", "notifications"],
        incomplete: &[],
        unknown: &[("--nosuch", "--nosuch"), ("surplus", "surplus")],
    },
    Example {
        name: "first_program",
        head: "first_program/main.rs",
        help: &["team0", "eth1"],
        incomplete: &[],
        unknown: &[("--nosuch", "--nosuch"), ("surplus", "surplus")],
    },
    Example {
        name: "ipsec",
        head: "ipsec/main.rs",
        help: &["states", "policies", "--json"],
        incomplete: &["", "--json"],
        unknown: &[
            ("states --nosuch", "--nosuch"),
            ("states surplus", "surplus"),
            ("nosuch", "states"),
        ],
    },
    Example {
        name: "team_manual_control",
        head: "team_manual_control.rs",
        help: &["dumplist", "get", "set", "activeport"],
        incomplete: &[
            "",
            "team0",
            "team0 dumplist",
            "team0 get",
            "team0 set",
            "team0 set mode",
            "team0 set activeport",
        ],
        unknown: &[
            ("team0 nosuch", "nosuch"),
            ("team0 get nosuch", "nosuch"),
            ("team0 set nosuch 1", "nosuch"),
            ("team0 dumplist nosuch", "nosuch"),
            ("--nosuch get mode", "--nosuch"),
        ],
    },
    Example {
        name: "team_monitor",
        head: "team_monitor/main.rs",
        help: &["TEAMDEV", "--live", "--demo", "q, Ctrl-C", "PageUp", "Home", "Ctrl-Z"],
        incomplete: &["", "--live"],
        unknown: &[
            ("--nosuch team0", "--nosuch"),
            ("team0 surplus", "surplus"),
            ("--demo surplus", "surplus"),
        ],
    },
    Example {
        name: "teamnl",
        head: "teamnl/main.rs",
        help: &["ports", "setoption OPT_NAME OPT_VALUE"],
        incomplete: &[
            "",
            "team0",
            "team0 ports -p",
            "team0 getoption",
            "team0 setoption",
            "team0 setoption mode",
        ],
        unknown: &[
            ("--nosuch team0 ports", "--nosuch"),
            ("team0 nosuch", "nosuch"),
            ("team0 -x ports", "-x"),
        ],
    },
    Example {
        name: "watch_ports",
        head: "watch_ports.rs",
        help: &["TEAM"],
        incomplete: &[""],
        unknown: &[("--nosuch", "--nosuch"), ("team0 surplus", "surplus"), ("-x", "-x")],
    },
];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Starts an example with these words and with standard input closed.
fn start(name: &str, words: &str) -> Outcome {
    let mut command = Command::new(example(name));
    command.args(words.split_whitespace());
    run(command)
}

/// Returns the standard error of an example with an invalid command line. `teamnl` prints its usage
/// on standard output, like the C library's.
#[track_caller]
fn assert_misuse(name: &str, words: &str) -> String {
    let Outcome { status, stdout, stderr } = start(name, words);
    assert_eq!(status.code(), Some(2), "{name} {words}: {stderr}");
    let (usage, other) = if name == "teamnl" { (&stdout, "") } else { (&stderr, &*stdout) };
    assert_eq!(other, "", "{name} {words}: {stderr}");
    assert!(has_usage(name, usage), "{name} {words}: no usage in {usage}");
    stderr
}

/// Returns whether a text contains the usage of an example.
fn has_usage(name: &str, text: &str) -> bool {
    // Like the C library's, teamnl prints no heading, and the name by which it was started.
    if name == "teamnl" {
        text.contains("teamnl [options] teamdevname command [command args]\n")
    } else {
        text.contains(&format!("Usage: {name}"))
    }
}

#[test]
fn table_has_every_example() {
    let named: BTreeSet<PathBuf> = EXAMPLES.iter().map(|example| example.head.into()).collect();
    let entries = fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: BTreeSet<PathBuf> = entries
        .filter_map(|entry| match entry.strip_suffix(".rs") {
            Some(_) => Some(entry.into()),
            None => Some(PathBuf::from(entry).join("main.rs"))
                .filter(|main| examples().join(main).is_file()),
        })
        .collect();
    let manifest = fs::read_to_string(examples().with_file_name("Cargo.toml")).unwrap();
    found.extend(manifest.lines().filter_map(|line| {
        Some(line.strip_prefix("path = \"examples/")?.trim_end_matches('"').into())
    }));
    assert_eq!(named, found);
}

#[test]
fn help_goes_to_stdout_with_status_0() {
    enter();
    for Example { name, help, .. } in &EXAMPLES {
        for words in ["--help", "-h", "--help --help"] {
            let outcome = start(name, words);
            assert_eq!((outcome.status.code(), &*outcome.stderr), (Some(0), ""), "{name} {words}");
            assert!(
                has_usage(name, &outcome.stdout),
                "{name} {words}: no usage in {}",
                outcome.stdout
            );
            for word in help.iter().chain(&["--help"]) {
                assert!(
                    outcome.stdout.contains(word),
                    "{name} {words}: no {word} in {}",
                    outcome.stdout
                );
            }
        }
    }
}

#[test]
fn missing_argument_prints_usage_with_status_2() {
    enter();
    for Example { name, incomplete, .. } in &EXAMPLES {
        for words in *incomplete {
            assert_misuse(name, words);
        }
    }
}

#[test]
fn unknown_argument_is_named_with_status_2() {
    enter();
    for Example { name, unknown, .. } in &EXAMPLES {
        for (words, named) in *unknown {
            let stderr = assert_misuse(name, words);
            let first = stderr.lines().next().unwrap_or_default();
            assert!(first.contains(named), "{name} {words}: no {named:?} in {first}");
        }
    }
}

#[test]
fn error_is_one_sentence_with_status_1() {
    enter();
    ip("link add d0 type dummy");
    // So that the kernel has loaded the driver: without it, the errors would have one more part.
    TeamHandle::create("team0").unwrap();
    let failures = [
        (
            "active_backup",
            "/nosuch",
            "active_backup: /nosuch: No such file or directory (os error 2)",
        ),
        ("team_manual_control", "nosuch get mode", "opening nosuch: no such device (ENODEV)"),
        (
            "team_manual_control",
            "d0 get mode",
            "opening d0: d0 is not a team device, but of kind dummy",
        ),
        ("team_monitor", "nosuch", "opening nosuch: no such device (ENODEV)"),
        ("teamnl", "nosuch ports", "Command failed: opening nosuch: no such device (ENODEV)"),
        ("watch_ports", "nosuch", "watch_ports: opening nosuch: no such device (ENODEV)"),
    ];
    for (name, words, sentence) in failures {
        let outcome = start(name, words);
        let printed = (outcome.status.code(), &*outcome.stdout, &*outcome.stderr);
        assert_eq!(printed, (Some(1), "", &*format!("{sentence}\n")), "{name} {words}");
    }
}

#[test]
fn missing_capability_is_reported_in_one_sentence() {
    enter();
    let needs = "creating a network namespace (requires CAP_SYS_ADMIN): Operation not permitted (os error 1)";
    for name in [
        "failover",
        "event_loop_calloop",
        "event_loop_mio",
        "event_loop_poll",
        "event_loop_threads",
        "event_loop_tokio",
    ] {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]).arg(example(name));
        let outcome = run(command);
        assert_eq!(
            (outcome.status.code(), &*outcome.stderr),
            (Some(1), &*format!("{name}: {needs}\n")),
            "{name}"
        );
    }
}

#[test]
fn closed_output_ends_each_program_with_141() {
    enter();
    for Example { name, .. } in &EXAMPLES {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"{ sleep 0.2; "$0" --help; echo "$?" >&2; } | true"#])
            .arg(example(name));
        assert_eq!(run(command).stderr, "141\n", "{name}");
    }
}

/// Returns the commands in the first code block in the head of a file.
fn head_commands(file: &str) -> String {
    let source = fs::read_to_string(examples().join(file)).unwrap();
    let head = source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    let block =
        head.skip_while(|line| !line.starts_with("```")).skip(1).take_while(|line| *line != "```");
    block.flat_map(|line| [line, "\n"]).collect()
}

/// Defines `cargo build` as a no-op, as the examples are built, and `cargo run` as starting the
/// example.
const CARGO: &str = r#"set -eu
cargo() {
    case $1 in
        build) [[ -x $EXAMPLES/$3 ]] ;;
        run) local program=$3; shift 3; [[ $# == 0 ]] || shift; "$EXAMPLES/$program" "$@" ;;
    esac
}
"#;

#[test]
fn commands_in_file_heads_work_unchanged() {
    enter();
    let built = example("failover").parent().unwrap().to_owned();
    // The path of the tree may have spaces, which the relative path in the commands has not.
    let directory = Directory::for_sockets();
    let link = directory.join("examples");
    symlink(&built, &link).unwrap();
    for Example { name, head, .. } in &EXAMPLES {
        let commands = head_commands(head);
        assert!(commands.contains(name), "{head} has no command: {commands}");
        let commands = commands.replace("target/debug/examples", link.to_str().unwrap());
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(format!("{CARGO}{commands}")).env("EXAMPLES", &built);
        shell.current_dir(env!("CARGO_MANIFEST_DIR"));
        let outcome = run(shell);
        assert!(
            outcome.status.success(),
            "commands in {head} failed:\n{commands}{}{}",
            outcome.stdout,
            outcome.stderr
        );
        assert!(!outcome.stdout.is_empty(), "{head} prints nothing:\n{commands}");
    }
}
