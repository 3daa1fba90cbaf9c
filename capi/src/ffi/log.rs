//! Logging: the library's messages and the C program's log function.

use std::cell::{Cell, RefCell};
use std::env;
use std::ffi::{CString, c_char, c_int, c_void};
use std::io::{Write as _, stderr};
use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;
use std::sync::Once;

use ::log::{Level, LevelFilter, Log, Metadata, Record};

use super::handle::Handle;
use super::pointers::Th;
use crate::parse::{LOG_DEBUG, LOG_ERROR, LOG_INFO, LOG_WARNING, log_priority};

/// The log function of a C program. The arguments are a `va_list`.
pub(crate) type LogFn = unsafe extern "C" fn(
    Th,
    c_int,
    *const c_char,
    c_int,
    *const c_char,
    *const c_char,
    *mut c_void,
);

/// The settings of a handle's log.
#[derive(Debug)]
pub(super) struct LogSettings {
    pub(super) priority: Cell<c_int>,
    /// `None` for standard error.
    pub(super) function: Cell<Option<LogFn>>,
}

impl LogSettings {
    /// The settings of a new handle: the priority that `TEAM_LOG` sets.
    pub(super) fn new() -> Self {
        let variable = env::var_os("TEAM_LOG");
        let priority = variable.map_or(LOG_ERROR, |text| log_priority(text.as_bytes()));
        Self { priority: Cell::new(priority), function: Cell::new(None) }
    }
}

/// One message.
#[derive(Debug)]
pub(super) struct Message {
    priority: c_int,
    file: String,
    line: u32,
    /// What the C library names by a function: a target of the library's log, or an exported
    /// function.
    origin: String,
    text: String,
}

impl Message {
    pub(super) fn new(priority: c_int, origin: &str, text: &str) -> Self {
        let file = file!().to_owned();
        Self { priority, file, line: line!(), origin: origin.to_owned(), text: text.to_owned() }
    }

    /// Passes the message to the handle's log function. No borrow of the handle may be held.
    pub(super) fn deliver(&self, handle: &Rc<Handle>) {
        let settings = handle.log_settings();
        if self.priority > settings.priority.get() {
            return;
        }
        match settings.function.get() {
            None => {
                // Standard error may be closed: that is no reason to fail.
                let line = format!("libteam: {}: {}\n", self.origin, self.text);
                let _ = stderr().write_all(line.as_bytes());
            }
            Some(function) => self.pass_to(function, Th::of(handle)),
        }
    }

    fn pass_to(&self, function: LogFn, th: Th) {
        let [file, origin, format] = [&self.file, &self.origin, &self.text.replace('%', "%%")]
            .map(|text| CString::new(text.replace('\0', " ")).unwrap_or_default());
        let line = c_int::try_from(self.line).unwrap_or_default();
        let mut arguments = EmptyArguments::new();
        // SAFETY: the program registered the function for such calls. The strings and the argument
        // list live until it returns; the format takes no argument of the list.
        unsafe {
            function(
                th,
                self.priority,
                file.as_ptr(),
                line,
                origin.as_ptr(),
                format.as_ptr(),
                arguments.as_va_list(),
            );
        }
    }
}

/// A `va_list` without arguments. Should a program read one in spite of the format, it reads zeros
/// of the overflow area.
struct EmptyArguments {
    overflow: [usize; 16],
    list: VaList,
}

impl EmptyArguments {
    fn new() -> Self {
        Self { overflow: [0; 16], list: VaList::default() }
    }

    /// The argument that C passes for a `va_list`. On every ABI of Linux it is one pointer: to the
    /// list where that is an array or larger than two registers, or to the arguments where the list
    /// is a pointer itself.
    fn as_va_list(&mut self) -> *mut c_void {
        self.list.point_to((&raw mut self.overflow).cast());
        self.list.argument()
    }
}

/// `va_list` of the System V ABI for `x86_64`: the registers are used up.
#[cfg(target_arch = "x86_64")]
#[repr(C)]
struct VaList {
    gp_offset: u32,
    fp_offset: u32,
    overflow: *mut c_void,
    registers: *mut c_void,
}

#[cfg(target_arch = "x86_64")]
impl Default for VaList {
    fn default() -> Self {
        let null = std::ptr::null_mut();
        // Six general registers of 8 bytes, and eight vector registers of 16.
        Self { gp_offset: 48, fp_offset: 48 + 128, overflow: null, registers: null }
    }
}

#[cfg(target_arch = "x86_64")]
impl VaList {
    fn point_to(&mut self, arguments: *mut c_void) {
        self.overflow = arguments;
    }

    /// An array of one: it is passed as a pointer.
    fn argument(&mut self) -> *mut c_void {
        (&raw mut *self).cast()
    }
}

