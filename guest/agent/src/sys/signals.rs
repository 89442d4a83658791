//! Blocks all signals in every thread and reads them from a signalfd. SIGPIPE is blocked too instead of being
//! ignored: an ignored signal would stay ignored in every program that the agent starts.

use std::os::fd::{AsRawFd, OwnedFd};

use super::errno::{own, Sys};
use super::io::read;

fn set_of(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: The call sigemptyset makes the set of zeroes valid.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

/// Blocks all signals. This must be called before any thread is started: threads and children inherit the mask.
pub fn block_all() {
    // Dispositions inherited as "ignore" (nohup, a shell's background job) go back to the default, because children
    // would inherit them; the start-up code of Rust has set SIGPIPE.
    // SAFETY: The set is valid once it is filled.
    unsafe {
        for signal in 1..32 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
}

pub fn open() -> Sys<OwnedFd> {
    let set = set_of(&[libc::SIGCHLD, libc::SIGTERM, libc::SIGINT]);
    // SAFETY: The set is valid.
    own(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })
}

/// Takes all pending signals. The descriptor is level-triggered, and one read takes all of them, because standard
/// signals do not queue.
pub fn drain(fd: &OwnedFd, mut each: impl FnMut(i32)) {
    const SIZE: usize = size_of::<libc::signalfd_siginfo>();
    let mut buffer = [0u8; SIZE * 4];
    let count = read(fd.as_raw_fd(), &mut buffer).unwrap_or(0);
    for info in buffer[..count].chunks_exact(SIZE) {
        if let Some(number) = info.first_chunk::<4>() {
            each(u32::from_ne_bytes(*number) as i32);
        }
    }
}

/// Gives the set that a new program must start with: nothing is blocked.
pub fn none() -> libc::sigset_t {
    set_of(&[])
}
