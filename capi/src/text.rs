//! The text of ports, options and links.

use crate::store::{Ifinfo, LinkFlag, Opt, Port};
use libteam::OptionValue;

/// Returns the text of `team_port_str`.
pub(crate) fn port(port: &Port) -> Vec<u8> {
    let state = port.state();
    let mark = match (port.is_removed(), port.is_changed()) {
        (true, _) => '-',
        (_, true) => '*',
        _ => ' ',
    };
    let name =
        if port.ifinfo().is_removed() { b"(removed)".to_vec() } else { port.ifinfo().name() };
    let link = if state.is_link_up { "up" } else { "down" };
    let duplex = if state.duplex == 0 { "HD" } else { "FD" };
    let before = format!("{mark}{}: ", state.ifindex).into_bytes();
    let after = format!(": {link} {}Mbit {duplex}", state.speed).into_bytes();
    [before, name, after].concat()
}

/// Returns the text of `team_ifinfo_str`.
pub(crate) fn ifinfo(ifinfo: &Ifinfo) -> Vec<u8> {
    let mark = |flags: &[LinkFlag]| {
        if flags.iter().any(|flag| ifinfo.has_changed(*flag)) { "*" } else { "" }
    };
    let any = if ifinfo.has_any_change() { '*' } else { ' ' };
    let hwaddr: Vec<String> = ifinfo.hwaddr().iter().map(|byte| format!("{byte:02x}")).collect();
    let before = format!("{any}{}: {}", ifinfo.ifindex(), mark(&[LinkFlag::Name])).into_bytes();
    let after = format!(
        ": {}{}: {}{}",
        mark(&[LinkFlag::HwAddr, LinkFlag::HwAddrLen]),
        hwaddr.join(":"),
        mark(&[LinkFlag::Master]),
        ifinfo.master(),
    );
    [before, ifinfo.name(), after.into_bytes()].concat()
}

/// Returns the text of `team_option_value_str`.
pub(crate) fn option_value(option: &Opt) -> Vec<u8> {
    match option.value() {
        None => OptionValue::U32(0).to_string().into_bytes(),
        Some(value) => value.to_string().into_bytes(),
    }
}

/// Returns the text of `team_option_str`, with the name of the option's port.
pub(crate) fn option(option: &Opt, port_name: &[u8]) -> Vec<u8> {
    let mark = if option.is_changed() { '*' } else { ' ' };
    let mut text = format!("{mark}{} ", option.id().name).into_bytes();
    if option.id().port.is_some() {
        text.extend(b"(port:");
        text.extend(port_name);
        text.extend(b") ");
    }
    if let Some(index) = option.id().array_index {
        text.extend(format!("(arridx:{index}) ").into_bytes());
    }
    text.extend(option_value(option));
    text
}
