use std::time::Duration;

use nix::errno::Errno;

use super::*;
use crate::bpf::BpfError;
use crate::changes::Changes;
use crate::error::{BoxError, DecodeError, ErrorKind};
use crate::model::ifindex::IfIndex;
use crate::model::option::OptionId;
use crate::model::option_value::OptionType;

/// An error with its expected text, kind and error number.
type Row = (Error, &'static str, ErrorKind, Option<Errno>);

fn seven() -> IfIndex {
    IfIndex::new(7).unwrap()
}

fn team0() -> String {
    "team0".to_owned()
}

fn op(text: &str) -> String {
    text.to_owned()
}

fn kernel(errno: i32, message: Option<&str>) -> Error {
    let message = message.map(str::to_owned);
    Error::Kernel {
        op: op("setting option mode of team0 to \"activebackup\""),
        errno,
        message,
        offset: None,
    }
}

fn system(error: io::Error) -> Error {
    Error::Io { op: op("waiting for events"), error }
}

fn name(name: &str) -> Error {
    crate::netlink::ifname::validate_ifname(name.as_ref()).unwrap_err()
}

fn parse(expected: OptionType, text: &str) -> Error {
    let error = expected.parse(text).unwrap_err();
    Error::OptionParse { team: team0(), id: OptionId::global("notify_peers_count"), error }
}

fn handler(error: impl Into<BoxError>) -> Error {
    Error::Handler { error: error.into(), changes: Changes::default() }
}

/// Returns errors that the system and the kernel report.
fn requests() -> Vec<Row> {
    vec![
        (
            system(io::Error::from(Errno::EMFILE)),
            "waiting for events: too many open files (EMFILE)",
            ErrorKind::Other,
            Some(Errno::EMFILE),
        ),
        (
            system(io::Error::other("on purpose")),
            "waiting for events: on purpose",
            ErrorKind::Other,
            None,
        ),
        (
            system(io::Error::new(io::ErrorKind::InvalidInput, "too long")),
            "waiting for events: too long",
            ErrorKind::InvalidInput,
            None,
        ),
        (
            kernel(Errno::EBUSY as i32, None),
            "setting option mode of team0 to \"activebackup\": device or resource busy (EBUSY)",
            ErrorKind::ResourceBusy,
            Some(Errno::EBUSY),
        ),
        (
            kernel(Errno::EPERM as i32, Some("No way")),
            "setting option mode of team0 to \"activebackup\": \
             operation not permitted (EPERM): No way",
            ErrorKind::PermissionDenied,
            Some(Errno::EPERM),
        ),
        (
            Error::Decode { op: op("listing the links"), error: DecodeError::new("a short one") },
            "listing the links: malformed reply: a short one",
            ErrorKind::InvalidData,
            Some(Errno::EBADMSG),
        ),
        (
            Error::Timeout { op: op("listing the links"), after: Duration::from_millis(1500) },
            "listing the links: no reply within 1.5s",
            ErrorKind::TimedOut,
            Some(Errno::ETIMEDOUT),
        ),
        (
            Error::NoReply { op: op("looking up link 7") },
            "looking up link 7: the kernel acknowledged the request, but sent no object",
            ErrorKind::InvalidData,
            Some(Errno::ENODATA),
        ),
        (
            Error::Interrupted { op: op("listing the links"), attempts: 5 },
            "listing the links: interrupted by changes in each of 5 attempts",
            ErrorKind::Interrupted,
            Some(Errno::EINTR),
        ),
        (
            Error::Overrun { op: op("looking up link 7"), buffer: 4096 },
            "looking up link 7: the reply does not fit a receive buffer of 4096 bytes",
            ErrorKind::InvalidData,
            Some(Errno::ENOBUFS),
        ),
        (
            Error::FamilyNotFound,
            "looking up generic netlink family team: the team driver is not loaded (ENOENT)",
            ErrorKind::Unsupported,
            Some(Errno::ENOENT),
        ),
    ]
}

/// Returns errors about objects that do not exist, or are of another type.
fn objects() -> Vec<Row> {
    vec![
        (
            Error::NoSuchDevice { op: op("deleting link 7"), device: "index 7".to_owned() },
            "deleting link 7: no such device (ENODEV)",
            ErrorKind::NotFound,
            Some(Errno::ENODEV),
        ),
        (
            Error::NoSuchAddress { op: op("deleting address ::1/64 of d0"), message: None },
            "deleting address ::1/64 of d0: no such address (EADDRNOTAVAIL)",
            ErrorKind::NotFound,
            Some(Errno::EADDRNOTAVAIL),
        ),
        (
            Error::NoSuchAddress {
                op: op("deleting address ::1/64 of d0"),
                message: Some("ipv6: address not found".to_owned()),
            },
            "deleting address ::1/64 of d0: no such address (EADDRNOTAVAIL): ipv6: address not found",
            ErrorKind::NotFound,
            Some(Errno::EADDRNOTAVAIL),
        ),
        (
            Error::NotTeam {
                op: op("opening d0"),
                device: "d0".to_owned(),
                kind: Some("dummy".to_owned()),
            },
            "opening d0: d0 is not a team device, but of kind dummy",
            ErrorKind::InvalidInput,
            Some(Errno::EINVAL),
        ),
        (
            Error::NotTeam { op: op("opening link 1"), device: "lo".to_owned(), kind: None },
            "opening link 1: lo is not a team device",
            ErrorKind::InvalidInput,
            Some(Errno::EINVAL),
        ),
        (
            Error::DeviceGone { op: op("refreshing team0"), device: team0(), ifindex: seven() },
            "refreshing team0: the team device was deleted (ENODEV)",
            ErrorKind::NotFound,
            Some(Errno::ENODEV),
        ),
        (
            Error::NotPort {
                op: op("removing port 7 from team0"),
                team: team0(),
                ifindex: seven(),
            },
            "removing port 7 from team0: link 7 is not a port of team0 (ENOENT)",
            ErrorKind::NotFound,
            Some(Errno::ENOENT),
        ),
        (
            Error::UnknownOption {
                op: op("setting option mapping[3] of team0 to 7"),
                team: team0(),
                id: OptionId::element("mapping", 3),
            },
            "setting option mapping[3] of team0 to 7: no such option (ENOENT)",
            ErrorKind::NotFound,
            Some(Errno::ENOENT),
        ),
    ]
}

/// Returns errors about invalid input of a caller.
fn inputs() -> Vec<Row> {
    let invalid = |error, text| (error, text, ErrorKind::InvalidInput, Some(Errno::EINVAL));
    vec![
        invalid(name("a/b"), "invalid device name \"a/b\": expected no slash"),
        (
            name("sixteen-bytes-xx"),
            "invalid device name \"sixteen-bytes-xx\": expected at most 15 bytes",
            ErrorKind::InvalidInput,
            Some(Errno::ENAMETOOLONG),
        ),
        invalid(
            Error::InvalidSetting {
                setting: "TEAM_EVENT_BUFSIZE",
                value: "x".to_owned(),
                reason: "expected a number of bytes",
            },
            "invalid TEAM_EVENT_BUFSIZE \"x\": expected a number of bytes",
        ),
        invalid(
            Error::OptionType {
                team: team0(),
                id: OptionId::port("enabled", seven()),
                expected: OptionType::Bool,
                found: OptionType::U32,
            },
            "setting option enabled of port 7 of team0: invalid value of type u32: expected bool",
        ),
        invalid(
            Error::OptionValue {
                team: team0(),
                id: OptionId::global("mcast_rejoin_interval"),
                value: "5000000s".to_owned(),
                reason: "expected at most 4294967295ms",
            },
            "setting option mcast_rejoin_interval of team0 to 5000000s: \
             expected at most 4294967295ms",
        ),
        invalid(
            parse(OptionType::U32, "x"),
            "setting option notify_peers_count of team0: invalid u32 \"x\": \
             expected a decimal number up to 4294967295",
        ),
        (
            parse(OptionType::U32, "4294967296"),
            "setting option notify_peers_count of team0: invalid u32 \"4294967296\": \
             expected a decimal number up to 4294967295",
            ErrorKind::InvalidInput,
            Some(Errno::ERANGE),
        ),
        (
            parse(OptionType::I32, "-99999999999999999999999999999999999999999"),
            "setting option notify_peers_count of team0: invalid i32 \
             \"-99999999999999999999999999999999999999999\": \
             expected a decimal number from -2147483648 to 2147483647",
            ErrorKind::InvalidInput,
            Some(Errno::ERANGE),
        ),
        invalid(
            parse(OptionType::Bool, "1"),
            "setting option notify_peers_count of team0: invalid bool \"1\": \
             expected true or false",
        ),
        invalid(
            Error::InvalidProgram(BpfError::Empty),
            "invalid BPF program of 0 instructions: expected at least one",
        ),
        (handler("on purpose"), "calling a change handler: on purpose", ErrorKind::Other, None),
        (
            handler(kernel(Errno::EBUSY as i32, None)),
            "calling a change handler: setting option mode of team0 to \"activebackup\": \
             device or resource busy (EBUSY)",
            ErrorKind::Other,
            None,
        ),
    ]
}

fn table() -> Vec<Row> {
    [requests(), objects(), inputs()].into_iter().flatten().collect()
}

/// Returns the name of the variant; a new variant does not compile until it is listed here.
fn variant(error: &Error) -> &'static str {
    match error {
        Error::Io { .. } => "Io",
        Error::Kernel { .. } => "Kernel",
        Error::Decode { .. } => "Decode",
        Error::Timeout { .. } => "Timeout",
        Error::NoReply { .. } => "NoReply",
        Error::Interrupted { .. } => "Interrupted",
        Error::Overrun { .. } => "Overrun",
        Error::FamilyNotFound => "FamilyNotFound",
        Error::NoSuchDevice { .. } => "NoSuchDevice",
        Error::NoSuchAddress { .. } => "NoSuchAddress",
        Error::NotTeam { .. } => "NotTeam",
        Error::DeviceGone { .. } => "DeviceGone",
        Error::NotPort { .. } => "NotPort",
        Error::InvalidName { .. } => "InvalidName",
        Error::InvalidSetting { .. } => "InvalidSetting",
        Error::UnknownOption { .. } => "UnknownOption",
        Error::OptionType { .. } => "OptionType",
        Error::OptionValue { .. } => "OptionValue",
        Error::OptionParse { .. } => "OptionParse",
        Error::InvalidProgram(_) => "InvalidProgram",
        Error::Handler { .. } => "Handler",
    }
}

