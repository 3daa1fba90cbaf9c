//! Objects as text. Each function returns whether the text did not fit.

use super::guard::export;
use super::pointers::{Buffer, IfinfoPtr, OptPtr, PortPtr, Th};
use crate::text;

export! {
    /// Writes an option and its value.
    fn team_option_str(th: Th, option: OptPtr, buffer: Buffer, size: usize) -> bool, true, {
        let Some(handle) = th.get() else { return true };
        let Some(option) = option.get() else { return true };
        let port = option.id().port.and_then(|port| handle.store().port(port.get()));
        let name = port.map(|port| port.ifinfo().name()).unwrap_or_default();
        buffer.write_text(&text::option(option, &name), size)
    }
}

export! {
    /// Writes the value of an option.
    fn team_option_value_str(option: OptPtr, buffer: Buffer, size: usize) -> bool, true, {
        option.get().is_none_or(|option| buffer.write_text(&text::option_value(option), size))
    }
}

export! {
    /// Writes a port and its state.
    fn team_port_str(port: PortPtr, buffer: Buffer, size: usize) -> bool, true, {
        port.get().is_none_or(|port| buffer.write_text(&text::port(port), size))
    }
}

export! {
    /// Writes a link.
    fn team_ifinfo_str(ifinfo: IfinfoPtr, buffer: Buffer, size: usize) -> bool, true, {
        ifinfo.get().is_none_or(|ifinfo| buffer.write_text(&text::ifinfo(ifinfo), size))
    }
}
