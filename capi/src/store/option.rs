use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char, c_void};

use libteam::{OptionId, OptionType, OptionValue};

use super::bytes::Aligned;

/// `enum team_option_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum OptType {
    U32,
    String,
    Binary,
    Bool,
    S32,
}

impl OptType {
    pub(crate) fn of(value: &OptionValue) -> Option<Self> {
        match value.option_type() {
            OptionType::U32 => Some(Self::U32),
            OptionType::String => Some(Self::String),
            OptionType::Binary => Some(Self::Binary),
            OptionType::Bool => Some(Self::Bool),
            OptionType::I32 => Some(Self::S32),
            _ => None,
        }
    }
}

/// An option: `struct team_option`.
#[derive(Debug)]
pub(crate) struct Opt {
    id: OptionId,
    name: CString,
    /// `None` for an option that a program looked up and the kernel has not reported.
    value: RefCell<Option<OptionValue>>,
    /// The value as bytes, whose address a C program has.
    data: RefCell<Aligned>,
    is_changed: Cell<bool>,
    is_changed_locally: Cell<bool>,
}

impl Opt {
    pub(super) fn new(id: &OptionId) -> Self {
        Self {
            id: id.clone(),
            name: CString::new(&*id.name).unwrap_or_default(),
            value: RefCell::new(None),
            data: RefCell::new(Aligned::new(&[])),
            is_changed: Cell::new(false),
            is_changed_locally: Cell::new(false),
        }
    }

    /// Takes over the kernel's value.
    pub(super) fn update(&self, value: &OptionValue, is_changed: bool) {
        self.set_value(value);
        self.is_changed.set(is_changed);
        self.is_changed_locally.set(false);
    }

    /// Takes over a value that this handle set.
    pub(crate) fn set_locally(&self, value: &OptionValue) {
        self.set_value(value);
        self.is_changed.set(true);
        self.is_changed_locally.set(true);
    }

    /// The address of an equal value stays.
    fn set_value(&self, value: &OptionValue) {
        if self.value.borrow().as_ref() == Some(value) {
            return;
        }
        *self.data.borrow_mut() = match value {
            OptionValue::U32(number) => Aligned::new(&number.to_ne_bytes()),
            OptionValue::I32(number) => Aligned::new(&number.to_ne_bytes()),
            OptionValue::Bool(on) => Aligned::new(&[u8::from(*on)]),
            // With its NUL, as the kernel sends it.
            OptionValue::String(text) => Aligned::new(&[text.as_bytes(), &[0]].concat()),
            OptionValue::Binary(bytes) => Aligned::new(bytes),
            _ => Aligned::new(&[]),
        };
        *self.value.borrow_mut() = Some(value.clone());
    }

    pub(super) fn clear_changed(&self) {
        self.is_changed.set(false);
    }

    pub(crate) fn id(&self) -> &OptionId {
        &self.id
    }

    pub(crate) fn name_ptr(&self) -> *mut c_char {
        self.name.as_ptr().cast_mut()
    }

    pub(crate) fn is_initialized(&self) -> bool {
        self.value.borrow().is_some()
    }

    pub(crate) fn option_type(&self) -> Option<OptType> {
        OptType::of(self.value.borrow().as_ref()?)
    }

    pub(crate) fn value(&self) -> Option<OptionValue> {
        self.value.borrow().clone()
    }

    pub(crate) fn data_ptr(&self) -> *mut c_void {
        self.data.borrow().as_ptr()
    }

    pub(crate) fn data_len(&self) -> usize {
        self.data.borrow().len()
    }

    /// The first bytes of the value as a number, which is what the C library reads whatever the
    /// type is.
    pub(crate) fn number(&self) -> u32 {
        u32::from_ne_bytes(self.first_bytes())
    }

    /// The same as a signed number.
    pub(crate) fn signed_number(&self) -> i32 {
        i32::from_ne_bytes(self.first_bytes())
    }

    /// The value of an option that is on or off.
    pub(crate) fn is_on(&self) -> bool {
        let [first, ..] = self.first_bytes();
        first != 0
    }

    fn first_bytes(&self) -> [u8; 4] {
        let bytes = self.data.borrow().to_vec();
        let mut first = [0; 4];
        first.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        first
    }

    pub(crate) fn is_changed(&self) -> bool {
        self.is_changed.get()
    }

    pub(crate) fn is_changed_locally(&self) -> bool {
        self.is_changed_locally.get()
    }
}
