//! Makes namespaces for the program, in place of those that it shares with the rest of the host.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::process::exit;

use crate::sys::{check, failed, Failure};

pub fn enter_network(network: Option<&OsStr>) -> Result<(), Failure> {
    let Some(network) = network else { return Ok(()) };
    if network == "empty" {
        return unshare(libc::CLONE_NEWNET, "making a network namespace");
    }
    let file = File::open(network).map_err(failed("opening the network namespace"))?;
    // SAFETY: The call takes no pointers.
    check(unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) }, "entering the network namespace").map(drop)
}

pub fn leave_shared() -> Result<(), Failure> {
    unshare(libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS, "making namespaces")
}

fn unshare(flags: libc::c_int, doing: &str) -> Result<(), Failure> {
    // SAFETY: The call takes no pointers.
    check(unsafe { libc::unshare(flags) }, doing).map(drop)
}

/// Continues as the first process of a process namespace. The process that was started writes the pid of the new one
/// and ends. The shell that started it becomes the parent of the new process, and reaps it.
pub fn become_first_process(pid_to: RawFd) -> Result<(), Failure> {
    let flags = libc::CLONE_NEWPID | libc::CLONE_PARENT | libc::SIGCHLD;
    // SAFETY: It is as fork(2), in a process of one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags as libc::c_long, 0, 0, 0, 0) };
    let pid = check(pid, "making a process namespace")?;
    // SAFETY: This process owns the descriptor, and nobody else uses it.
    let mut told = unsafe { File::from_raw_fd(pid_to) };
    if pid == 0 {
        return Ok(());
    }
    writeln!(told, "{pid}").map_err(failed("telling its pid"))?;
    exit(0);
}
