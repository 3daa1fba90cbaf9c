//! No panic leaves an exported function: a build of the library in which every one of them can be
//! made to panic.

#![allow(unsafe_code, reason = "calls the exported functions like C does")]
#![allow(
    dead_code,
    reason = "the library's source, of which the exports are used by their C names"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

#[path = "../../src/batch.rs"]
mod batch;
#[path = "../../src/calls/mod.rs"]
mod calls;
#[path = "../../src/errno.rs"]
mod errno;
#[path = "../../src/ffi/mod.rs"]
mod ffi;
#[path = "../../src/format.rs"]
mod format;
#[path = "../../src/parse.rs"]
mod parse;
#[path = "../../src/store/mod.rs"]
mod store;
#[path = "../../src/text.rs"]
mod text;

mod exports;

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Mutex;

thread_local! {
    /// The function that panics.
    static PANICKING: Cell<Option<&'static str>> = const { Cell::new(None) };
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// What the library calls inside each export.
fn before_export(name: &'static str) {
    if PANICKING.get() == Some(name) {
        PANICS.set(PANICS.get() + 1);
        panic!("deliberate panic in {name}");
    }
}

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

unsafe extern "C" fn log_message(
    _th: *mut c_void,
    priority: c_int,
    _file: *const c_char,
    _line: c_int,
    function: *const c_char,
    format: *const c_char,
    _arguments: *mut c_void,
) {
    // SAFETY: the library passes strings that end with NUL.
    let [function, format] = unsafe { [CStr::from_ptr(function), CStr::from_ptr(format)] };
    let line = format!("{priority} {}: {}", function.to_string_lossy(), format.to_string_lossy());
    LOGGED.lock().unwrap().push(line);
}

/// Any export: all take integers and pointers, and return one, or nothing.
type Export = unsafe extern "C" fn(usize, usize, usize, usize, usize, usize) -> usize;

/// Calls an export with a handle, if it takes one, and with NULL for everything else.
fn call(function: Export, first: usize) -> usize {
    // SAFETY: the C ABIs of Linux ignore arguments that a function does not take. NULL is allowed
    // for all pointers.
    unsafe { function(first, 0, 0, 0, 0, 0) }
}

#[test]
fn every_export_returns_an_error_instead_of_a_panic() {
    let alloc = exports::find("team_alloc");
    let th = call(alloc, 0);
    assert_ne!(th, 0, "team_alloc works");
    call_with(exports::find("team_set_log_fn"), th, log_message as *const () as usize);
    for (name, function) in exports::ALL {
        PANICKING.set(Some(name));
        let before = PANICS.get();
        let takes_handle = !exports::without_handle(name);
        let result = call(function, if takes_handle { th } else { 0 });
        assert_eq!(PANICS.get(), before + 1, "{name} panicked");
        if let Some(expected) = exports::result_of_failure(name) {
            assert_eq!(expected.of(result), expected.value, "{name}");
        }
        if takes_handle {
            let logged = std::mem::take(&mut *LOGGED.lock().unwrap());
            let expected = format!("3 {name}: internal error: deliberate panic in {name}");
            assert_eq!(logged, [expected], "{name} reports the panic");
        }
    }
    PANICKING.set(None);
    assert_eq!(call(exports::find("team_get_log_priority"), th), 3, "the handle still works");
    call(exports::find("team_free"), th);
}

fn call_with(function: Export, first: usize, second: usize) {
    // SAFETY: as above; the second argument is a log function.
    unsafe { function(first, second, 0, 0, 0, 0) };
}
