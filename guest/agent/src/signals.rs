//! All signals are blocked in every thread and read from a signalfd. SIGPIPE is blocked too instead of being ignored: an
//! ignored signal would stay ignored in every program the agent starts.

use std::os::fd::{AsRawFd, OwnedFd};

use crate::sys::{self, check, Sys};

fn set_of(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: sigemptyset makes the zeroed set valid.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for &signal in signals {
            libc::sigaddset(&mut set, signal);
        }
        set
    }
}

/// Before any thread is started: threads and children inherit the mask.
pub fn block_all() {
    // SAFETY: plain signal calls. Dispositions inherited as "ignore" (nohup, a shell's background job) go back to the
    // default, because children would inherit them; SIGPIPE was set by Rust's start-up code.
    unsafe {
        for signal in 1..32 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
    }
}

pub fn open() -> Sys<OwnedFd> {
    let set = set_of(&[libc::SIGCHLD, libc::SIGTERM, libc::SIGINT]);
    // SAFETY: a valid set; the descriptor is new.
    sys::own(unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })
}

/// Level-triggered: one read takes all there can be, as standard signals do not queue.
pub fn drain(fd: &OwnedFd, mut each: impl FnMut(i32)) {
    const SIZE: usize = std::mem::size_of::<libc::signalfd_siginfo>();
    let mut buffer = [0u8; SIZE * 4];
    let count = sys::read(fd.as_raw_fd(), &mut buffer).unwrap_or(0);
    for info in buffer[..count].chunks_exact(SIZE) {
        if let Some(number) = info.first_chunk::<4>() {
            each(u32::from_ne_bytes(*number) as i32);
        }
    }
}

/// What a new program must start with: nothing blocked.
pub fn none() -> libc::sigset_t {
    set_of(&[])
}

/// In a child before exec.
///
/// # Safety
/// Only async-signal-safe calls are made; the set must be valid.
pub unsafe fn restore_in_child(none: &libc::sigset_t) -> Sys<()> {
    check(libc::sigprocmask(libc::SIG_SETMASK, none, std::ptr::null_mut())).map(drop)
}
