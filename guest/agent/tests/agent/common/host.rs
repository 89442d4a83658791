//! What tests ask of the machine that they run on.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A test that is killed leaves nothing behind.
pub fn end_with_this_process(command: &mut Command) {
    // SAFETY: The only call between fork and exec is async-signal-safe, and takes no pointers.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        })
    };
}

/// Whether there was somebody to get it.
pub fn send_signal(pid: i32, signal: i32) -> bool {
    // SAFETY: The call takes no pointers.
    unsafe { libc::kill(pid, signal) == 0 }
}

pub fn is_running(pid: i32) -> bool {
    send_signal(pid, 0)
}

pub fn is_superuser() -> bool {
    // SAFETY: The call takes no arguments.
    unsafe { libc::geteuid() == 0 }
}

/// Waits until a socket takes bytes or has some; true when it has some.
pub fn wait_for_room_or_bytes(socket: &UnixStream) -> bool {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN | libc::POLLOUT, revents: 0 };
    // SAFETY: There is one pollfd, as is said.
    assert!(unsafe { libc::poll(&raw mut poll, 1, 20_000) } > 0, "the agent takes no input");
    poll.revents & libc::POLLIN != 0
}

pub fn make_fifo(path: &str) {
    let path = CString::new(path).unwrap();
    // SAFETY: The path ends in NUL.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

/// Directories in each other, deeper than any path could name, and a file in the last.
pub fn make_deep_tree(top: &str, levels: usize) {
    let mut at = OwnedFd::from(std::fs::File::open(top).unwrap());
    for _ in 0..levels {
        // SAFETY: The name ends in NUL, and the descriptor that is opened is nobody else's.
        at = unsafe {
            assert_eq!(libc::mkdirat(at.as_raw_fd(), c"folder".as_ptr(), 0o755), 0);
            OwnedFd::from_raw_fd(libc::openat(at.as_raw_fd(), c"folder".as_ptr(), libc::O_RDONLY))
        };
    }
    // SAFETY: As above.
    drop(unsafe {
        let file = libc::openat(at.as_raw_fd(), c"file".as_ptr(), libc::O_CREAT | libc::O_WRONLY, 0o644);
        OwnedFd::from_raw_fd(file)
    });
}

pub fn exists(path: impl AsRef<Path>) -> bool {
    path.as_ref().exists()
}

/// Waits for something that has no event of its own.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(std::time::Instant::now() < end, "never came: {what}");
        std::thread::yield_now();
    }
}
