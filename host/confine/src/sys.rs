//! Describes failed system calls in a sentence.

use std::ffi::{CString, OsStr};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;

pub struct Failure(String);

impl Failure {
    pub fn new(text: impl Into<String>) -> Self {
        Failure(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Gives the value that a system call has returned, or a failure when the call failed.
pub fn check<T: PartialOrd + From<i8>>(returned: T, doing: &str) -> Result<T, Failure> {
    if returned < T::from(0) {
        return Err(Failure(format!("{doing}: {}", io::Error::last_os_error())));
    }
    Ok(returned)
}

/// Sets an attribute of this process that takes a number.
pub fn set(option: libc::c_int, value: libc::c_ulong) -> libc::c_int {
    // SAFETY: The options that are used take numbers and no pointers.
    unsafe { libc::prctl(option, value, 0, 0, 0) }
}

/// Sets the umask, and gives the one before.
pub fn set_umask(mask: libc::mode_t) -> libc::mode_t {
    // SAFETY: The call takes no pointers.
    unsafe { libc::umask(mask) }
}

pub fn failed(doing: &str) -> impl Fn(io::Error) -> Failure + '_ {
    move |error| Failure(format!("{doing}: {error}"))
}

pub fn c_string(text: impl AsRef<OsStr>) -> Result<CString, Failure> {
    CString::new(text.as_ref().as_bytes()).map_err(|_| Failure::new("an argument has a zero byte"))
}