/// `va_list` of the procedure call standard for `aarch64`: no register is left, as offsets that are
/// not negative say.
#[cfg(target_arch = "aarch64")]
#[repr(C)]
struct VaList {
    stack: *mut c_void,
    general_top: *mut c_void,
    vector_top: *mut c_void,
    general_offset: c_int,
    vector_offset: c_int,
}

#[cfg(target_arch = "aarch64")]
impl Default for VaList {
    fn default() -> Self {
        let null = std::ptr::null_mut();
        Self {
            stack: null,
            general_top: null,
            vector_top: null,
            general_offset: 0,
            vector_offset: 0,
        }
    }
}

#[cfg(target_arch = "aarch64")]
impl VaList {
    fn point_to(&mut self, arguments: *mut c_void) {
        self.stack = arguments;
    }

    /// A structure of 32 bytes: it is passed as a pointer to a copy, and this is the copy.
    fn argument(&mut self) -> *mut c_void {
        (&raw mut *self).cast()
    }
}

/// `va_list` of the ELF ABI for `s390x`: the registers are used up.
#[cfg(target_arch = "s390x")]
#[repr(C)]
struct VaList {
    general: i64,
    vector: i64,
    overflow: *mut c_void,
    registers: *mut c_void,
}

#[cfg(target_arch = "s390x")]
impl Default for VaList {
    fn default() -> Self {
        let null = std::ptr::null_mut();
        Self { general: 5, vector: 4, overflow: null, registers: null }
    }
}

#[cfg(target_arch = "s390x")]
impl VaList {
    fn point_to(&mut self, arguments: *mut c_void) {
        self.overflow = arguments;
    }

    /// An array of one: it is passed as a pointer.
    fn argument(&mut self) -> *mut c_void {
        (&raw mut *self).cast()
    }
}

/// Elsewhere (x86, arm, riscv64, powerpc64) a `va_list` is a pointer to the arguments.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "s390x")))]
struct VaList {
    arguments: *mut c_void,
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "s390x")))]
impl Default for VaList {
    fn default() -> Self {
        Self { arguments: std::ptr::null_mut() }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "s390x")))]
impl VaList {
    fn point_to(&mut self, arguments: *mut c_void) {
        self.arguments = arguments;
    }

    fn argument(&mut self) -> *mut c_void {
        self.arguments
    }
}

/// What the library logs while a handle uses it on this thread.
struct Capture {
    priority: c_int,
    messages: Vec<Message>,
}

thread_local! {
    static CAPTURES: RefCell<Vec<Capture>> = const { RefCell::new(Vec::new()) };
}

/// Does nothing in a thread that ends, where there is no such variable any more.
fn with_captures<R: Default>(access: impl FnOnce(&mut Vec<Capture>) -> R) -> R {
    CAPTURES.try_with(|captures| access(&mut captures.borrow_mut())).unwrap_or_default()
}

/// Collects the messages of the library, which are delivered when no borrow is held any more.
struct Collector;

impl Log for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let priority = priority(metadata.level());
        with_captures(|captures| {
            captures.last().is_some_and(|capture| priority <= capture.priority)
        })
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // Before the borrow: the arguments of a message may log, too.
        let message = Message {
            priority: priority(record.level()),
            file: record.file().unwrap_or_default().to_owned(),
            line: record.line().unwrap_or_default(),
            origin: record.target().to_owned(),
            text: record.args().to_string(),
        };
        with_captures(|captures| {
            if let Some(capture) = captures.last_mut() {
                capture.messages.push(message);
            }
        });
    }

    fn flush(&self) {}
}

fn priority(level: Level) -> c_int {
    match level {
        Level::Error => LOG_ERROR,
        Level::Warn => LOG_WARNING,
        Level::Info => LOG_INFO,
        Level::Debug => LOG_DEBUG,
        Level::Trace => LOG_DEBUG + 1,
    }
}

/// Takes over the messages of the library, once in a process.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The `log` crate of this library is its own: nothing else sets a logger there.
        if ::log::set_logger(&Collector).is_ok() {
            ::log::set_max_level(LevelFilter::Debug);
        }
    });
}

/// Runs something of the library, and returns what it logged besides its result.
pub(super) fn captured<R>(priority: c_int, run: impl FnOnce() -> R) -> (R, Vec<Message>) {
    /// Ends the capture, also when `run` panics.
    struct Guard;

    impl Drop for Guard {
        fn drop(&mut self) {
            with_captures(|captures| drop(captures.pop()));
        }
    }

    let capture = Capture { priority, messages: Vec::new() };
    with_captures(|captures| captures.push(capture));
    let guard = Guard;
    let result = run();
    let messages = with_captures(|captures| {
        captures.last_mut().map(|capture| std::mem::take(&mut capture.messages)).unwrap_or_default()
    });
    drop(guard);
    (result, messages)
}
