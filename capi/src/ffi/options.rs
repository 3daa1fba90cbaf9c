//! Options: lookup, iteration, getters and setters.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr::null_mut;
use std::rc::Rc;

use libteam::{IfIndex, OptionId, OptionValue};
use nix::errno::Errno;

use super::guard::{FAILED, export};
use super::handle::{Failure, Handle, code, errno_failure, length};
use super::pointers::{Bytes, OptPtr, Text, Th};
use super::ports::getters;
use crate::format::{self, Query};
use crate::parse;
use crate::store::{Opt, OptType};

/// Finds an option by the name that a query refers to.
fn find(handle: &Handle, query: &Query) -> Option<Rc<Opt>> {
    let name = Text::at(format::name_address(query)?);
    let name = name.get()?.to_str().ok()?.to_owned();
    let id = OptionId {
        name: name.into(),
        // The kernel has no option of a port 0: no option is found, and none can be set.
        port: query.port.map(IfIndex::new).map(|port| port.ok_or(())).transpose().ok()?,
        array_index: query.array_index,
    };
    find_id(handle, &id, query.is_forced)
}

fn find_id(handle: &Handle, id: &OptionId, is_forced: bool) -> Option<Rc<Opt>> {
    if is_forced { Some(handle.store().option_or_temporary(id)) } else { handle.store().option(id) }
}

export! {
    /// Finds an option by name, port and index into an array, as the format says which there are.
    ///
    /// In C it takes any number of arguments. On the ABIs of Linux a function of fixed arguments
    /// receives those in the same places, as they are integers and pointers.
    fn team_get_option(th: Th, format: Text, first: usize, second: usize, third: usize, fourth: usize) -> OptPtr, OptPtr::NULL, {
        let arguments = [first, second, third, fourth];
        let query = format.get().and_then(|format| format::parse(format, arguments));
        OptPtr::of(th.get().zip(query).and_then(|(handle, query)| find(&handle, &query)))
    }
}

export! {
    /// Returns the option after this one, or the first: the newest first.
    fn team_get_next_option(th: Th, option: OptPtr) -> OptPtr, OptPtr::NULL, {
        OptPtr::of(th.get().and_then(|handle| handle.store().next_option(option.address())))
    }
}

fn array_index(option: &Opt) -> u32 {
    option.id().array_index.unwrap_or(0)
}

getters! { OptPtr:
    /// Returns whether the kernel has reported the option.
    fn team_is_option_initialized -> bool, false, Opt::is_initialized;
    /// Returns the option's name.
    fn team_get_option_name -> *mut c_char, null_mut(), Opt::name_ptr;
    /// Returns the index of the option's port, or 0.
    fn team_get_option_port_ifindex -> u32, 0, |option| option.id().port.map_or(0, IfIndex::get);
    /// Returns whether the option is one of a port.
    fn team_is_option_per_port -> bool, false, |option| option.id().port.is_some();
    /// Returns the option's index into an array, or 0.
    fn team_get_option_array_index -> u32, 0, array_index;
    /// Returns whether the option is an element of an array.
    fn team_is_option_array -> bool, false, |option| option.id().array_index.is_some();
    /// Returns the type of the option's value: `enum team_option_type`.
    fn team_get_option_type -> c_uint, 0, |option| option.option_type().map_or(0, |found| found as c_uint);
    /// Returns whether the last option message reported the option.
    fn team_is_option_changed -> bool, false, Opt::is_changed;
    /// Returns whether this handle set the option, and the kernel has not reported it since.
    fn team_is_option_changed_locally -> bool, false, Opt::is_changed_locally;
    /// Returns the length of the option's value in bytes.
    fn team_get_option_value_len -> c_uint, 0, |option| c_uint::try_from(option.data_len()).unwrap_or(c_uint::MAX);
    /// Returns the option's value.
    fn team_get_option_value_u32 -> u32, 0, Opt::number;
    /// Returns the option's value, until its next change.
    fn team_get_option_value_string -> *mut c_char, null_mut(), |option| option.data_ptr().cast();
    /// Returns the option's value, until its next change.
    fn team_get_option_value_binary -> *mut c_void, null_mut(), Opt::data_ptr;
    /// Returns the option's value.
    fn team_get_option_value_bool -> bool, false, Opt::is_on;
    /// Returns the option's value.
    fn team_get_option_value_s32 -> i32, 0, Opt::signed_number;
}

