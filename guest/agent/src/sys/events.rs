//! Descriptors that tell of events: epoll, eventfd, inotify.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::errno::{check, own, Sys};

pub fn new_epoll() -> Sys<OwnedFd> {
    // SAFETY: The call takes no pointers.
    own(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

/// `operation` is one of the EPOLL_CTL_ values.
pub fn control_epoll(epoll: &OwnedFd, operation: i32, fd: RawFd, mask: u32, token: u64) -> Sys<()> {
    let mut event = libc::epoll_event { events: mask, u64: token };
    // SAFETY: The event lives through the call.
    check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), operation, fd, &raw mut event) }).map(drop)
}

/// Waits at most `timeout_ms` (negative: for ever) and gives the number of events found.
pub fn wait_for_epoll(epoll: &OwnedFd, events: &mut [libc::epoll_event], timeout_ms: i32) -> usize {
    let most = i32::try_from(events.len()).unwrap_or(i32::MAX);
    // SAFETY: There is room for the stated number of events.
    let result = unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), most, timeout_ms) };
    usize::try_from(result).unwrap_or(0)
}

pub fn new_eventfd() -> Sys<OwnedFd> {
    // SAFETY: The call takes no pointers.
    own(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })
}

pub fn new_inotify() -> Sys<OwnedFd> {
    // SAFETY: The call takes no pointers.
    own(unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) })
}

pub fn add_watch(inotify: RawFd, path: &CStr, mask: u32) -> Sys<i32> {
    // SAFETY: The path ends in NUL.
    check(unsafe { libc::inotify_add_watch(inotify, path.as_ptr(), mask) })
}

/// Removes a watch; one that has gone already is no failure.
pub fn remove_watch(inotify: RawFd, watch: i32) {
    // SAFETY: The call takes no pointers.
    unsafe { libc::inotify_rm_watch(inotify, watch) };
}

/// One change that inotify reports.
pub struct Change<'a> {
    pub watch: i32,
    pub mask: u32,
    /// Empty where the change is about the watched file itself.
    pub name: &'a [u8],
}

/// Takes the first event off the bytes read from inotify. `None` when there are no more.
pub fn take_change<'a>(bytes: &mut &'a [u8]) -> Option<Change<'a>> {
    const HEADER: usize = size_of::<libc::inotify_event>();
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let word = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
    let (name, rest) = rest.split_at(rest.len().min(u32::from_ne_bytes(word(12)) as usize));
    *bytes = rest;
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    Some(Change { watch: i32::from_ne_bytes(word(0)), mask: u32::from_ne_bytes(word(4)), name })
}
