//! Makes and sets pseudo terminals.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use libc::{c_int, c_ulong};

use super::errno::{check, own, Sys};
use super::paths::open;

/// Makes a request that takes an int by value.
pub(super) fn ioctl_int(fd: RawFd, request: c_ulong, value: c_int) -> Sys<c_int> {
    // SAFETY: An int by value is no memory.
    check(unsafe { libc::ioctl(fd, request as _, value) })
}

/// Makes a terminal: the agent's side, which does not block, and the process's side.
pub fn open_pair() -> Sys<(OwnedFd, OwnedFd)> {
    let master = open(c"/dev/ptmx", libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK, 0)?;
    let unlocked: c_int = 0;
    // SAFETY: TIOCSPTLCK reads an int.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK as _, &unlocked) })?;
    // The request is used instead of the name, which may lie in another mount namespace.
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    let slave = own(ioctl_int(master.as_raw_fd(), libc::TIOCGPTPEER as _, flags)?)?;
    Ok((master, slave))
}

/// Whether the reader of the terminal gets whole lines, and an end of transmission as the end of input.
pub fn reads_lines(master: RawFd) -> bool {
    // SAFETY: A structure of zeroes is valid, and the call fills it.
    unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        libc::tcgetattr(master, &raw mut settings) != 0 || settings.c_lflag & libc::ICANON != 0
    }
}

pub fn resize(master: RawFd, columns: u16, rows: u16) -> Sys<()> {
    let window = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads a winsize.
    check(unsafe { libc::ioctl(master, libc::TIOCSWINSZ as _, &window) }).map(drop)
}