/// Sets an option, and takes its value over into the store.
fn set(th: Th, option: OptPtr, origin: &str, value: &OptionValue) -> Result<(), Failure> {
    let handle = th.get().ok_or(FAILED)?;
    let option = handle.store().option_at(option.address()).ok_or(FAILED)?;
    set_value(&handle, &option, origin, value)
}

fn set_value(
    handle: &Rc<Handle>,
    option: &Rc<Opt>,
    origin: &str,
    value: &OptionValue,
) -> Result<(), Failure> {
    if option.is_initialized() && option.option_type() != OptType::of(value) {
        return Err(errno_failure(Errno::EINVAL));
    }
    handle.with_team(origin, |team| team.set_option(option.id(), value.clone()))?;
    if option.is_initialized() {
        option.set_locally(value);
    } else {
        handle.store().remove_option(option.id());
    }
    Ok(())
}

/// Sets an option by its name and port, whether the kernel has reported it or not.
pub(super) fn set_named(
    th: Th,
    origin: &str,
    name: &'static str,
    port: Option<u32>,
    value: &OptionValue,
) -> Result<(), Failure> {
    let handle = th.get().ok_or(FAILED)?;
    let id = named(name, port).ok_or(errno_failure(Errno::ENOENT))?;
    let option = handle.store().option_or_temporary(&id);
    set_value(&handle, &option, origin, value)
}

/// Finds an option by its name and port.
pub(super) fn get_named(th: Th, name: &'static str, port: Option<u32>) -> Result<Rc<Opt>, Failure> {
    let handle = th.get().ok_or(FAILED)?;
    let option = named(name, port).and_then(|id| handle.store().option(&id));
    option.filter(|option| option.is_initialized()).ok_or(errno_failure(Errno::ENOENT))
}

fn named(name: &'static str, port: Option<u32>) -> Option<OptionId> {
    match port {
        None => Some(OptionId::global(name)),
        Some(port) => IfIndex::new(port).map(|port| OptionId::port(name, port)),
    }
}

pub(super) fn text_value(text: Text) -> Result<OptionValue, Failure> {
    let text = text.get().and_then(|text| text.to_str().ok()).ok_or(FAILED)?;
    Ok(OptionValue::from(text))
}

export! {
    /// Sets an option of the type u32.
    fn team_set_option_value_u32(th: Th, option: OptPtr, value: u32) -> c_int, FAILED, {
        code(set(th, option, "team_set_option_value_u32", &value.into()))
    }
}

export! {
    /// Sets an option of the type s32.
    fn team_set_option_value_s32(th: Th, option: OptPtr, value: i32) -> c_int, FAILED, {
        code(set(th, option, "team_set_option_value_s32", &value.into()))
    }
}

export! {
    /// Sets an option of the type bool.
    fn team_set_option_value_bool(th: Th, option: OptPtr, value: bool) -> c_int, FAILED, {
        code(set(th, option, "team_set_option_value_bool", &value.into()))
    }
}

export! {
    /// Sets an option of the type string.
    fn team_set_option_value_string(th: Th, option: OptPtr, value: Text) -> c_int, FAILED, {
        let value = text_value(value);
        code(value.and_then(|value| set(th, option, "team_set_option_value_string", &value)))
    }
}

export! {
    /// Sets an option of the type binary.
    fn team_set_option_value_binary(th: Th, option: OptPtr, data: Bytes, size: c_uint) -> c_int, FAILED, {
        let value = data.copy(length(size)).into();
        code(set(th, option, "team_set_option_value_binary", &value))
    }
}

export! {
    /// Sets an option from text, by its type.
    fn team_set_option_value_from_string(th: Th, option: OptPtr, text: Text) -> c_int, FAILED, {
        let Some(found) = option.get() else { return FAILED };
        let Some(expected) = found.option_type() else { return errno_failure(Errno::ENOENT) };
        let Some(text) = text.get() else { return FAILED };
        let value = parse::option_value(expected, text.to_bytes()).map_err(errno_failure);
        code(value.and_then(|value| set(th, option, "team_set_option_value_from_string", &value)))
    }
}
