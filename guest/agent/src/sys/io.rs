//! Reads and writes open descriptors.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_short};

use super::errno::{check, check_size, Errno, Sys};
use super::paths::open;

pub fn read(fd: RawFd, buf: &mut [u8]) -> Sys<usize> {
    // SAFETY: The buffer is valid for its length.
    check_size(unsafe { libc::read(fd, buf.as_mut_ptr().cast(), buf.len()) })
}

pub fn read_at(fd: RawFd, buf: &mut [u8], at: u64) -> Sys<usize> {
    // SAFETY: The buffer is valid for its length.
    check_size(unsafe { libc::pread64(fd, buf.as_mut_ptr().cast(), buf.len(), at as libc::off64_t) })
}

pub fn write(fd: RawFd, buf: &[u8]) -> Sys<usize> {
    // SAFETY: The buffer is valid for its length.
    check_size(unsafe { libc::write(fd, buf.as_ptr().cast(), buf.len()) })
}

pub fn write_all(fd: RawFd, mut buf: &[u8]) -> Sys<()> {
    while !buf.is_empty() {
        let n = write(fd, buf)?;
        buf = &buf[n..];
    }
    Ok(())
}

/// Makes a pipe whose ends both block: (read end, write end).
pub fn pipe() -> Sys<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: The array has room for two descriptors, which are new.
    unsafe {
        check(libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC))?;
        Ok((OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])))
    }
}

pub fn set_nonblocking(fd: &OwnedFd) -> Sys<()> {
    // SAFETY: The call takes plain flags.
    unsafe {
        let flags = check(libc::fcntl(fd.as_raw_fd(), libc::F_GETFL))?;
        check(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK)).map(drop)
    }
}

/// Gives the number of bytes that a read of this pipe would find now.
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

/// Gives the state of a descriptor, as poll has it: the wanted events, errors and hang-ups.
pub fn poll_now(fd: RawFd, wanted: c_short) -> c_short {
    let mut poll = libc::pollfd { fd, events: wanted, revents: 0 };
    // SAFETY: There is one pollfd, as stated.
    unsafe { libc::poll(&raw mut poll, 1, 0) };
    poll.revents
}

/// Moves the position of an open file. `whence` is one of the SEEK_ values.
pub fn seek(file: &OwnedFd, at: u64, whence: c_int) -> Sys<u64> {
    let at = i64::try_from(at).map_err(|_| Errno(libc::EOVERFLOW))?;
    // SAFETY: The call takes no pointers.
    let found = unsafe { libc::lseek64(file.as_raw_fd(), at, whence) };
    u64::try_from(found).map_err(|_| Errno::last())
}

pub fn set_length(file: &OwnedFd, length: u64) -> Sys<()> {
    let length = i64::try_from(length).map_err(|_| Errno(libc::EFBIG))?;
    // SAFETY: The call takes no pointers.
    check(unsafe { libc::ftruncate64(file.as_raw_fd(), length) }).map(drop)
}

/// Copies at most `most` bytes from position `at` of a file to the current position of another, and moves both. Gives 0
/// at the end.
pub fn send_file(to: &OwnedFd, from: &OwnedFd, at: &mut u64, most: usize) -> Sys<usize> {
    let mut offset = *at as libc::off64_t;
    // SAFETY: The offset is valid for the call, which moves it.
    let count = check_size(unsafe { libc::sendfile64(to.as_raw_fd(), from.as_raw_fd(), &raw mut offset, most) })?;
    *at = offset as u64;
    Ok(count)
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

/// Finds the first occurrence of a byte. The C library compares many bytes at once.
pub fn find_byte(byte: u8, bytes: &[u8]) -> Option<usize> {
    // SAFETY: The range is valid, and a hit lies within it.
    unsafe {
        let hit = libc::memchr(bytes.as_ptr().cast(), byte.into(), bytes.len());
        (!hit.is_null()).then(|| hit.cast::<u8>().offset_from(bytes.as_ptr()) as usize)
    }
}
