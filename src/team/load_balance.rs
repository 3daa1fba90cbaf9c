//! Load balancing: the hash, the way from a hash to a port, and what was sent by hash and by port.

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

/// How many hashes the driver tells apart (`LB_TX_HASHTABLE_SIZE`).
const HASHES: usize = 256;
/// The unit of the driver's interval.
const TENTH: Duration = Duration::from_millis(100);
/// The driver multiplies the interval by the ticks of a second, of which there are at most 1024, in
/// 32 bits.
const MAX_TENTHS: u32 = u32::MAX / 1024;

/// # Load balancing
///
/// These options exist in the mode [`LoadBalance`](crate::Mode::LoadBalance); in
/// other modes what reads them is `None`, and setting them is [`Error::UnknownOption`].
impl TeamHandle {
    /// Returns the program that hashes each packet, from the cache.
    ///
    /// `None` if there is none, and in other modes.
    ///
    /// Reads the cache; no request is sent.
    ///
    /// # Errors
    ///
    /// [`BpfError`] if somebody else set a program that this crate does not know to be right.
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

    /// Chooses the program that hashes each packet. The driver takes the exclusive or of the four
    /// bytes that it returns for the packet's hash, a number from 0 to 255.
    ///
    /// Without a program every packet has the hash 0: all traffic takes one port.
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

    /// Takes the program away, so that every packet has the hash 0.
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

    /// Returns how the team gets from a packet's hash to a port, from the cache.
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

    /// Chooses how the team gets from a packet's hash to a port.
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
    /// assert_eq!(team.lb_tx_method(), Some(TxMethod::Hash), "it is at first");
    ///
    /// team.set_lb_tx_method(TxMethod::HashToPortMapping)?;
    /// assert_eq!(team.lb_tx_method(), Some(TxMethod::HashToPortMapping));
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `lb_tx_method` of the kernel's `drivers/net/team/team_mode_loadbalance.c`.
    #[expect(clippy::needless_pass_by_value, reason = "a method is written down where it is set")]
    pub fn set_lb_tx_method(&mut self, method: TxMethod) -> Result<()> {
        self.set_option(&OptionId::global(names::LB_TX_METHOD), method.as_str())
    }

    /// Returns the cached table from hash to port of [`TxMethod::HashToPortMapping`].
    ///
    /// A hash without a port goes as with [`TxMethod::Hash`]. A port that leaves the team or is
    /// disabled leaves the table.
    ///
    /// # Source
    ///
    /// The option `lb_tx_hash_to_port_mapping` of the kernel's
    /// `drivers/net/team/team_mode_loadbalance.c`.
    #[must_use]
    pub fn lb_tx_hash_to_port_mapping(&self) -> Option<[Option<IfIndex>; HASHES]> {
        let port = |value: &OptionValue| match value {
            OptionValue::U32(ifindex) => Some(IfIndex::new(*ifindex)),
            _ => None,
        };
        self.table(names::LB_TX_HASH_TO_PORT_MAPPING, port)
    }

    /// Gives hashes their ports, with one system call for all 256. Hashes that are not named keep
    /// what they have; the driver has no way to take a port from a hash and give it none.
    ///
    /// # Errors
    ///
    /// - [`Error::NotPort`] for a link that is no port of the team, before anything is sent.
    /// - [`Error::Kernel`] with `ENODEV` for a port that is disabled. The other hashes have their
    ///   ports then.
    /// - Those of [`set_option`](Self::set_option).
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
    /// // Three quarters of the traffic take eth1.
    /// let [most, rest] = ports;
    /// team.set_lb_tx_hash_to_port_mapping((0..=255).map(|hash| (hash, if hash < 192 { most } else { rest })))?;
    /// team.set_lb_tx_method(TxMethod::HashToPortMapping)?;
    /// assert_eq!(team.lb_tx_hash_to_port_mapping().expect("it balances load")[200], Some(rest));
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
            // Is also the driver's error for a disabled port.
            Error::Kernel { ref op, errno, .. } if errno == Errno::ENODEV as i32 => {
                match ports.iter().find(|(_, port)| !self.is_port(*port)) {
                    Some((_, non_port)) => self.not_port(op.clone(), *non_port),
                    None => error,
                }
            }
            error => error,
        })
    }

    /// Returns how many bytes were sent with each hash since the mode was set, from the cache.
    ///
    /// The numbers are those of the driver's last refresh: see
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
    /// let bytes = team.lb_hash_stats().expect("it balances load");
    /// assert_eq!(bytes.iter().sum::<u64>(), 0, "nothing was sent yet");
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// The option `lb_hash_stats` of the kernel's `drivers/net/team/team_mode_loadbalance.c`.
    #[must_use]
    pub fn lb_hash_stats(&self) -> Option<[u64; HASHES]> {
        self.table(names::LB_HASH_STATS, bytes)
    }

    /// Returns how many bytes were sent on a port since it was added, from the cache.
    ///
    /// The numbers are those of the driver's last refresh: see
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

    /// Returns how often the driver refreshes its statistics, from the cache; zero if it does not.
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

    /// Chooses how often the driver refreshes its statistics: every so many tenths of a second, or
    /// never for zero, as it is at first. What a refresh finds changed comes as a change of the
    /// options.
    ///
    /// # Errors
    ///
    /// [`Error::OptionValue`], before anything is sent, for an interval that is no whole number of
    /// tenths of a second, or longer than 419430.3 seconds (the driver would count wrong); and
    /// those of [`set_option`](Self::set_option).
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

    /// Reads an array option; `None` if an element is missing, or is not what it should be.
    fn table<T: Copy + Default>(
        &self,
        name: &'static str,
        read: impl Fn(&OptionValue) -> Option<T>,
    ) -> Option<[T; HASHES]> {
        let mut table = [T::default(); HASHES];
        for (hash, element) in (0..).zip(&mut table) {
            *element = read(self.value(&OptionId::element(name, hash))?)?;
        }
        Some(table)
    }
}

/// A number of bytes as the driver tells it.
fn bytes(value: &OptionValue) -> Option<u64> {
    match value {
        OptionValue::Binary(bytes) => Some(u64::from_ne_bytes(bytes.as_slice().try_into().ok()?)),
        _ => None,
    }
}

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