const VARIANTS: usize = 21;

#[test]
fn error_says_operation_object_and_reason() {
    let mut seen = std::collections::BTreeSet::new();
    for (error, text, kind, errno) in table() {
        assert_eq!(error.to_string(), text);
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.raw_os_error(), errno.map(|errno| errno as i32), "{error}");
        assert!(error.source().is_none(), "{error}: the text says it all");
        seen.insert(variant(&error));
    }
    assert_eq!(seen.len(), VARIANTS, "{seen:?}");
}

#[test]
fn source_is_the_source_of_the_error_in_the_text() {
    #[derive(Debug, thiserror::Error)]
    #[error("the outer one")]
    struct Outer(#[source] io::Error);

    let outer = || Outer(io::Error::other("the inner one"));
    for error in [handler(outer()), system(io::Error::other(outer()))] {
        assert!(error.to_string().ends_with(": the outer one"), "{error}");
        let source = error.source().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("the inner one"));
    }
}

#[test]
fn kernel_errors_are_classified_by_their_number() {
    let table = [
        (ErrorKind::AlreadyExists, &[Errno::EEXIST][..]),
        (ErrorKind::NotFound, &[Errno::ENODEV, Errno::ENOENT, Errno::ESRCH, Errno::ENXIO]),
        (
            ErrorKind::Unsupported,
            &[Errno::EOPNOTSUPP, Errno::EAFNOSUPPORT, Errno::EPROTONOSUPPORT, Errno::ENOSYS],
        ),
        (ErrorKind::ResourceBusy, &[Errno::EBUSY]),
        (ErrorKind::PermissionDenied, &[Errno::EPERM, Errno::EACCES]),
        (ErrorKind::InvalidInput, &[Errno::EINVAL, Errno::ERANGE, Errno::EADDRNOTAVAIL]),
        (ErrorKind::TimedOut, &[Errno::ETIMEDOUT]),
        (ErrorKind::Other, &[Errno::ENOMEM, Errno::EIO]),
    ];
    for (kind, numbers) in table {
        for &errno in numbers {
            assert_eq!(kernel(errno as i32, None).kind(), kind, "{errno}");
            assert_eq!(system(io::Error::from(errno)).kind(), kind, "{errno}");
            let docs = docs_of(kind);
            let is_listed = docs.contains(&format!("`{errno:?}`"));
            assert!(is_listed || kind == ErrorKind::Other, "{kind:?} does not list {errno:?}");
        }
    }
    assert_eq!(kernel(524, None).to_string().split_once(": ").unwrap().1, "error number 524");
}

