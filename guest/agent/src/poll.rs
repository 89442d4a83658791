//! The epoll instance, and the tokens that identify the source of an event.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::sys::{events, Errno, Sys};

pub const IN: u32 = libc::EPOLLIN as u32;
pub const OUT: u32 = libc::EPOLLOUT as u32;
pub const HUP: u32 = libc::EPOLLHUP as u32;
pub const ERR: u32 = libc::EPOLLERR as u32;
pub const PEER_CLOSED: u32 = libc::EPOLLRDHUP as u32;
pub const EDGE: u32 = libc::EPOLLET as u32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Signals,
    Jobs,
    Uevents,
    Listener,
    Link(u32),
    /// stdin, stdout or stderr of a process (a pty is stdout).
    Process(u64, u8),
    /// The socket of a tunnel, or the inotify descriptor of a watch.
    Stream(u32, u32),
}

const LINK_BITS: u32 = 28;
pub const MAX_LINK: u32 = (1 << LINK_BITS) - 1;

impl Token {
    fn encode(self) -> u64 {
        let (kind, value) = match self {
            Token::Signals => (0, 0),
            Token::Jobs => (1, 0),
            Token::Uevents => (2, 0),
            Token::Listener => (3, 0),
            Token::Link(link) => (4, u64::from(link)),
            Token::Process(exec, channel) => (5, exec << 2 | u64::from(channel)),
            Token::Stream(link, stream) => (6, u64::from(link) << 32 | u64::from(stream)),
        };
        (kind << 60) | value
    }

    fn decode(raw: u64) -> Self {
        let value = raw & ((1 << 60) - 1);
        match raw >> 60 {
            0 => Token::Signals,
            1 => Token::Jobs,
            2 => Token::Uevents,
            3 => Token::Listener,
            4 => Token::Link(value as u32),
            5 => Token::Process(value >> 2, (value & 3) as u8),
            _ => Token::Stream((value >> 32) as u32, value as u32),
        }
    }
}

pub struct Poller {
    epoll: OwnedFd,
}

pub const BATCH: usize = 64;

impl Poller {
    pub fn new() -> Sys<Self> {
        Ok(Poller { epoll: events::new_epoll()? })
    }

    fn control(&self, operation: i32, fd: RawFd, token: Token, mask: u32) -> Sys<()> {
        events::control_epoll(&self.epoll, operation, fd, mask, token.encode())
    }

    pub fn add(&self, fd: RawFd, token: Token, mask: u32) -> Sys<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, mask)
    }

    pub fn modify(&self, fd: RawFd, token: Token, mask: u32) -> Sys<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, mask)
    }

    /// Waits at most `timeout_ms` (negative: for ever) and gives the number of events found.
    pub fn wait(&self, events: &mut [libc::epoll_event; BATCH], timeout_ms: i32) -> usize {
        events::wait_for_epoll(&self.epoll, events, timeout_ms)
    }
}

pub fn token_of(event: &libc::epoll_event) -> Token {
    Token::decode(event.u64)
}

/// A descriptor and the events that it is watched for, level-triggered. A descriptor without such events is not
/// registered at all, because a hang-up would be reported over and over.
pub struct Watched {
    fd: OwnedFd,
    token: Token,
    mask: u32,
}

impl Watched {
    pub fn new(fd: OwnedFd, token: Token) -> Self {
        Watched { fd, token, mask: 0 }
    }

    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub fn watch(&mut self, poller: &Poller, mask: u32) {
        if mask == self.mask {
            return;
        }
        let operation = match (self.mask, mask) {
            (0, _) => libc::EPOLL_CTL_ADD,
            (_, 0) => libc::EPOLL_CTL_DEL,
            _ => libc::EPOLL_CTL_MOD,
        };
        // This can fail only for lack of memory. The descriptor then stays as it was and is tried again at the next
        // change.
        if let Ok(()) | Err(Errno(libc::ENOENT)) = poller.control(operation, self.raw(), self.token, mask) {
            self.mask = mask;
        }
    }
}
