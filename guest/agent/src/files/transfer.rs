//! The state of files that are being read and written while their streams are open.

use std::ffi::CString;
use std::os::fd::OwnedFd;

pub struct Reading {
    pub(super) file: OwnedFd,
    pub(super) left: u64,
    pub(super) sent: u64,
}

pub struct Writing {
    pub(super) file: OwnedFd,
    pub(super) path: CString,
    pub(super) written: u64,
}
