//! Pseudo terminals.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::request::Size;
use crate::sys::{self, check, Sys};

/// A new terminal: the agent's side, which does not block, and the process's side.
pub fn open(size: Size, owner: u32) -> Sys<(OwnedFd, OwnedFd)> {
    let master = sys::open(c"/dev/ptmx", libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK, 0)?;
    let unlocked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads an int; TIOCGPTPEER gives a new descriptor. It is used instead of the name because
    // that may lie in another mount namespace.
    let slave = unsafe {
        check(libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK as _, &unlocked))?;
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        sys::own(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER as _, flags))?
    };
    resize(&master, size)?;
    // Fails only where the agent is no superuser; the terminal is its user's then anyway.
    // SAFETY: an open descriptor.
    unsafe {
        libc::fchown(slave.as_raw_fd(), owner, libc::gid_t::MAX);
        libc::fchmod(slave.as_raw_fd(), 0o620);
    }
    Ok((master, slave))
}

/// Whether the terminal's reader gets whole lines, and an end of transmission as the end.
pub fn reads_lines(master: RawFd) -> bool {
    // SAFETY: TCGETS fills a termios, which may be all zeroes.
    unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        libc::tcgetattr(master, &mut settings) != 0 || settings.c_lflag & libc::ICANON != 0
    }
}

pub fn resize(master: &impl AsRawFd, size: Size) -> Sys<()> {
    let window = libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads a winsize.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ as _, &window) }).map(drop)
}
