//! The error of a system call. Raw errno values are kept, because they are sent to the host unchanged.

use std::os::fd::{FromRawFd, OwnedFd};

use libc::c_int;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

pub type Sys<T> = Result<T, Errno>;

impl Errno {
    pub fn last() -> Self {
        // SAFETY: The location is this thread's own.
        Errno(unsafe { *libc::__errno_location() })
    }
}

impl From<std::io::Error> for Errno {
    fn from(error: std::io::Error) -> Self {
        Errno(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

/// Turns the -1 convention into a result.
pub fn check(result: c_int) -> Sys<c_int> {
    if result < 0 {
        Err(Errno::last())
    } else {
        Ok(result)
    }
}

/// As `check`, for calls that count bytes.
pub fn check_size(result: isize) -> Sys<usize> {
    usize::try_from(result).map_err(|_| Errno::last())
}

/// Takes ownership of a descriptor that a system call has just returned.
pub fn own(result: c_int) -> Sys<OwnedFd> {
    // SAFETY: A result that is not negative is a new descriptor, which nobody else owns.
    check(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}
