//! Waiting for a state.

use std::env;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(50);

/// Returns the limit of a wait: long enough on a busy or emulated machine too.
pub(crate) fn timeout() -> Duration {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap();
    Duration::from_secs(if processors.contains("QEMU TCG CPU") { 600 } else { 60 })
}

/// Returns whether the tests that take long are to run in full.
pub(crate) fn is_full() -> bool {
    env::var_os("LIBTEAM_CAPI_FULL").is_some()
}

/// Returns what `look` returns as soon as that is something; panics if it does not become so.
pub(crate) fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_within(timeout(), look).unwrap_or_else(|| panic!("{what}: not within {:?}", timeout()))
}

/// Returns what `look` returns as soon as that is something, or `None` after `limit`.
pub(crate) fn wait_within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(INTERVAL);
    }
}
