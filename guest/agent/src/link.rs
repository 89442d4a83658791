//! A byte stream to the host (a virtio-serial port or a connected socket) and the session it carries.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::error::Failure;
use crate::frame::{self, Decoder, MAX_DATA, MAX_JOINED, MAX_PAYLOAD};
use crate::poll::{Poller, Token, EDGE, IN, OUT, PEER_CLOSED};
use crate::record::Record;
use crate::stream::Stream;
use crate::sys::{self, Errno, Sys};
use crate::timers::Key;

/// Beyond this much unsent output nothing more is read for the session, neither from it nor on its behalf.
const OUTBOX_FULL: usize = 256 * 1024;
/// An empty outbox keeps no more memory than this.
const OUTBOX_KEEP: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// Stays open for ever; reads end (0 bytes) while no host is connected.
    Port,
    /// Ends with its connection.
    Socket,
}

#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is_full(&self) -> bool {
        self.len() >= OUTBOX_FULL
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
        if self.bytes.capacity() > OUTBOX_KEEP {
            self.bytes = Vec::new();
        }
    }

    /// Moves what is left to the front once the sent part is the larger one.
    fn compact(&mut self) {
        if self.sent == self.bytes.len() {
            self.clear();
        } else if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A frame of any length that is not DATA: what does not fit goes ahead in parts.
    fn frame(&mut self, kind: u8, stream: u32, mut head: &[u8], mut body: &[u8]) {
        while head.len() + body.len() > MAX_PAYLOAD {
            let (first, rest) = body.split_at(MAX_PAYLOAD - head.len());
            frame::append(&mut self.bytes, frame::PART, stream, head, first);
            (head, body) = (&[], rest);
        }
        frame::append(&mut self.bytes, kind, stream, head, body);
    }

    pub fn message(&mut self, stream: u32, kind: u8, record: &Record) {
        self.frame(frame::MESSAGE, stream, &[kind], &record.0);
    }

    pub fn result(&mut self, stream: u32, record: &Record) {
        self.frame(frame::RESULT, stream, &[], &record.0);
    }

    pub fn error(&mut self, stream: u32, failure: &Failure) {
        self.frame(frame::ERROR, stream, &[], &Record::from(failure).0);
    }

    pub fn credit(&mut self, stream: u32, bytes: u32) {
        self.frame(frame::CREDIT, stream, &bytes.to_le_bytes(), &[]);
    }

    pub fn finish(&mut self, stream: u32) {
        self.frame(frame::FINISH, stream, &[], &[]);
    }

    pub fn data(&mut self, stream: u32, channel: u8, bytes: &[u8]) {
        for chunk in bytes.chunks(MAX_DATA) {
            frame::append(&mut self.bytes, frame::DATA, stream, &[channel], chunk);
        }
    }

    /// One DATA frame read straight into place; see `frame::append_data_with`.
    pub fn data_with<E>(
        &mut self,
        stream: u32,
        channel: u8,
        most: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        frame::append_data_with(&mut self.bytes, stream, channel, most, fill)
    }
}

pub struct Link {
    fd: OwnedFd,
    pub kind: LinkKind,
    pub decoder: Decoder,
    pub outbox: Outbox,
    pub streams: BTreeMap<u32, Stream>,
    /// Stream numbers only go up; this is the last one the host has used.
    pub last_opened: u32,
    /// Streams with more to send, waiting for room in the outbox.
    pub waiting: BTreeSet<u32>,
    /// The parts of a payload that have arrived, and their stream.
    pub parts: Option<(u32, Vec<u8>)>,
    /// Edge-triggered: there may be more to read.
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

    /// Room for output is only asked about once a write has found none: every reader of the other side would wake
    /// the agent otherwise.
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
            match sys::write(self.raw(), &self.outbox.bytes[self.outbox.sent..]) {
                Ok(count) => self.outbox.sent += count,
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

    /// Joins parts: gives the whole payload when this frame completes one that began in parts.
    pub fn take_parts(&mut self, stream: u32, last: &[u8]) -> Option<Vec<u8>> {
        let (owner, mut joined) = self.parts.take()?;
        if owner != stream || joined.len() + last.len() > MAX_JOINED {
            return None;
        }
        joined.extend_from_slice(last);
        Some(joined)
    }

    pub fn add_part(&mut self, stream: u32, bytes: &[u8]) -> bool {
        let (owner, joined) = self.parts.get_or_insert_with(|| (stream, Vec::new()));
        if *owner != stream || joined.len() + bytes.len() > MAX_JOINED {
            return false;
        }
        joined.extend_from_slice(bytes);
        true
    }

    /// Forgets the session's protocol state; its streams must have been cancelled.
    pub fn reset(&mut self) {
        self.outbox.clear();
        self.streams.clear();
        self.waiting.clear();
        self.parts = None;
        self.last_opened = 0;
    }
}
