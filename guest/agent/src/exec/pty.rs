//! Pseudo terminals of processes.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::request::Size;
use crate::sys::{paths, terminal, Sys};

/// Makes a terminal: the agent's side, which does not block, and the process's side.
pub fn open(size: Size, owner: u32) -> Sys<(OwnedFd, OwnedFd)> {
    let (master, slave) = terminal::open_pair()?;
    resize(master.as_raw_fd(), size)?;
    // These fail only where the agent is not the superuser; the terminal belongs to its user then anyway.
    let _ = paths::change_owner(&slave, owner, libc::gid_t::MAX);
    let _ = paths::change_mode(&slave, 0o620);
    Ok((master, slave))
}

pub fn resize(master: RawFd, size: Size) -> Sys<()> {
    terminal::resize(master, size.columns, size.rows)
}
