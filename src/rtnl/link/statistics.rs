use crate::error::DecodeError;

pub(super) const IFLA_STATS64: u16 = 23;

/// The number of counters in the first version of `struct rtnl_link_stats64`.
///
/// Later kernels append counters.
const FIRST_COUNTERS: usize = 23;

macro_rules! statistics {
    ($($(#[$docs:meta])+ $field:ident)+) => {
        /// The packet and byte counters of a link, of 64 bits each.
        ///
        /// They count from the creation of the link. A counter that the driver does not maintain,
        /// or that the kernel does not have, is 0.
        ///
        /// # Examples
        ///
        /// ```
        /// use libteam::rtnl::{LinkFilter, RtnlSocket};
        ///
        /// # test_netns::enter();
        /// let mut rtnl = RtnlSocket::new()?;
        /// for link in &rtnl.links(&LinkFilter::new().with_statistics())? {
        ///     let statistics = link.statistics().expect("the statistics were requested");
        ///     println!("{}: {} bytes in, {} bytes out", link.name(), statistics.rx_bytes, statistics.tx_bytes);
        ///     assert_eq!(statistics.tx_packets, 0, "nothing was sent in this namespace");
        /// }
        /// # Ok::<(), libteam::Error>(())
        /// ```
        ///
        /// # Source
        ///
        /// `struct rtnl_link_stats64`, `linux/if_link.h`, has the same names.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[doc(alias = "rtnl_link_stats64")]
        #[non_exhaustive]
        pub struct LinkStatistics {
            $($(#[$docs])+ pub $field: u64,)+
        }

        impl LinkStatistics {
            /// Reads the value of `IFLA_STATS64`.
            pub(super) fn read(value: &[u8]) -> Result<Self, DecodeError> {
                if value.len() < FIRST_COUNTERS * size_of::<u64>() {
                    return Err(DecodeError::new("a link's statistics are too short"));
                }
                let mut counters = value.chunks_exact(size_of::<u64>()).map(|bytes| {
                    bytes.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
                });
                Ok(Self { $($field: counters.next().unwrap_or_default(),)+ })
            }
        }
    };
}

// In the order of the kernel's struct.
statistics! {
    /// Packets received.
    rx_packets
    /// Packets sent.
    tx_packets
    /// Bytes received.
    rx_bytes
    /// Bytes sent.
    tx_bytes
    /// Packets received with errors.
    rx_errors
    /// Packets that could not be sent because of errors.
    tx_errors
    /// Received packets that were dropped, e.g. for lack of memory.
    rx_dropped
    /// Packets to be sent that were dropped.
    tx_dropped
    /// Multicast packets received.
    multicast
    /// Collisions while sending.
    collisions
    /// Received packets of an invalid length.
    rx_length_errors
    /// Receiver overruns.
    rx_over_errors
    /// Received packets with a wrong checksum.
    rx_crc_errors
    /// Received packets with alignment errors.
    rx_frame_errors
    /// Receiver FIFO overruns.
    rx_fifo_errors
    /// Packets that the receiver missed for lack of buffers.
    rx_missed_errors
    /// Aborted transmissions.
    tx_aborted_errors
    /// Transmissions that lost the carrier.
    tx_carrier_errors
    /// Transmitter FIFO underruns.
    tx_fifo_errors
    /// Heartbeat errors.
    tx_heartbeat_errors
    /// Late collisions.
    tx_window_errors
    /// Compressed packets received.
    rx_compressed
    /// Compressed packets sent.
    tx_compressed
    /// Received packets without a protocol handler, or received by an inactive port (Linux 4.6).
    rx_nohandler
    /// Received packets for another host (Linux 5.19).
    rx_otherhost_dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the first `count` counters, with the values 1, 2, 3, ….
    fn counters(count: u64) -> Vec<u8> {
        (1..=count).flat_map(u64::to_ne_bytes).collect()
    }

    #[test]
    fn counters_are_in_the_kernels_order() {
        let statistics = LinkStatistics::read(&counters(25)).unwrap();
        assert_eq!((statistics.rx_packets, statistics.tx_packets), (1, 2));
        assert_eq!((statistics.rx_bytes, statistics.tx_bytes), (3, 4));
        assert_eq!((statistics.rx_missed_errors, statistics.tx_aborted_errors), (16, 17));
        assert_eq!((statistics.rx_nohandler, statistics.rx_otherhost_dropped), (24, 25));
    }

    #[test]
    fn counters_of_older_and_newer_kernels_are_read() {
        let old = LinkStatistics::read(&counters(23)).unwrap();
        assert_eq!((old.tx_compressed, old.rx_nohandler, old.rx_otherhost_dropped), (23, 0, 0));
        assert_eq!(
            LinkStatistics::read(&counters(30)).unwrap(),
            LinkStatistics::read(&counters(25)).unwrap()
        );
    }

    #[test]
    fn short_statistics_are_rejected() {
        LinkStatistics::read(&[]).unwrap_err();
        LinkStatistics::read(&counters(22)).unwrap_err();
    }
}
