//! Writes the recorded messages to the files of the corpora.

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::fs;
use std::path::Path;

use libteam::bpf::{BpfProgram, HashFields};

use crate::message::{DELLINK, ERROR, NEWLINK, TEAM_FAMILY, kind, list, messages, shape, u32_at};
use crate::recorder::Recorded;

/// The seeds of each target, by name.
#[derive(Default)]
pub(crate) struct Seeds {
    files: BTreeMap<(&'static str, String), Vec<u8>>,
    seen: HashSet<Vec<(u16, usize)>>,
}

impl Seeds {
    /// Keeps only the first of several messages that are decoded in the same way.
    pub(crate) fn add(&mut self, scene: &str, recorded: &Recorded) {
        self.put("cache", scene, &recorded.story);
        self.put("ctrl", "family", &recorded.family);
        self.put("attribute", "family", &recorded.family[4..]);
        for (number, datagram) in recorded.datagrams.iter().enumerate() {
            for message in messages(datagram) {
                self.add_message(&format!("{scene}-{number}"), datagram, message);
            }
        }
        for (number, option) in recorded.options.iter().enumerate() {
            self.put("option_value", &format!("{scene}-{number}"), option.as_bytes());
        }
    }

    fn add_message(&mut self, name: &str, datagram: &[u8], message: &[u8]) {
        let target = match kind(message) {
            NEWLINK | DELLINK => "link",
            TEAM_FAMILY => "team",
            ERROR => {
                let code = (kind(message), u32_at(message, 16) as usize);
                if self.seen.insert(vec![code, (0, message.len()), (message[7].into(), 0)]) {
                    self.put("frame", name, datagram);
                }
                return;
            }
            _ => {
                if self.seen.insert(vec![(kind(message), message.len())]) {
                    self.put("frame", name, datagram);
                }
                return;
            }
        };
        if self.seen.insert(shape(message)) {
            self.put(target, name, &message[16..]);
            if message.len() < 1000 {
                self.put("frame", name, datagram);
                self.put("attribute", name, list(message));
            }
        }
    }

    /// Inputs that no kernel sends.
    pub(crate) fn add_texts(&mut self) {
        let names = ["eth", "vlan,ipv4", "ip,l4", "l3, ipv6", "tcp,udp,sctp", "eth,vlan,ip,tcp"];
        for (number, name) in names.into_iter().enumerate() {
            self.put("hash_fields", &format!("text-{number}"), name.as_bytes());
            if let Ok(fields) = name.parse::<HashFields>() {
                self.put("bpf", &format!("hash-{number}"), &BpfProgram::hash(fields).to_bytes());
            }
        }
        let names = [
            "02:00:00:00:00:2a",
            "0:1:2:f",
            "team0",
            "activebackup",
            "hash_to_port_mapping",
            "a/b",
            "team%d",
        ];
        for (number, name) in names.into_iter().enumerate() {
            self.put("names", &format!("text-{number}"), name.as_bytes());
        }
    }

    fn put(&mut self, target: &'static str, name: &str, bytes: &[u8]) {
        let is_known =
            self.files.iter().any(|((known, _), content)| *known == target && content == bytes);
        if !is_known {
            self.files.insert((target, name.to_owned()), bytes.to_vec());
        }
    }

    pub(crate) fn write(&self, corpus: &Path) -> Result<(), Box<dyn Error>> {
        for ((target, name), bytes) in &self.files {
            let directory = corpus.join(target);
            fs::create_dir_all(&directory)?;
            fs::write(directory.join(name), bytes)?;
        }
        eprintln!("{} seeds", self.files.len());
        Ok(())
    }
}
