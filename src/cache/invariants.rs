//! What holds of the cache whatever was applied to it.

use super::Cache;
use crate::model::port::Port;

impl Cache {
    /// Panics where the cache contradicts itself. The names hold once changes were told.
    pub(crate) fn check_invariants(&self) {
        self.links.check_invariants();
        let ports: Vec<_> = self.ports.iter().map(Port::ifindex).collect();
        assert!(ports.iter().all(|ifindex| {
            self.ports.get(*ifindex).is_some_and(|port| port.ifindex() == *ifindex)
        }));
        assert!(self.options.iter().all(|option| self.options.get(option.id()) == Some(option)));
        if self.gone {
            assert!(
                ports.is_empty() && self.options.iter().len() == 0,
                "a team that is gone has ports or options"
            );
            assert_eq!(self.team_link(), None);
        }
        for port in self.ports.iter() {
            if let Some(link) = self.links.get(port.ifindex()) {
                assert_eq!(port.name(), Some(link.name()), "a port has the name of its link");
            }
        }
        for option in self.options.iter() {
            if let Some(port) = option.id().port.and_then(|port| self.ports.get(port)) {
                assert_eq!(
                    option.port_name, port.name,
                    "{option}: an option tells its port's name"
                );
            }
        }
    }
}

impl super::Links {
    fn check_invariants(&self) {
        let mut last = None;
        for link in self.iter() {
            assert_eq!(self.get(link.ifindex()), Some(link));
            assert!(
                last.replace(link.ifindex()) < Some(link.ifindex()),
                "links are in the order of their index"
            );
            if link.master().is_none() {
                assert_eq!(
                    link.original_hwaddr(),
                    link.hwaddr(),
                    "without a master an address is the link's own"
                );
            }
        }
    }
}
