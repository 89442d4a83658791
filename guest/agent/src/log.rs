//! Writes the few log lines of the agent: to the kernel log in a machine, to stderr elsewhere.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;

use crate::sys::{self, paths, Errno};

static KERNEL_LOG: OnceLock<OwnedFd> = OnceLock::new();

/// The file that lifts a limit: by default the kernel keeps ten lines from each writer in five seconds and drops the
/// rest.
const LINE_LIMIT: &CStr = c"/proc/sys/kernel/printk_devkmsg";
/// The level of the kernel's own information: it is kept, but not printed on a quiet console, which would cost time.
const INFORMATION: &str = "<6>";

pub fn use_kernel_log() {
    let _ = sys::write_small(LINE_LIMIT, 0, b"on\n");
    if let Ok(fd) = paths::open(c"/dev/kmsg", libc::O_WRONLY, 0) {
        let _ = KERNEL_LOG.set(fd);
    }
}

/// Writes a line that the console of the host shows.
pub fn line(text: &str) {
    say("", text);
}

/// Writes a line that is only kept in the log.
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
