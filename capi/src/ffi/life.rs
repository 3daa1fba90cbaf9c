//! The life of a handle, its events and its log.

use std::ffi::{OsStr, c_int};
use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;

use libteam::rtnl::{NewLink, RtnlSocket};
use libteam::{Error, TeamHandle};
use nix::errno::Errno;

use super::guard::{FAILED, export, guarded};
use super::handle::{Failure, Handle, code, errno_failure};
use super::log::LogFn;
use super::pointers::{EventFdPtr, Text, Th};

/// Makes a handle; NULL if that fails.
///
/// # Safety
///
/// As for every C function: none.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn team_alloc() -> Th {
    guarded("team_alloc", &(), Th::NULL, || {
        Handle::new().map_or(Th::NULL, |handle| Th::new(Rc::new(handle)))
    })
}

export! {
    /// Frees a handle and leaves the team as it is.
    fn team_free(th: Th), (), {
        if let Some(handle) = th.take() {
            handle.free();
        }
    }
}

/// The kernel's own name for a team without a name.
const UNNAMED: &str = "team%d";

fn create(th: Th, name: Text, is_recreation: bool) -> Result<(), Failure> {
    let handle = th.get().ok_or(FAILED)?;
    let name = name.get().map_or(UNNAMED.as_bytes(), |name| name.to_bytes());
    let name = OsStr::from_bytes(name);
    let origin = if is_recreation { "team_recreate" } else { "team_create" };
    handle.with_rtnl(origin, |rtnl| {
        if name.as_bytes().contains(&b'%') {
            let builder = TeamHandle::builder().ignore_environment();
            return builder.create_numbered(name).map(drop);
        }
        if is_recreation {
            delete_team(rtnl, name)?;
        }
        rtnl.create_link(&NewLink::team(name)).map(drop)
    })
}

/// Deletes the team of this name. Another link is left alone: that the name is taken the kernel
/// says.
fn delete_team(rtnl: &mut RtnlSocket, name: &OsStr) -> Result<(), Error> {
    match rtnl.link_by_name(name) {
        Ok(link) if link.is_team() && link.name_os() == name => rtnl.delete_link(link.ifindex()),
        Ok(_) | Err(Error::NoSuchDevice { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

export! {
    /// Creates a team; without a name, the kernel's next `team0`, `team1`, ….
    fn team_create(th: Th, name: Text) -> c_int, FAILED, {
        code(create(th, name, false))
    }
}

export! {
    /// Creates a team, after deleting the team of this name.
    fn team_recreate(th: Th, name: Text) -> c_int, FAILED, {
        code(create(th, name, true))
    }
}

export! {
    /// Deletes the handle's team.
    fn team_destroy(th: Th) -> c_int, FAILED, {
        let Some(handle) = th.get() else { return FAILED };
        let Some(ifindex) = handle.ifindex() else { return errno_failure(Errno::ENODEV) };
        code(handle.with_rtnl("team_destroy", |rtnl| {
            let link = rtnl.link_by_index(ifindex)?;
            if link.is_team() {
                return rtnl.delete_link(ifindex);
            }
            // The team is gone, and another link has its index.
            let (op, device) = ("deleting the team".to_owned(), format!("index {ifindex}"));
            Err(Error::NoSuchDevice { op, device })
        }))
    }
}

export! {
    /// Opens the team that has this index, and calls the handlers that are registered.
    fn team_init(th: Th, ifindex: u32) -> c_int, FAILED, {
        th.get().map_or(FAILED, |handle| code(handle.init(ifindex)))
    }
}

export! {
    /// Reads everything again, and calls the handlers.
    fn team_refresh(th: Th) -> c_int, FAILED, {
        th.get().map_or(FAILED, |handle| code(handle.refresh()))
    }
}

export! {
    /// Returns the descriptor that is readable while there are events.
    fn team_get_event_fd(th: Th) -> c_int, FAILED, {
        th.get().map_or(FAILED, |handle| handle.event_fd())
    }
}

export! {
    /// Handles the events that wait, or blocks until there are some.
    fn team_handle_events(th: Th) -> c_int, FAILED, {
        th.get().map_or(FAILED, |handle| code(handle.handle_events()))
    }
}

export! {
    /// Handles the events that wait, if there are some.
    fn team_check_events(th: Th) -> c_int, FAILED, {
        th.get().map_or(FAILED, |handle| code(handle.check_events()))
    }
}

export! {
    /// Returns the next of the event descriptors, of which there is one.
    fn team_get_next_eventfd(_th: Th, eventfd: EventFdPtr) -> EventFdPtr, EventFdPtr::NULL, {
        if eventfd.is_null() { EventFdPtr::only() } else { EventFdPtr::NULL }
    }
}

export! {
    /// Returns the event descriptor: [`team_get_event_fd`].
    fn team_get_eventfd_fd(th: Th, _eventfd: EventFdPtr) -> c_int, FAILED, {
        th.get().map_or(FAILED, |handle| handle.event_fd())
    }
}

export! {
    /// Handles events: [`team_handle_events`].
    fn team_call_eventfd_handler(th: Th, _eventfd: EventFdPtr) -> c_int, FAILED, {
        th.get().map_or(FAILED, |handle| code(handle.handle_events()))
    }
}

export! {
    /// Sets the function that gets the log's messages; NULL for standard error.
    fn team_set_log_fn(th: Th, function: Option<LogFn>), (), {
        if let Some(handle) = th.get() {
            handle.log_settings().function.set(function);
        }
    }
}

export! {
    /// Returns the highest priority that is logged, as syslog(3) numbers them.
    fn team_get_log_priority(th: Th) -> c_int, 0, {
        th.get().map_or(0, |handle| handle.log_settings().priority.get())
    }
}

export! {
    /// Sets the highest priority that is logged.
    fn team_set_log_priority(th: Th, priority: c_int), (), {
        if let Some(handle) = th.get() {
            handle.log_settings().priority.set(priority);
        }
    }
}
