//! Classic BPF programs: what the driver runs over each packet to get its hash.

mod assembler;
mod check;
mod hash;
mod hash_fields;
mod operation;

use std::fmt;

pub(crate) use operation::code;

pub use hash_fields::{HashFields, ParseHashFieldsError};

/// One instruction of classic BPF, as the kernel's `struct sock_filter` has it.
///
/// # Examples
///
/// ```
/// use libteam::bpf::{BpfInstruction, BpfProgram};
///
/// // IPv4 packets get the hash 1, all others 0.
/// let program = BpfProgram::new([
///     BpfInstruction::stmt(0x28, 12),
///     BpfInstruction::jump(0x15, 0x0800, 0, 1),
///     BpfInstruction::stmt(0x06, 1),
///     BpfInstruction::stmt(0x06, 0),
/// ])?;
/// assert_eq!(program.instructions()[1].jf, 1);
/// print!("{program}");
/// # Ok::<(), libteam::bpf::BpfError>(())
/// ```
///
/// # Source
///
/// `linux/filter.h`, bpf(4) of the BSDs.
#[doc(alias = "sock_filter")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BpfInstruction {
    /// What to do: class, size, mode and operator in one number.
    #[doc(alias = "opcode")]
    pub code: u16,
    /// How many instructions a conditional jump skips if its condition holds.
    pub jt: u8,
    /// How many it skips if not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

impl BpfInstruction {
    const LEN: usize = 8;

    /// An instruction that is no conditional jump.
    #[doc(alias = "BPF_STMT")]
    #[must_use]
    pub const fn stmt(code: u16, k: u32) -> Self {
        Self { code, jt: 0, jf: 0, k }
    }

    /// A conditional jump.
    #[doc(alias = "BPF_JUMP")]
    #[must_use]
    pub const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Self {
        Self { code, jt, jf, k }
    }

    fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let [code_0, code_1, jt, jf, k @ ..] = bytes;
        Self { code: u16::from_ne_bytes([code_0, code_1]), jt, jf, k: u32::from_ne_bytes(k) }
    }

    fn to_bytes(self) -> [u8; Self::LEN] {
        let [code_0, code_1] = self.code.to_ne_bytes();
        let [k_0, k_1, k_2, k_3] = self.k.to_ne_bytes();
        [code_0, code_1, self.jt, self.jf, k_0, k_1, k_2, k_3]
    }
}

/// A classic BPF program that the kernel takes.
///
/// The driver runs it over each packet that the team sends, from the destination address of the
/// Ethernet header on, and takes the number that it returns for the packet's hash. A load from
/// outside the packet ends the program with 0.
///
/// It is checked when it is made, by the kernel's own rules and one more: the driver tells its
/// options in messages of a limited size, and a longer program would make the team's options
/// unreadable, to everybody.
///
/// # Examples
///
/// ```
/// use libteam::bpf::{BpfInstruction, BpfProgram, HashFields};
///
/// // The last byte of the destination address.
/// let load = BpfInstruction::stmt(0x30, 5);
/// let program = BpfProgram::new([load, BpfInstruction::stmt(0x16, 0)])?;
/// assert_eq!(program.to_string(), "(000) ldb [5]\n(001) ret a\n");
///
/// let error = BpfProgram::new([load]).unwrap_err();
/// assert_eq!(error.to_string(), "invalid BPF instruction 0: expected a return as the last instruction");
///
/// let program = BpfProgram::hash(HashFields::IP | HashFields::L4);
/// assert_eq!(BpfProgram::from_bytes(&program.to_bytes())?, program);
/// # Ok::<(), libteam::bpf::BpfError>(())
/// ```
///
/// # Source
///
/// `bpf_check_classic` in the kernel's `net/core/filter.c`; `lb_bpf_func_set` in its
/// `drivers/net/team/team_mode_loadbalance.c`.
#[doc(alias = "sock_fprog")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BpfProgram {
    instructions: Vec<BpfInstruction>,
}

impl BpfProgram {
    /// The largest number of instructions that the driver can still tell of, and tell that they go.
    ///
    /// It puts an option into a message of at most 3776 bytes (a page of 4 KiB without what the
    /// kernel keeps beside a packet), of which all else takes 76: 462 instructions of 8 bytes
    /// remain.
    ///
    /// # Source
    ///
    /// `GENLMSG_DEFAULT_SIZE`, and `team_nl_fill_one_option_get` in the kernel's `team_core.c`.
    pub const MAX_INSTRUCTIONS: usize = 462;

    /// The largest number of instructions that the kernel runs at all (`BPF_MAXINSNS`).
    const KERNEL_MAX_INSTRUCTIONS: usize = 4096;

