//! The few lines the agent has to say: to the kernel log in a machine, to stderr elsewhere.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;

use crate::sys::{self, Errno};

static KERNEL_LOG: OnceLock<OwnedFd> = OnceLock::new();

pub fn use_kernel_log() {
    if let Ok(fd) = sys::open(c"/dev/kmsg", libc::O_WRONLY, 0) {
        let _ = KERNEL_LOG.set(fd);
    }
}

pub fn line(text: &str) {
    let line = ["nova-agent: ", text, "\n"].concat();
    let fd = KERNEL_LOG.get().map_or(2, AsRawFd::as_raw_fd);
    let _ = sys::write(fd, line.as_bytes());
}

pub fn failure(what: &str, errno: Errno) {
    line(&format!("{what}: {}", crate::error::Failure::from(errno).message));
}
