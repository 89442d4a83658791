//! A byte stream to the host (a virtio-serial port or a connected socket) and the session it carries.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::frame::Decoder;
use crate::numbers::limit;
use crate::outbox::Outbox;
use crate::poll::{Poller, Token, EDGE, IN, OUT, PEER_CLOSED};
use crate::stream::Stream;
use crate::sys::{self, Errno, Sys};
use crate::timers::Key;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// A port stays open for ever; reads end (0 bytes) while no host is connected.
    Port,
    /// A socket ends with its connection.
    Socket,
}

pub struct Link {
    fd: OwnedFd,
    pub kind: LinkKind,
    pub decoder: Decoder,
    pub outbox: Outbox,
    pub streams: BTreeMap<u32, Stream>,
    /// The last stream number that the host has used; they only go up.
    pub last_opened: u32,
    /// Streams that have more to send and wait for room in the outbox.
    pub waiting: BTreeSet<u32>,
    /// The parts of a payload that have arrived, and their stream.
    pub parts: Option<(u32, Vec<u8>)>,
    /// Events are edge-triggered, so there may be more to read.
    pub readable: bool,
    /// The decoder may hold whole frames that have been left for later.
    pub undecoded: bool,
    writable: bool,
    /// Set while nobody is on the other side of a port.
    pub host_gone: Option<Key>,
}

impl Link {
    pub fn new(fd: OwnedFd, kind: LinkKind) -> Self {
        Link {
            fd,
            kind,
            decoder: Decoder::default(),
            outbox: Outbox::default(),
            streams: BTreeMap::new(),
            last_opened: 0,
            waiting: BTreeSet::new(),
            parts: None,
            readable: true,
            undecoded: false,
            writable: true,
            host_gone: None,
        }
    }

    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Watches for input. The agent waits for room for output only after a write has found none; otherwise every read
    /// on the other side would wake it.
    pub fn register(&self, poller: &Poller, token: Token) -> Sys<()> {
        poller.add(self.raw(), token, IN | PEER_CLOSED | EDGE)
    }

    pub fn became_writable(&mut self, poller: &Poller, token: Token) {
        if !self.writable {
            self.writable = true;
            let _ = poller.modify(self.raw(), token, IN | PEER_CLOSED | EDGE);
        }
    }

    /// Sends what it can.
    pub fn flush(&mut self, poller: &Poller, token: Token) -> Sys<()> {
        while self.writable && !self.outbox.is_empty() {
            match sys::write(self.raw(), self.outbox.unsent()) {
                Ok(count) => self.outbox.sent(count),
                Err(Errno(libc::EAGAIN)) => {
                    self.writable = false;
                    poller.modify(self.raw(), token, IN | OUT | PEER_CLOSED | EDGE)?;
                }
                Err(Errno(libc::EINTR)) => {}
                Err(errno) => return Err(errno),
            }
        }
        self.outbox.compact();
        Ok(())
    }

    /// Gives the whole payload when this frame completes one that began in parts.
    pub fn take_parts(&mut self, stream: u32, last: &[u8]) -> Option<Vec<u8>> {
        let (owner, mut joined) = self.parts.take()?;
        if owner != stream || joined.len() + last.len() > limit::JOINED {
            return None;
        }
        joined.extend_from_slice(last);
        Some(joined)
    }

    pub fn add_part(&mut self, stream: u32, bytes: &[u8]) -> bool {
        let (owner, joined) = self.parts.get_or_insert_with(|| (stream, Vec::new()));
        if *owner != stream || joined.len() + bytes.len() > limit::JOINED {
            return false;
        }
        joined.extend_from_slice(bytes);
        true
    }

    /// Forgets the state of the session; its streams must have been cancelled.
    pub fn reset(&mut self) {
        self.outbox.clear();
        self.streams.clear();
        self.waiting.clear();
        self.parts = None;
        self.last_opened = 0;
    }
}
