//! Decodes netlink messages without the library, so that its faults do not change the seeds.

pub(crate) const NOOP: u16 = 1;
pub(crate) const ERROR: u16 = 2;
pub(crate) const DONE: u16 = 3;
pub(crate) const NEWLINK: u16 = 16;
pub(crate) const DELLINK: u16 = 17;
/// The number of the driver's family if no other family was loaded before it. The target `cache`
/// expects this number.
pub(crate) const TEAM_FAMILY: u16 = 30;

/// The attributes of a link that the library reads.
const LINK_ATTRIBUTES: [u16; 11] = [1, 3, 4, 10, 16, LINKINFO, 33, 34, 35, 52, 54];
const LINKINFO: u16 = 18;

pub(crate) fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(16 + payload.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(bytes[at..at + 2].try_into().unwrap())
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Returns the messages of a datagram, each with its header.
pub(crate) fn messages(mut datagram: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while datagram.len() >= 16 {
        let length = u32_at(datagram, 0) as usize;
        found.push(&datagram[..length]);
        datagram = &datagram[length.next_multiple_of(4).min(datagram.len())..];
    }
    found
}

pub(crate) fn kind(message: &[u8]) -> u16 {
    u16_at(message, 4)
}

/// Returns the attributes of a list: type without flags, and value.
pub(crate) fn attributes(mut list: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while list.len() >= 4 {
        let length = usize::from(u16_at(list, 0));
        found.push((u16_at(list, 2) & 0x3fff, &list[4..length]));
        list = &list[length.next_multiple_of(4).min(list.len())..];
    }
    found
}

/// Returns the list of attributes in a message of a link or of the driver.
pub(crate) fn list(message: &[u8]) -> &[u8] {
    &message[if kind(message) == TEAM_FAMILY { 20 } else { 32 }..]
}

/// Returns a key that differs for messages that are decoded differently: types and lengths of their
/// attributes, two levels deep.
pub(crate) fn shape(message: &[u8]) -> Vec<(u16, usize)> {
    let mut shape = vec![(kind(message), usize::from(message[16]))];
    for (kind, value) in attributes(list(message)) {
        shape.push((kind, value.len()));
        if matches!(kind, 2 | 3) && crate::message::kind(message) == TEAM_FAMILY {
            let items = attributes(value);
            let fields = items.iter().take(1).flat_map(|(_, item)| attributes(item));
            shape.extend(fields.map(|(kind, value)| (kind, value.len())));
        }
    }
    shape
}

/// Returns the message without attributes that the library does not read, and with the first
/// elements of long arrays only: inputs of the target `cache` have many messages.
pub(crate) fn slim(message: &[u8]) -> Vec<u8> {
    let list = list(message);
    let header = &message[16..message.len() - list.len()];
    let kept = attributes(list).into_iter().filter_map(|(attribute, value)| {
        match (kind(message), attribute) {
            (TEAM_FAMILY, 2 | 3) => Some((attribute, nest(value, |item| !is_late_element(item)))),
            (TEAM_FAMILY, _) => Some((attribute, value.to_vec())),
            (_, LINKINFO) => Some((attribute, nest_of_kinds(value))),
            _ => LINK_ATTRIBUTES.contains(&attribute).then(|| (attribute, value.to_vec())),
        }
    });
    let list: Vec<u8> = kept.flat_map(|(kind, value)| self::attribute(kind, &value)).collect();
    self::message(kind(message), u16_at(message, 6), u32_at(message, 8), &[header, &list].concat())
}

fn nest(value: &[u8], keep: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    attributes(value)
        .into_iter()
        .filter(|(_, item)| keep(item))
        .flat_map(|(kind, item)| attribute(kind, item))
        .collect()
}

fn is_late_element(item: &[u8]) -> bool {
    attributes(item).iter().any(|(kind, value)| *kind == 7 && u32_at(value, 0) > 1)
}

/// Keeps the kinds of the link and of its master in `IFLA_LINKINFO`.
fn nest_of_kinds(value: &[u8]) -> Vec<u8> {
    attributes(value)
        .into_iter()
        .filter(|(kind, _)| matches!(kind, 1 | 4))
        .flat_map(|(k, v)| attribute(k, v))
        .collect()
}