    /// Checks a program.
    ///
    /// # Errors
    ///
    /// [`BpfError`] where the kernel or the driver would not do with it.
    pub fn new(instructions: impl Into<Vec<BpfInstruction>>) -> Result<Self, BpfError> {
        let instructions = instructions.into();
        check::check(&instructions)?;
        Ok(Self { instructions })
    }

    /// Reads a program from the bytes of an array of `struct sock_filter`, in this machine's byte
    /// order.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and [`BpfError::PartialInstruction`].
    ///
    /// # Source
    ///
    /// `struct sock_filter`, `linux/filter.h`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BpfError> {
        let mut instructions = Vec::with_capacity(bytes.len() / BpfInstruction::LEN);
        for chunk in bytes.chunks(BpfInstruction::LEN) {
            let chunk = chunk
                .try_into()
                .map_err(|_| BpfError::PartialInstruction { length: bytes.len() })?;
            instructions.push(BpfInstruction::from_bytes(chunk));
        }
        Self::new(instructions)
    }

    /// The bytes of an array of `struct sock_filter`, in this machine's byte order.
    ///
    /// # Source
    ///
    /// `struct sock_filter`, `linux/filter.h`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.instructions.iter().flat_map(|instruction| instruction.to_bytes()).collect()
    }

    /// The instructions.
    #[must_use]
    pub fn instructions(&self) -> &[BpfInstruction] {
        &self.instructions
    }

    /// Composes a program that hashes header fields, for [`set_bpf_hash_func`].
    ///
    /// Packets that are the same in all these fields, which is what makes a flow, get the same
    /// hash; other packets a hash that is as good as a random one. The two directions of a flow get
    /// different ones. Without any field every packet gets the same.
    ///
    /// - VLAN tags may stand in the frame (up to two, 802.1Q or 802.1ad) or beside it, where the
    ///   kernel keeps the tag that the network card is to insert: the hash is the same.
    /// - The ports of TCP, UDP and SCTP count in packets that are whole. No fragment of a packet
    ///   has its ports hashed, not even the first, so that they stay together.
    /// - In an IPv6 packet ports count where they follow the IPv6 header directly, without
    ///   extension headers.
    /// - Of a packet that is neither IPv4 nor IPv6 only the Ethernet header and the VLAN tags
    ///   count.
    /// - A packet that ends within a header that is hashed gets the hash 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::bpf::{BpfProgram, HashFields};
    ///
    /// let program = BpfProgram::hash("eth,ip,udp".parse()?);
    /// assert_eq!(program, BpfProgram::hash(HashFields::ETH | HashFields::IP | HashFields::UDP));
    /// # Ok::<(), libteam::bpf::ParseHashFieldsError>(())
    /// ```
    ///
    /// [`set_bpf_hash_func`]: crate::TeamHandle::set_bpf_hash_func
    #[doc(alias = "tx_hash")]
    #[must_use]
    pub fn hash(fields: HashFields) -> Self {
        // Every set of fields makes a program that the check takes: a test goes through them all.
        Self { instructions: hash::instructions(fields) }
    }
}

/// Lists the program as `tcpdump -d` does, with jumps to absolute positions.
impl fmt::Display for BpfProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, &instruction) in self.instructions.iter().enumerate() {
            write!(f, "({position:03}) ")?;
            operation::list(f, position, instruction)?;
            writeln!(f)?;
        }
        Ok(())
    }
}

/// What is wrong with a BPF program.
///
/// # Examples
///
/// See [`BpfProgram`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BpfError {
    /// There is no instruction.
    #[error("invalid BPF program of 0 instructions: expected at least one")]
    Empty,
    /// The bytes do not end with an instruction.
    #[error("invalid BPF program of {length} bytes: expected instructions of 8 bytes each")]
    PartialInstruction {
        /// How many bytes there are.
        length: usize,
    },
    /// The driver could not tell of it: see [`BpfProgram::MAX_INSTRUCTIONS`].
    #[error(
        "invalid BPF program of {count} instructions: expected at most {}, \
         which fit a message of the team driver",
        BpfProgram::MAX_INSTRUCTIONS
    )]
    TooLargeForDriver {
        /// How many instructions there are.
        count: usize,
    },
    /// The kernel runs no program that long.
    #[error(
        "invalid BPF program of {count} instructions: expected at most {}, the kernel's limit",
        BpfProgram::KERNEL_MAX_INSTRUCTIONS
    )]
    TooLargeForKernel {
        /// How many instructions there are.
        count: usize,
    },
    /// One instruction is wrong.
    #[error("invalid BPF instruction {position}: {reason}")]
    Instruction {
        /// Which one, counted from 0.
        position: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}
