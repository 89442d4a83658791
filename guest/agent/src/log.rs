//! The few lines the agent has to say: to the kernel log in a machine, to stderr elsewhere.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;

use crate::sys::{self, Errno};

static KERNEL_LOG: OnceLock<OwnedFd> = OnceLock::new();

/// The kernel keeps ten lines of each writer in five seconds and drops the rest, unless told otherwise.
const LINE_LIMIT: &CStr = c"/proc/sys/kernel/printk_devkmsg";
/// As informational as the kernel's own news: kept, and not printed on a quiet console, which costs time.
const INFORMATION: &str = "<6>";

pub fn use_kernel_log() {
    let _ = sys::write_small(LINE_LIMIT, 0, b"on\n");
    if let Ok(fd) = sys::open(c"/dev/kmsg", libc::O_WRONLY, 0) {
        let _ = KERNEL_LOG.set(fd);
    }
}

/// What the host's console shows.
pub fn line(text: &str) {
    say("", text);
}

/// What is kept for those who look it up.
pub fn note(text: &str) {
    say(INFORMATION, text);
}

fn say(level: &str, text: &str) {
    let (level, fd) = KERNEL_LOG.get().map_or(("", 2), |log| (level, log.as_raw_fd()));
    let line = [level, "nova-agent: ", text, "\n"].concat();
    let _ = sys::write(fd, line.as_bytes());
}

pub fn failure(what: &str, errno: Errno) {
    line(&format!("{what}: {}", crate::error::Failure::from(errno).message));
}
