//! Load balancing: the hash program, the transmit method with its table, and the statistics.

use std::time::Duration;

use nix::errno::Errno;

use crate::bpf::{BpfError, BpfProgram};
use crate::error::{Error, Result};
use crate::model::ifindex::IfIndex;
use crate::model::option::{OptionId, names};
use crate::model::option_value::OptionValue;
use crate::model::tx_method::TxMethod;
use crate::team::TeamHandle;
use crate::team::set_results::{setting_op, settings_op};

/// The number of different hashes of the driver.
const LB_TX_HASHTABLE_SIZE: usize = 256;
/// The unit of the driver's interval.
const TENTH: Duration = Duration::from_millis(100);
/// The longest interval in tenths of a second.
///
/// The driver multiplies the interval by the ticks of a second, which are at most 1024, in 32 bits.
const MAX_TENTHS: u32 = u32::MAX / 1024;

/// # Load balancing
///
/// These options exist only in the mode [`LoadBalance`](crate::Mode::LoadBalance). In other modes,
/// getters return `None`, and setters fail with [`Error::UnknownOption`]. Setters send a request;
/// getters read the cache.
impl TeamHandle {
    /// Returns the BPF program that hashes each packet, from the cache.
    ///
    /// `None` if no program is set, and in other modes.
    ///
    /// # Errors
    ///
    /// [`BpfError`] if another process set a program that [`BpfProgram::new`] rejects.
    ///
    /// # Source
    ///
    /// The option `bpf_hash_func` of the kernel's `drivers/net/team/team_mode_loadbalance.c`.
    #[doc(alias = "team_get_bpf_hash_func")]
    pub fn bpf_hash_func(&self) -> Result<Option<BpfProgram>, BpfError> {
        match self.value(&OptionId::global(names::BPF_HASH_FUNC)) {
            Some(OptionValue::Binary(bytes)) if !bytes.is_empty() => {
                BpfProgram::from_bytes(bytes).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Sets the BPF program that hashes each packet.
    ///
    /// The driver uses the XOR of the four bytes of the program's return value as the packet's
    /// hash, 0 to 255. Without a program, every packet has the hash 0, so that all traffic uses one
    /// port.
    ///
    /// # Errors
    ///
    /// Those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::bpf::{BpfProgram, HashFields};
    /// use libteam::{Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_mode(Mode::LoadBalance)?;
    /// team.set_bpf_hash_func(&BpfProgram::hash(HashFields::ETH | HashFields::IP | HashFields::L4))?;
    /// assert!(team.bpf_hash_func()?.is_some());
    ///
    /// team.clear_bpf_hash_func()?;
    /// assert_eq!(team.bpf_hash_func()?, None);
    /// team.destroy()?;
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `lb_get_skb_hash` in the kernel's `drivers/net/team/team_mode_loadbalance.c`.
    #[doc(alias = "team_set_bpf_hash_func")]
    pub fn set_bpf_hash_func(&mut self, program: &BpfProgram) -> Result<()> {
        self.set_option(&OptionId::global(names::BPF_HASH_FUNC), program)
    }

    /// Removes the BPF program, so that every packet has the hash 0.
    ///
    /// # Errors
    ///
    /// Those of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// See [`set_bpf_hash_func`](Self::set_bpf_hash_func).
    ///
    /// # Source
    ///
    /// The option `bpf_hash_func` of the kernel's `drivers/net/team/team_mode_loadbalance.c`.
    #[doc(alias = "team_set_bpf_hash_func")]
    pub fn clear_bpf_hash_func(&mut self) -> Result<()> {
        self.set_option(&OptionId::global(names::BPF_HASH_FUNC), Vec::new())
    }

    /// Returns how the team maps a packet's hash to a port, from the cache.
    ///
    /// # Source
    ///
    /// The option `lb_tx_method` of the kernel's `drivers/net/team/team_mode_loadbalance.c`.
    #[must_use]
    pub fn lb_tx_method(&self) -> Option<TxMethod> {
        match self.value(&OptionId::global(names::LB_TX_METHOD))? {
            OptionValue::String(name) => Some(TxMethod::from_kernel_name(name)),
            _ => None,
        }
    }

    /// Sets how the team maps a packet's hash to a port.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`] with `EINVAL` for a method that the kernel does not have, and those of
    /// [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Mode, TeamHandle, TxMethod};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_mode(Mode::LoadBalance)?;
    /// assert_eq!(team.lb_tx_method(), Some(TxMethod::Hash), "the driver's default");
    ///
    /// team.set_lb_tx_method(TxMethod::HashToPortMapping)?;
    /// assert_eq!(team.lb_tx_method(), Some(TxMethod::HashToPortMapping));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `lb_tx_method` of the kernel's `drivers/net/team/team_mode_loadbalance.c`.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass a literal")]
    pub fn set_lb_tx_method(&mut self, method: TxMethod) -> Result<()> {
        self.set_option(&OptionId::global(names::LB_TX_METHOD), method.as_str())
    }

    /// Returns the table from hash to port, from the cache.
    ///
    /// [`TxMethod::HashToPortMapping`] uses this table, and handles a hash without a port like
    /// [`TxMethod::Hash`]. The driver clears the entries of a port that is disabled or leaves the
    /// team.
    ///
    /// # Source
    ///
    /// The option `lb_tx_hash_to_port_mapping` of the kernel's
    /// `drivers/net/team/team_mode_loadbalance.c`.
    #[must_use]
    pub fn lb_tx_hash_to_port_mapping(&self) -> Option<[Option<IfIndex>; LB_TX_HASHTABLE_SIZE]> {
        let port = |value: &OptionValue| match value {
            OptionValue::U32(ifindex) => Some(IfIndex::new(*ifindex)),
            _ => None,
        };
        self.table(names::LB_TX_HASH_TO_PORT_MAPPING, port)
    }

    /// Sets the ports of hashes in the table from hash to port.
    ///
    /// All 256 hashes fit into one system call. Other hashes keep their ports; the driver cannot
    /// remove the port of a hash.
    ///
    /// # Errors
    ///
    /// - [`Error::NotPort`] for a link that is not a port of the team, before anything is sent.
    /// - [`Error::Kernel`] with `ENODEV` for a port that is disabled. The ports of the other hashes
    ///   are set nevertheless.
    /// - The errors of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Mode, TeamHandle, TxMethod};
    ///
    /// # test_netns::enter();
    /// # let links = "link add eth1 type dummy\nlink add eth2 type dummy\n";
    /// # let mut ip = std::process::Command::new("ip").args(["-b", "-"]).stdin(std::process::Stdio::piped()).spawn()?;
    /// # std::io::Write::write_all(&mut ip.stdin.take().expect("piped"), links.as_bytes())?;
    /// # assert!(ip.wait()?.success());
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_mode(Mode::LoadBalance)?;
    /// let ports = [team.lookup_ifindex("eth1")?, team.lookup_ifindex("eth2")?];
    /// for port in ports {
    ///     team.add_port(port)?;
    /// }
    ///
    /// // Three quarters of the traffic use eth1.
    /// let [most, rest] = ports;
    /// team.set_lb_tx_hash_to_port_mapping((0..=255).map(|hash| (hash, if hash < 192 { most } else { rest })))?;
    /// team.set_lb_tx_method(TxMethod::HashToPortMapping)?;
    /// assert_eq!(team.lb_tx_hash_to_port_mapping().expect("the mode is set")[200], Some(rest));
    /// team.destroy()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `lb_tx_hash_to_port_mapping` of the kernel's
    /// `drivers/net/team/team_mode_loadbalance.c`.
    pub fn set_lb_tx_hash_to_port_mapping<I>(&mut self, ports: I) -> Result<()>
    where
        I: IntoIterator<Item = (u8, IfIndex)>,
    {
        let ports: Vec<_> = ports.into_iter().collect();
        let option = |(hash, port): (u8, IfIndex)| {
            (
                OptionId::element(names::LB_TX_HASH_TO_PORT_MAPPING, hash.into()),
                OptionValue::U32(port.get()),
            )
        };
        let options: Vec<_> = ports.iter().copied().map(option).collect();
        self.sync(|team| settings_op(team, &options))?;
        let mut pairs = ports.iter().zip(&options);
        if let Some(((_, port), (id, value))) = pairs.find(|((_, port), _)| !self.is_port(*port)) {
            return Err(self.not_port(setting_op(self.name(), id, value), *port));
        }
        self.set_known_options(&options).map_err(|error| match error {
            // ENODEV is also the driver's error for a disabled port.
            Error::Kernel { ref op, errno, .. } if errno == Errno::ENODEV as i32 => {
                match ports.iter().find(|(_, port)| !self.is_port(*port)) {
                    Some((_, non_port)) => self.not_port(op.clone(), *non_port),
                    None => error,
                }
            }
            error => error,
        })
    }

    /// Returns the number of bytes sent with each hash since the mode was set, from the cache.
    ///
    /// The driver updates the numbers at the interval of
    /// [`set_lb_stats_refresh_interval`](Self::set_lb_stats_refresh_interval).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_mode(Mode::LoadBalance)?;
    /// let bytes = team.lb_hash_stats().expect("the mode is set");
    /// assert_eq!(bytes.iter().sum::<u64>(), 0, "nothing was sent yet");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `lb_hash_stats` of the kernel's `drivers/net/team/team_mode_loadbalance.c`.
    #[must_use]
    pub fn lb_hash_stats(&self) -> Option<[u64; LB_TX_HASHTABLE_SIZE]> {
        self.table(names::LB_HASH_STATS, bytes)
    }

    /// Returns the number of bytes sent on a port since it was added, from the cache.
    ///
    /// The driver updates the number at the interval of
    /// [`set_lb_stats_refresh_interval`](Self::set_lb_stats_refresh_interval). `None` also if the
    /// link is not a port.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::{NewLink, RtnlSocket};
    /// use libteam::{Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let eth1 = RtnlSocket::new()?.create_link(&NewLink::dummy("eth1"))?;
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_mode(Mode::LoadBalance)?;
    /// team.add_port(eth1)?;
    /// assert_eq!(team.lb_port_stats(eth1), Some(0), "nothing was sent yet");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `lb_port_stats` of the kernel's `drivers/net/team/team_mode_loadbalance.c`.
    #[must_use]
    pub fn lb_port_stats(&self, port: IfIndex) -> Option<u64> {
        bytes(self.value(&OptionId::port(names::LB_PORT_STATS, port))?)
    }

    /// Returns the interval at which the driver updates its statistics, from the cache.
    ///
    /// Zero if the driver does not update them.
    ///
    /// # Source
    ///
    /// The option `lb_stats_refresh_interval` of the kernel's
    /// `drivers/net/team/team_mode_loadbalance.c`.
    #[must_use]
    pub fn lb_stats_refresh_interval(&self) -> Option<Duration> {
        match self.value(&OptionId::global(names::LB_STATS_REFRESH_INTERVAL))? {
            OptionValue::U32(tenths) => TENTH.checked_mul(*tenths),
            _ => None,
        }
    }

    /// Sets the interval at which the driver updates its statistics, in tenths of a second.
    ///
    /// With zero, the default, the driver never updates them. Each update that finds other numbers
    /// is reported as a change of the options.
    ///
    /// # Errors
    ///
    /// - [`Error::OptionValue`], before anything is sent, for an interval that is not a whole
    ///   number of tenths of a second, or that is longer than 419430.3 seconds, which the driver
    ///   would calculate wrongly.
    /// - The errors of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use libteam::{Mode, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_mode(Mode::LoadBalance)?;
    /// team.set_lb_stats_refresh_interval(Duration::from_secs(5))?;
    /// assert_eq!(team.lb_stats_refresh_interval(), Some(Duration::from_secs(5)));
    ///
    /// let error = team.set_lb_stats_refresh_interval(Duration::from_millis(250)).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "setting option lb_stats_refresh_interval of team0 to 250ms: \
    ///      expected a whole number of tenths of a second",
    /// );
    /// team.destroy()?;
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `lb_stats_refresh_interval` of the kernel's
    /// `drivers/net/team/team_mode_loadbalance.c`.
    pub fn set_lb_stats_refresh_interval(&mut self, interval: Duration) -> Result<()> {
        let id = OptionId::global(names::LB_STATS_REFRESH_INTERVAL);
        match tenths(interval) {
            Ok(tenths) => self.set_option(&id, tenths),
            Err(reason) => Err(Error::OptionValue {
                team: self.name().to_owned(),
                id,
                value: format!("{interval:?}"),
                reason,
            }),
        }
    }

    /// Reads an array option; `None` if an element is missing or has another type.
    fn table<T: Copy + Default>(
        &self,
        name: &'static str,
        read: impl Fn(&OptionValue) -> Option<T>,
    ) -> Option<[T; LB_TX_HASHTABLE_SIZE]> {
        let mut table = [T::default(); LB_TX_HASHTABLE_SIZE];
        for (hash, element) in (0..).zip(&mut table) {
            *element = read(self.value(&OptionId::element(name, hash))?)?;
        }
        Some(table)
    }
}

/// Converts a number of bytes from the driver's format, an array of 8 bytes.
fn bytes(value: &OptionValue) -> Option<u64> {
    match value {
        OptionValue::Binary(bytes) => Some(u64::from_ne_bytes(bytes.as_slice().try_into().ok()?)),
        _ => None,
    }
}

/// Converts an interval to tenths of a second.
fn tenths(interval: Duration) -> Result<u32, &'static str> {
    if interval.subsec_nanos() % TENTH.subsec_nanos() != 0 {
        return Err("expected a whole number of tenths of a second");
    }
    let tenths = interval.as_millis() / TENTH.as_millis();
    u32::try_from(tenths)
        .ok()
        .filter(|tenths| *tenths <= MAX_TENTHS)
        .ok_or("expected at most 419430.3s")
}
