//! System calls with checked results. Raw errno values are kept: they travel to the host as they are.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_ulong};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

pub type Sys<T> = Result<T, Errno>;

impl Errno {
    pub fn last() -> Self {
        // SAFETY: the location is this thread's own.
        Errno(unsafe { *libc::__errno_location() })
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

fn check_size(result: isize) -> Sys<usize> {
    usize::try_from(result).map_err(|_| Errno::last())
}

/// Takes ownership of a descriptor a system call has just returned.
pub fn own(result: c_int) -> Sys<OwnedFd> {
    // SAFETY: a non-negative result is a new descriptor nobody else owns.
    check(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

pub fn read(fd: RawFd, buf: &mut [u8]) -> Sys<usize> {
    // SAFETY: the buffer is valid for its length.
    check_size(unsafe { libc::read(fd, buf.as_mut_ptr().cast(), buf.len()) })
}

pub fn read_at(fd: RawFd, buf: &mut [u8], at: u64) -> Sys<usize> {
    // SAFETY: the buffer is valid for its length.
    check_size(unsafe { libc::pread64(fd, buf.as_mut_ptr().cast(), buf.len(), at as libc::off64_t) })
}

pub fn write(fd: RawFd, buf: &[u8]) -> Sys<usize> {
    // SAFETY: the buffer is valid for its length.
    check_size(unsafe { libc::write(fd, buf.as_ptr().cast(), buf.len()) })
}

pub fn write_all(fd: RawFd, mut buf: &[u8]) -> Sys<()> {
    while !buf.is_empty() {
        let n = write(fd, buf)?;
        buf = &buf[n..];
    }
    Ok(())
}

pub fn open(path: &CStr, flags: c_int, mode: libc::mode_t) -> Sys<OwnedFd> {
    // SAFETY: the path ends in NUL; the mode is an unsigned int as variadic arguments want it.
    own(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, libc::c_uint::from(mode)) })
}

/// A pipe whose ends both block: (read end, write end).
pub fn pipe() -> Sys<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: the array has room for two descriptors, which are new.
    unsafe {
        check(libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC))?;
        Ok((OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])))
    }
}

pub fn set_nonblocking(fd: &OwnedFd) -> Sys<()> {
    // SAFETY: plain flags on an open descriptor.
    unsafe {
        let flags = check(libc::fcntl(fd.as_raw_fd(), libc::F_GETFL))?;
        check(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK))?;
    }
    Ok(())
}

/// Bytes that a read of this pipe would find now.
pub fn bytes_waiting(fd: RawFd) -> usize {
    let mut waiting: c_int = 0;
    // SAFETY: FIONREAD stores one int.
    let result = unsafe { libc::ioctl(fd, libc::FIONREAD as _, &mut waiting) };
    if result < 0 {
        0
    } else {
        usize::try_from(waiting).unwrap_or(0)
    }
}

pub fn ioctl_int(fd: RawFd, request: c_ulong, value: c_int) -> Sys<c_int> {
    // SAFETY: only used for requests that take an int by value.
    check(unsafe { libc::ioctl(fd, request as _, value) })
}

fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clocks used always exist.
    unsafe { libc::clock_gettime(id, &mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// Nanoseconds that never jump.
pub fn now_ns() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since 1970.
pub fn wall_clock_ns() -> u64 {
    clock(libc::CLOCK_REALTIME)
}

pub fn set_wall_clock_ns(ns: u64) -> Sys<()> {
    let time =
        libc::timespec { tv_sec: (ns / 1_000_000_000) as libc::time_t, tv_nsec: (ns % 1_000_000_000) as libc::c_long };
    // SAFETY: a valid timespec.
    check(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &time) }).map(drop)
}

/// Signals a process, or with a negative number a process group. Errors mean that it is gone, which nobody minds.
pub fn kill(pid: i32, signal: i32) {
    // SAFETY: no memory involved.
    unsafe { libc::kill(pid, signal) };
}

/// Reads a small file of /proc or /sys, at most `limit` bytes.
pub fn read_small(path: &CStr, limit: usize) -> Sys<Vec<u8>> {
    let file = open(path, libc::O_RDONLY | libc::O_NONBLOCK, 0)?;
    let mut data = vec![0; limit];
    let mut filled = 0;
    while filled < limit {
        match read(file.as_raw_fd(), &mut data[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    data.truncate(filled);
    Ok(data)
}

/// Writes a value into an existing file of /proc or /sys, or replaces the content of a small file.
pub fn write_small(path: &CStr, flags: c_int, value: &[u8]) -> Sys<()> {
    let file = open(path, libc::O_WRONLY | flags, 0o644)?;
    write_all(file.as_raw_fd(), value)
}
