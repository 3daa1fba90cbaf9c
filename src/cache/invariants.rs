//! Conditions that the cache fulfils whatever messages were applied; for tests and fuzz targets.

use super::Cache;
use crate::model::port::Port;

impl Cache {
    /// Panics if the cache contradicts itself.
    pub(crate) fn check_invariants(&self) {
        self.links.check_invariants();
        let ports: Vec<_> = self.ports.iter().map(Port::ifindex).collect();
        for ifindex in &ports {
            let found = self.ports.get(*ifindex).map(Port::ifindex);
            assert_eq!(found, Some(*ifindex), "port found by the index {ifindex}");
        }
        for option in self.options.iter() {
            assert_eq!(self.options.get(option.id()), Some(option), "option found by its id");
        }
        if self.gone {
            let counts = (ports.len(), self.options.iter().len());
            assert_eq!(counts, (0, 0), "ports and options of a deleted team");
            assert_eq!(self.team_link(), None, "link of a deleted team");
        }
        for port in self.ports.iter() {
            if let Some(link) = self.links.get(port.ifindex()) {
                assert_eq!(port.name(), Some(link.name()), "name of port {}", port.ifindex());
            }
        }
        for option in self.options.iter() {
            if let Some(port) = option.id().port.and_then(|port| self.ports.get(port)) {
                assert_eq!(option.port_name, port.name, "port name of option {option}");
            }
        }
    }
}

impl super::Links {
    fn check_invariants(&self) {
        let mut last = None;
        for link in self.iter() {
            let ifindex = link.ifindex();
            assert_eq!(self.get(ifindex), Some(link), "link found by the index {ifindex}");
            let before = last.replace(ifindex);
            assert!(before < Some(ifindex), "link {before:?} is listed before {ifindex}");
            if link.master().is_none() {
                let addresses = (link.original_hwaddr(), link.hwaddr());
                assert_eq!(addresses.0, addresses.1, "original address of {link} without master");
            }
        }
    }
}
