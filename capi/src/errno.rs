//! Error numbers as the C library returns them.

use nix::errno::Errno;

/// Returns the error number that a caller of the C library gets where the kernel says `errno`.
///
/// The C library passes every error through libnl, which keeps few of them apart; callers depend on
/// the result.
pub(crate) fn as_libnl(errno: i32) -> i32 {
    let mapped = match Errno::from_raw(errno) {
        Errno::ESRCH | Errno::ENOENT => Errno::ENOENT,
        Errno::EEXIST | Errno::EADDRINUSE => Errno::EEXIST,
        Errno::ENOBUFS | Errno::ENOMEM => Errno::ENOMEM,
        Errno::EBADF | Errno::ENOTSOCK => Errno::ENOTSOCK,
        kept @ (Errno::EADDRNOTAVAIL
        | Errno::EINTR
        | Errno::EAGAIN
        | Errno::EACCES
        | Errno::EAFNOSUPPORT
        | Errno::EPROTONOSUPPORT
        | Errno::EOPNOTSUPP
        | Errno::EPERM
        | Errno::EBUSY
        | Errno::ERANGE
        | Errno::ENODEV) => kept,
        _ => Errno::EINVAL,
    };
    mapped as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_numbers_are_mapped_as_libnl_does() {
        let table = [
            (Errno::ESRCH, Errno::ENOENT),
            (Errno::ENOENT, Errno::ENOENT),
            (Errno::EADDRINUSE, Errno::EEXIST),
            (Errno::ENOBUFS, Errno::ENOMEM),
            (Errno::EBADF, Errno::ENOTSOCK),
            (Errno::ENODEV, Errno::ENODEV),
            (Errno::EBUSY, Errno::EBUSY),
            (Errno::EPERM, Errno::EPERM),
            (Errno::EMSGSIZE, Errno::EINVAL),
            (Errno::ETIMEDOUT, Errno::EINVAL),
            (Errno::ENXIO, Errno::EINVAL),
        ];
        for (kernel, caller) in table {
            assert_eq!(as_libnl(kernel as i32), caller as i32, "{kernel}");
        }
        assert_eq!(as_libnl(524), Errno::EINVAL as i32, "a number without a name");
    }
}
