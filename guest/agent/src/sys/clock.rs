//! Reads and sets clocks.

use super::errno::{check, Sys};

fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: The structure is valid, and the clocks that are used exist on every kernel served.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// Gives nanoseconds that never jump.
pub fn now_ns() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// Gives nanoseconds since 1970.
pub fn wall_clock_ns() -> u64 {
    clock(libc::CLOCK_REALTIME)
}

/// Gives the time since boot.
pub fn uptime_ms() -> u64 {
    clock(libc::CLOCK_BOOTTIME) / 1_000_000
}

pub fn set_wall_clock_ns(ns: u64) -> Sys<()> {
    let time =
        libc::timespec { tv_sec: (ns / 1_000_000_000) as libc::time_t, tv_nsec: (ns % 1_000_000_000) as libc::c_long };
    // SAFETY: The structure is valid.
    check(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const time) }).map(drop)
}
