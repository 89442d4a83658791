//! Handles files by their names. Functions whose names end in `_at` take the directory that the name is relative to,
//! and `libc::AT_FDCWD` where the name is a path.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use libc::{c_int, gid_t, mode_t, uid_t};

use super::errno::{check, check_size, own, Errno, Sys};

pub fn open(path: &CStr, flags: c_int, mode: mode_t) -> Sys<OwnedFd> {
    open_at(libc::AT_FDCWD, path, flags, mode)
}

/// `mode` is that of a file which the call creates.
pub fn open_at(directory: RawFd, name: &CStr, flags: c_int, mode: mode_t) -> Sys<OwnedFd> {
    // SAFETY: The name ends in NUL; the mode is an unsigned int, as variadic arguments want it.
    own(unsafe { libc::openat(directory, name.as_ptr(), flags | libc::O_CLOEXEC, mode) })
}

/// `struct open_how` of linux/openat2.h.
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
const RESOLVE_IN_ROOT: u64 = 0x10;

/// Opens a directory, with another one as the root of the path and of every link on the way.
pub fn open_inside(top: &OwnedFd, path: &[u8]) -> Sys<OwnedFd> {
    let path = CString::new(if path.is_empty() { b"." } else { path }).map_err(|_| Errno(libc::EINVAL))?;
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let how = OpenHow { flags: flags as u64, mode: 0, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    // SAFETY: The structure and its size are those of the system call.
    own(unsafe {
        libc::syscall(libc::SYS_openat2, top.as_raw_fd(), path.as_ptr(), &raw const how, size_of::<OpenHow>())
    } as c_int)
}

pub fn stat_at(directory: RawFd, name: &CStr, flags: c_int) -> Sys<libc::stat64> {
    // SAFETY: A structure of zeroes is valid, and the call fills it.
    unsafe {
        let mut stat = std::mem::zeroed();
        check(libc::fstatat64(directory, name.as_ptr(), &raw mut stat, flags))?;
        Ok(stat)
    }
}

pub fn stat(path: &CStr) -> Sys<libc::stat64> {
    stat_at(libc::AT_FDCWD, path, 0)
}

pub fn lstat(path: &CStr) -> Sys<libc::stat64> {
    stat_at(libc::AT_FDCWD, path, libc::AT_SYMLINK_NOFOLLOW)
}

/// Whether a file is of a kind: one of the S_IF values.
pub fn is_kind(stat: &libc::stat64, kind: mode_t) -> bool {
    stat.st_mode & libc::S_IFMT == kind
}

pub fn read_link_at(directory: RawFd, name: &CStr) -> Sys<Vec<u8>> {
    let mut target = vec![0; libc::PATH_MAX as usize];
    // SAFETY: The buffer is valid for its length.
    let length =
        check_size(unsafe { libc::readlinkat(directory, name.as_ptr(), target.as_mut_ptr().cast(), target.len()) })?;
    target.truncate(length);
    Ok(target)
}

pub fn make_directory_at(directory: RawFd, name: &CStr, mode: mode_t) -> Sys<()> {
    // SAFETY: The name ends in NUL.
    check(unsafe { libc::mkdirat(directory, name.as_ptr(), mode) }).map(drop)
}

/// `mode` holds the kind of the device too.
pub fn make_device_at(directory: RawFd, name: &CStr, mode: mode_t, device: libc::dev_t) -> Sys<()> {
    // SAFETY: The name ends in NUL.
    check(unsafe { libc::mknodat(directory, name.as_ptr(), mode, device) }).map(drop)
}

pub fn make_symlink_at(target: &CStr, directory: RawFd, name: &CStr) -> Sys<()> {
    // SAFETY: Both names end in NUL.
    check(unsafe { libc::symlinkat(target.as_ptr(), directory, name.as_ptr()) }).map(drop)
}

pub fn make_link_at(target_directory: RawFd, target: &CStr, directory: RawFd, name: &CStr) -> Sys<()> {
    // SAFETY: Both names end in NUL.
    check(unsafe { libc::linkat(target_directory, target.as_ptr(), directory, name.as_ptr(), 0) }).map(drop)
}

/// `flags` is 0 or, for a directory, AT_REMOVEDIR.
pub fn unlink_at(directory: RawFd, name: &CStr, flags: c_int) -> Sys<()> {
    // SAFETY: The name ends in NUL.
    check(unsafe { libc::unlinkat(directory, name.as_ptr(), flags) }).map(drop)
}

pub fn rename_at(from: RawFd, name: &CStr, to: RawFd, new_name: &CStr) -> Sys<()> {
    // SAFETY: Both names end in NUL.
    check(unsafe { libc::renameat(from, name.as_ptr(), to, new_name.as_ptr()) }).map(drop)
}

/// `flags` is 0 or AT_SYMLINK_NOFOLLOW; AT_EMPTY_PATH with an empty name changes the descriptor's own file.
pub fn change_owner_at(directory: RawFd, name: &CStr, uid: uid_t, gid: gid_t, flags: c_int) -> Sys<()> {
    // SAFETY: The name ends in NUL.
    check(unsafe { libc::fchownat(directory, name.as_ptr(), uid, gid, flags) }).map(drop)
}

pub fn change_owner(file: &OwnedFd, uid: uid_t, gid: gid_t) -> Sys<()> {
    std::os::unix::fs::fchown(file, Some(uid), Some(gid)).map_err(Errno::from)
}

/// Follows links. Sets the permission bits with setuid, setgid and sticky, and no others.
pub fn change_mode_at(directory: RawFd, name: &CStr, mode: mode_t) -> Sys<()> {
    // SAFETY: The name ends in NUL.
    check(unsafe { libc::fchmodat(directory, name.as_ptr(), mode & 0o7777, 0) }).map(drop)
}

pub fn change_mode(file: &OwnedFd, mode: mode_t) -> Sys<()> {
    // SAFETY: The call takes no pointers.
    check(unsafe { libc::fchmod(file.as_raw_fd(), mode & 0o7777) }).map(drop)
}

/// Sets when a file was last read and written, without following links.
pub fn set_times_at(directory: RawFd, name: &CStr, times: [libc::timespec; 2]) -> Sys<()> {
    // SAFETY: The name ends in NUL, and both times are valid.
    check(unsafe { libc::utimensat(directory, name.as_ptr(), times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW) }).map(drop)
}

pub fn set_times(file: &OwnedFd, times: [libc::timespec; 2]) -> Sys<()> {
    // SAFETY: Both times are valid.
    check(unsafe { libc::futimens(file.as_raw_fd(), times.as_ptr()) }).map(drop)
}
