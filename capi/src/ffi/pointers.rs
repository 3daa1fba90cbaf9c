//! The pointers that a C program passes.
//!
//! Values of these types come only from the callers of the exported functions, whose contract is
//! `team.h`: each is NULL or points to what it is named after, for the whole call.

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::rc::Rc;

use super::guard::Subject;
use super::handle::Handle;
use crate::store::{Ifinfo, Opt, Port};

/// `struct team_handle *`.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Th(*const Handle);

impl Th {
    pub(super) const NULL: Self = Self(std::ptr::null());

    /// Gives a handle to a C program.
    pub(super) fn new(handle: Rc<Handle>) -> Self {
        Self(Rc::into_raw(handle))
    }

    /// The pointer that a C program has to a handle.
    pub(super) fn of(handle: &Rc<Handle>) -> Self {
        Self(Rc::as_ptr(handle))
    }

    /// The handle, which stays until the result is dropped even if a handler frees it.
    pub(super) fn get(self) -> Option<Rc<Handle>> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: it was made by `new`, and `take` was not called with it: a freed handle is not
        // used any more.
        unsafe {
            Rc::increment_strong_count(self.0);
            Some(Rc::from_raw(self.0))
        }
    }

    /// Takes the handle back from the C program.
    pub(super) fn take(self) -> Option<Rc<Handle>> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: it was made by `new`, and a handle is freed once.
        Some(unsafe { Rc::from_raw(self.0) })
    }
}

impl Subject for Th {
    fn log_handle(&self) -> Option<Rc<Handle>> {
        self.get()
    }
}

/// A pointer to an object of the store.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Object<T>(*const T);

/// `struct team_port *`.
pub(crate) type PortPtr = Object<Port>;
/// `struct team_ifinfo *`.
pub(crate) type IfinfoPtr = Object<Ifinfo>;
/// `struct team_option *`.
pub(crate) type OptPtr = Object<Opt>;

impl<T> Clone for Object<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Object<T> {}

impl<T> Object<T> {
    pub(super) const NULL: Self = Self(std::ptr::null());

    pub(super) fn of(object: Option<Rc<T>>) -> Self {
        // The store keeps the object.
        object.map_or(Self::NULL, |object| Self(Rc::as_ptr(&object)))
    }

    /// The address, to compare with.
    pub(super) fn address(self) -> *const T {
        self.0
    }

    pub(super) fn get(&self) -> Option<&T> {
        // SAFETY: a C program passes only pointers that the store gave out, and none to what is
        // gone by the rules of `team.h`. Objects are never borrowed mutably.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Subject for Object<T> {}

/// `const char *`: text that ends with NUL.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Text(*const c_char);

impl Text {
    /// The text behind an argument of `team_get_option`.
    pub(super) fn at(address: *const c_char) -> Self {
        Self(address)
    }

    pub(super) fn get(&self) -> Option<&CStr> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: it is text that ends with NUL, and stays for the call.
        Some(unsafe { CStr::from_ptr(self.0) })
    }
}

/// A pointer to where a result goes.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Out<T>(*mut T, PhantomData<T>);

impl<T> Out<T> {
    /// Writes a result; nothing where the program passes NULL.
    pub(super) fn set(&self, value: T) {
        if !self.0.is_null() {
            // SAFETY: it points to a place for such a result. What was there need not be
            // initialised, and has no destructor.
            unsafe { self.0.write(value) };
        }
    }
}

/// A buffer of the caller, whose size is another argument.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Buffer(*mut c_char);

impl Buffer {
    pub(super) const NULL: Self = Self(std::ptr::null_mut());

    /// Writes bytes to the beginning of a buffer that has at least as many.
    pub(super) fn write(self, bytes: &[u8]) {
        if !self.0.is_null() {
            // SAFETY: the buffer has room for them, as the callers of this method check by the size
            // that the program passes. The bytes are of this library.
            unsafe { self.0.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
    }

    /// Writes as much text as fits with its NUL, and returns whether that was not all.
    pub(super) fn write_text(self, text: &[u8], size: usize) -> bool {
        if let Some(room) = size.checked_sub(1) {
            let fitting = text.get(..room).unwrap_or(text);
            self.write(&[fitting, &[0]].concat());
        }
        text.len() >= size
    }
}

/// `const void *` or `const char *`: bytes of the caller, whose number is another argument.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Bytes(*const u8);

impl Bytes {
    /// A copy of the bytes; none where the program passes NULL.
    pub(super) fn copy(self, length: usize) -> Vec<u8> {
        if self.0.is_null() {
            return Vec::new();
        }
        // SAFETY: the program passes a pointer to that many bytes.
        unsafe { std::slice::from_raw_parts(self.0, length) }.to_vec()
    }
}

/// `struct sock_fprog` of `linux/filter.h`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct SockFprog {
    pub(super) len: u16,
    pub(super) filter: Bytes,
}

/// The size of `struct sock_filter` in bytes.
pub(super) const SOCK_FILTER_SIZE: usize = 8;

/// `const struct sock_fprog *`.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Program(*const SockFprog);

impl Program {
    /// The program's bytes; none where the program passes NULL.
    pub(super) fn copy(self) -> Vec<u8> {
        // SAFETY: it points to a program, and stays for the call.
        let program = unsafe { self.0.as_ref() };
        program.map_or_else(Vec::new, |program| {
            program.filter.copy(usize::from(program.len) * SOCK_FILTER_SIZE)
        })
    }
}

impl SockFprog {
    /// A program in a buffer of the store.
    pub(super) fn new(len: u16, filter: *const u8) -> Self {
        Self { len, filter: Bytes(filter) }
    }
}

/// The file descriptor of `team_get_event_fd` as the deprecated functions name it: any pointer that
/// is not NULL.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct EventFdPtr(*const c_int);

impl EventFdPtr {
    pub(super) const NULL: Self = Self(std::ptr::null());

    /// The only one that there is.
    pub(super) fn only() -> Self {
        static ONLY: c_int = 0;
        Self(&raw const ONLY)
    }

    pub(super) fn is_null(self) -> bool {
        self.0.is_null()
    }
}
