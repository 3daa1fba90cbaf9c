//! No panic leaves the library.

use std::any::Any;
use std::ffi::c_int;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use nix::errno::Errno;

use super::handle::Handle;
use crate::parse::LOG_ERROR;

/// What a function that failed by a panic returns.
pub(super) const FAILED: c_int = -(Errno::EINVAL as c_int);

/// The first argument of a function, which may lead to a handle.
pub(super) trait Subject {
    /// The handle whose log gets the report of a panic.
    fn log_handle(&self) -> Option<Rc<Handle>> {
        None
    }
}

/// For `team_alloc`, which has no argument.
impl Subject for () {}

/// Runs the body of an export, and returns `fallback` if it panics.
pub(super) fn guarded<R>(
    name: &'static str,
    subject: &impl Subject,
    fallback: R,
    body: impl FnOnce() -> R,
) -> R {
    // No borrow of a handle outlives its body, and its cells hold whole values: after a panic the
    // handle is as it was before the call, or in part as after it.
    let panic = match catch_unwind(AssertUnwindSafe(|| {
        crate::before_export(name);
        body()
    })) {
        Ok(result) => return result,
        Err(panic) => panic,
    };
    let reported = catch_unwind(AssertUnwindSafe(|| report(name, subject, &*panic)));
    // The payload's own drop may panic, and so may that of what it then carries.
    for payload in [Some(panic), reported.err()].into_iter().flatten() {
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(another);
        }
    }
    fallback
}

fn report(name: &'static str, subject: &impl Subject, panic: &(dyn Any + Send)) {
    let reason = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown reason");
    if let Some(handle) = subject.log_handle() {
        handle.log(LOG_ERROR, name, &format!("internal error: {reason}"));
    }
}

/// Defines an exported function: its C name and arguments, the result if it panics, and its body.
macro_rules! export {
    ($(#[$doc:meta])* fn $name:ident($first:ident: $first_type:ty $(, $argument:ident: $type:ty)* $(,)?)
        $(-> $result:ty)?, $fallback:expr, $body:block) => {
        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// The arguments are those that `team.h` asks for.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name($first: $first_type $(, $argument: $type)*) $(-> $result)? {
            $crate::ffi::guard::guarded(stringify!($name), &$first, $fallback, || $body)
        }
    };
}

pub(super) use export;
