use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use crate::error::Result;
use crate::netlink::error::ErrorContext;

/// The descriptor of a network namespace, to be sent as `IFLA_NET_NS_FD`.
#[derive(Clone, Debug)]
pub(crate) struct NamespaceFd(Arc<OwnedFd>);

impl NamespaceFd {
    pub(super) fn duplicate(namespace: impl AsFd) -> Result<Self> {
        let fd = namespace.as_fd().try_clone_to_owned();
        Ok(Self(Arc::new(
            fd.with_context(|| "duplicating the descriptor of a network namespace".to_owned())?,
        )))
    }

    /// Returns the number of the descriptor, which is valid as long as `self` exists.
    pub(super) fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Compares the descriptors, not the namespaces.
impl PartialEq for NamespaceFd {
    fn eq(&self, other: &Self) -> bool {
        self.as_raw_fd() == other.as_raw_fd()
    }
}

impl Eq for NamespaceFd {}
