//! The configuration: a part of `teamd.conf(5)`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use libteam::HwAddr;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::Result;
use crate::names::why_invalid;
use crate::object::{Checked, Object, object, ports, some_object, word};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) device: String,
    #[serde(default, deserialize_with = "hwaddr")]
    pub(crate) hwaddr: Option<HwAddr>,
    #[serde(deserialize_with = "object")]
    pub(crate) runner: Runner,
    #[serde(default, deserialize_with = "object")]
    pub(crate) notify_peers: NotifyPeers,
    #[serde(default, deserialize_with = "object")]
    link_watch: LinkWatch,
    #[serde(deserialize_with = "ports")]
    pub(crate) ports: BTreeMap<String, Port>,
}

impl Object for Config {
    const NAME: &'static str = "the configuration";
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Runner {
    #[serde(deserialize_with = "word")]
    name: RunnerName,
    #[serde(default, deserialize_with = "word")]
    pub(crate) hwaddr_policy: HwAddrPolicy,
}

impl Object for Runner {
    const NAME: &'static str = "`runner`";
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RunnerName {
    ActiveBackup,
}

/// How the team and its ports get their hardware addresses.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HwAddrPolicy {
    #[default]
    SameAll,
    ByActive,
    OnlyActive,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NotifyPeers {
    pub(crate) count: u32,
    #[serde(deserialize_with = "milliseconds")]
    pub(crate) interval: Duration,
}

impl Object for NotifyPeers {
    const NAME: &'static str = "`notify_peers`";
}

impl Default for NotifyPeers {
    fn default() -> Self {
        Self { count: 1, interval: Duration::ZERO }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkWatch {
    #[serde(deserialize_with = "word")]
    name: LinkWatchName,
    #[serde(default, deserialize_with = "milliseconds")]
    pub(crate) delay_up: Duration,
    #[serde(default, deserialize_with = "milliseconds")]
    pub(crate) delay_down: Duration,
}

impl Object for LinkWatch {
    const NAME: &'static str = "`link_watch`";
    const NO_ARRAY: &'static str = "lists of link watchers are not supported";
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LinkWatchName {
    #[default]
    Ethtool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Port {
    pub(crate) prio: i32,
    pub(crate) sticky: bool,
    /// For the driver's queue override.
    pub(crate) queue_id: Option<u16>,
    #[serde(deserialize_with = "some_object")]
    link_watch: Option<LinkWatch>,
}

impl Object for Port {
    const NAME: &'static str = "a port";
}

impl Config {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = fs::read_to_string(path).map_err(|error| named(&error))?;
        let Checked(config): Checked<Self> =
            serde_json::from_str(&text).map_err(|error| named(&error))?;
        config.check().map_err(|error| named(&error))?;
        Ok(config)
    }

    /// Returns how the link of a port is watched.
    pub(crate) fn link_watch(&self, port: &str) -> LinkWatch {
        self.ports.get(port).and_then(|port| port.link_watch).unwrap_or(self.link_watch)
    }

    fn check(&self) -> Result<(), String> {
        let RunnerName::ActiveBackup = self.runner.name;
        let LinkWatchName::Ethtool = self.link_watch.name;
        if self.ports.is_empty() {
            return Err("`ports` is empty".to_owned());
        }
        let keys = self.ports.keys().map(|name| ("`ports`", name));
        for (key, name) in [("`device`", &self.device)].into_iter().chain(keys) {
            if let Some(why) = why_invalid(name) {
                return Err(format!("{key}: invalid link name {name:?}: {why}"));
            }
        }
        if self.ports.contains_key(&self.device) {
            return Err("`ports`: the team cannot be its own port".to_owned());
        }
        if self.hwaddr.is_some() && self.runner.hwaddr_policy == HwAddrPolicy::ByActive {
            return Err(
                "`hwaddr` cannot be combined with the policy by_active: the team gets the hardware address of a port".to_owned()
            );
        }
        Ok(())
    }
}

fn milliseconds<'de, D: Deserializer<'de>>(text: D) -> Result<Duration, D::Error> {
    u32::deserialize(text).map(|number| Duration::from_millis(number.into()))
}

fn hwaddr<'de, D: Deserializer<'de>>(text: D) -> Result<Option<HwAddr>, D::Error> {
    String::deserialize(text)?.parse().map(Some).map_err(D::Error::custom)
}