/// Returns the documentation of a kind.
fn docs_of(kind: ErrorKind) -> String {
    let source = include_str!("../kind.rs");
    let (before, _) = source.split_once(&format!("\n    {kind:?},\n")).unwrap();
    let mut lines: Vec<_> =
        before.lines().rev().take_while(|line| line.trim_start().starts_with("///")).collect();
    lines.reverse();
    lines.join("\n")
}

#[test]
fn docs_list_variants_and_error_numbers() {
    let numbers = include_str!("../mod.rs");
    for (error, _, kind, errno) in table() {
        let variant = variant(&error);
        if !matches!(error, Error::Io { .. } | Error::Kernel { .. }) {
            let link = format!("[`Error::{variant}`]");
            assert!(docs_of(kind).contains(&link), "{kind:?} does not list {variant}");
            assert_eq!(
                include_str!("../kind.rs")
                    .split("impl ErrorKind")
                    .next()
                    .unwrap()
                    .matches(&link)
                    .count(),
                1,
                "{variant} is of one kind"
            );
        }
        let row = numbers
            .lines()
            .find(|line| line.contains(&format!("| [`{variant}`](Self::{variant}) |")))
            .unwrap_or_else(|| panic!("no row for {variant}"));
        let expected = match (&error, errno) {
            (Error::Io { .. }, _) => "the system's".to_owned(),
            (Error::Kernel { .. }, _) => "the kernel's".to_owned(),
            (_, None) => "`None`".to_owned(),
            (_, Some(errno)) => format!("`{errno:?}`"),
        };
        assert!(row.contains(&expected), "{row}: expected {expected}");
    }
}
