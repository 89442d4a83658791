//! Reads and writes extended attributes.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use super::errno::{check, Sys};

/// Gives the attribute names of an open file, each with its NUL; none where its file system has no attributes.
pub fn names(file: &OwnedFd) -> Vec<u8> {
    let mut names = vec![0; 4096];
    // SAFETY: The buffer is valid for its length.
    let length = unsafe { libc::flistxattr(file.as_raw_fd(), names.as_mut_ptr().cast(), names.len()) };
    names.truncate(usize::try_from(length).unwrap_or(0));
    names
}

/// Reads the value of an attribute into a buffer; `None` when the attribute has gone or does not fit.
pub fn get<'a>(file: &OwnedFd, name: &CStr, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    // SAFETY: The name ends in NUL, and the buffer is valid for its length.
    let length = unsafe { libc::fgetxattr(file.as_raw_fd(), name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(length).ok().map(|length| &buffer[..length])
}

pub fn set(file: &OwnedFd, name: &CStr, value: &[u8]) -> Sys<()> {
    // SAFETY: The name ends in NUL, and the value is valid for its length.
    check(unsafe { libc::fsetxattr(file.as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) }).map(drop)
}

pub fn set_at(path: &CStr, name: &CStr, value: &[u8]) -> Sys<()> {
    // SAFETY: Both strings end in NUL, and the value is valid for its length.
    check(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) }).map(drop)
}

pub fn remove_at(path: &CStr, name: &CStr) -> Sys<()> {
    // SAFETY: Both strings end in NUL.
    check(unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) }).map(drop)
}
