//! Classic BPF programs, which a load-balancing team runs on each packet to compute its hash.
//!
//! [`BpfProgram::hash`] composes a program from [`HashFields`], [`BpfProgram::new`] checks one that
//! was written by hand, and [`TeamHandle::set_bpf_hash_func`] gives either to the team driver.
//! Nothing here sends a request.
//!
//! [`TeamHandle::set_bpf_hash_func`]: crate::TeamHandle::set_bpf_hash_func
// This room is at the bottom of src/ and uses no other room. `model` uses it for option values, and
// `netlink` uses the opcodes for its socket filters.

mod assembler;
mod check;
mod hash;
mod hash_fields;
mod operation;

use std::fmt;

pub(crate) use operation::code;

pub use hash_fields::{HashFields, ParseHashFieldsError};

/// An instruction of classic BPF: the kernel's `struct sock_filter`.
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
    /// The opcode: class, size, mode and operator in one number.
    #[doc(alias = "opcode")]
    pub code: u16,
    /// How many instructions a conditional jump skips if its condition holds.
    pub jt: u8,
    /// How many instructions a conditional jump skips if its condition does not hold.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

impl BpfInstruction {
    const LEN: usize = 8;

    /// Returns an instruction that is not a conditional jump.
    #[doc(alias = "BPF_STMT")]
    #[must_use]
    pub const fn stmt(code: u16, k: u32) -> Self {
        Self { code, jt: 0, jf: 0, k }
    }

    /// Returns a conditional jump.
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

/// A classic BPF program that the kernel and the team driver accept.
///
/// The driver runs the program on each packet that the team sends. Offsets count from the
/// destination address of the Ethernet header. The program's return value is the packet's hash. A
/// load from outside the packet ends the program with 0.
///
/// The constructors check the program by the kernel's rules and by one more: the number of
/// instructions is at most [`MAX_INSTRUCTIONS`](Self::MAX_INSTRUCTIONS). The driver reports its
/// options in messages of limited size; with a longer program, no process could read the team's
/// options any more.
///
/// # Examples
///
/// ```
/// use libteam::bpf::{BpfInstruction, BpfProgram, HashFields};
///
/// // The hash is the last byte of the destination address.
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
    /// The largest number of instructions that the driver can report, also when it removes them.
    ///
    /// The driver puts an option into one message of at most 3776 bytes: a page of 4 KiB less the
    /// kernel's packet metadata. Everything but the program takes 76 bytes of the message, so that
    /// 462 instructions of 8 bytes fit.
    ///
    /// # Source
    ///
    /// `GENLMSG_DEFAULT_SIZE`, and `team_nl_fill_one_option_get` in the kernel's `team_core.c`.
    pub const MAX_INSTRUCTIONS: usize = 462;

    /// The largest number of instructions that the kernel runs (`BPF_MAXINSNS`).
    const KERNEL_MAX_INSTRUCTIONS: usize = 4096;

    /// Checks the instructions and returns the program.
    ///
    /// # Errors
    ///
    /// [`BpfError`] if the kernel would reject the program, or the driver could not report it.
    pub fn new(instructions: impl Into<Vec<BpfInstruction>>) -> Result<Self, BpfError> {
        let instructions = instructions.into();
        check::check(&instructions)?;
        Ok(Self { instructions })
    }

    /// Reads a program from an array of `struct sock_filter` in this machine's byte order.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new), and [`BpfError::PartialInstruction`] if the length is not a
    /// multiple of 8 bytes.
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

    /// Returns the program as an array of `struct sock_filter` in this machine's byte order.
    ///
    /// # Source
    ///
    /// `struct sock_filter`, `linux/filter.h`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.instructions.iter().flat_map(|instruction| instruction.to_bytes()).collect()
    }

    /// Returns the instructions.
    #[must_use]
    pub fn instructions(&self) -> &[BpfInstruction] {
        &self.instructions
    }

    /// Composes a program that hashes header fields, for [`set_bpf_hash_func`].
    ///
    /// Packets with the same values in all these fields form a flow and get the same hash. The
    /// hashes of different flows are spread evenly. The two directions of a connection are
    /// different flows. Without any field, all packets get the same hash.
    ///
    /// - VLAN tags in the frame (up to two, 802.1Q or 802.1ad) and a tag that the network card will
    ///   insert give the same hash.
    /// - The ports of TCP, UDP and SCTP are hashed in unfragmented packets only. They are ignored
    ///   in all fragments, including the first, so that the fragments of a packet stay together.
    /// - In IPv6 packets, ports are hashed only if they follow the IPv6 header without extension
    ///   headers.
    /// - In packets that are neither IPv4 nor IPv6, only the Ethernet header and the VLAN tags are
    ///   hashed.
    /// - A packet that ends within a hashed header gets the hash 0.
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
        // No check is needed: a test shows that the program of every set of fields is valid.
        Self { instructions: hash::instructions(fields) }
    }
}

/// Prints the program like `tcpdump -d`, with absolute positions as jump targets.
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

/// The error of an invalid BPF program.
///
/// # Examples
///
/// See [`BpfProgram`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BpfError {
    /// The program has no instruction.
    #[error("invalid BPF program of 0 instructions: expected at least one")]
    Empty,
    /// The length in bytes is not a multiple of the length of an instruction.
    #[error("invalid BPF program of {length} bytes: expected instructions of 8 bytes each")]
    PartialInstruction {
        /// The length in bytes.
        length: usize,
    },
    /// The program is too long for a message of the driver: see [`BpfProgram::MAX_INSTRUCTIONS`].
    #[error(
        "invalid BPF program of {count} instructions: expected at most {}, \
         which fit a message of the team driver",
        BpfProgram::MAX_INSTRUCTIONS
    )]
    TooLargeForDriver {
        /// The number of instructions.
        count: usize,
    },
    /// The program is longer than the kernel allows.
    #[error(
        "invalid BPF program of {count} instructions: expected at most {}, the kernel's limit",
        BpfProgram::KERNEL_MAX_INSTRUCTIONS
    )]
    TooLargeForKernel {
        /// The number of instructions.
        count: usize,
    },
    /// An instruction is invalid.
    #[error("invalid BPF instruction {position}: {reason}")]
    Instruction {
        /// The position of the instruction, counted from 0.
        position: usize,
        /// What the check expected instead.
        reason: &'static str,
    },
}
