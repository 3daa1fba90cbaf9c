//! What a process uses.

use std::fs;
use std::time::Duration;

use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// Returns how much of a process's memory is resident, in bytes. The process is a number, or
/// `self`.
pub(crate) fn resident_bytes(process: &str) -> usize {
    kilobytes(&fs::read_to_string(format!("/proc/{process}/status")).unwrap(), "VmRSS:") * 1024
}

/// Returns a process's share of memory in bytes: what it does not share, and its part of the rest.
pub(crate) fn proportional_bytes(process: u32) -> usize {
    let map = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    kilobytes(&map, "Pss:") * 1024
}

fn kilobytes(text: &str, name: &str) -> usize {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Returns how many descriptors a process has open.
pub(crate) fn descriptors(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

/// Returns the processor time that a process has used.
pub(crate) fn processor_time(process: u32) -> Duration {
    let process = Pid::from_raw(process.try_into().unwrap());
    clock_getcpuclockid(process).unwrap().now().unwrap().into()
}
