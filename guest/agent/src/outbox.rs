//! Holds the unsent output for the host, as frames in one piece of memory.

use crate::error::Failure;
use crate::frame::{self, MAX_DATA};
use crate::numbers::{frame_kind, limit};
use crate::record::Record;

/// With this much unsent output the agent reads nothing more for the session, neither from the session nor on its
/// behalf.
const OUTBOX_FULL: usize = 256 * 1024;
/// An empty outbox keeps no more memory than this.
const OUTBOX_KEEP: usize = 64 * 1024;

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

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
        if self.bytes.capacity() > OUTBOX_KEEP {
            self.bytes = Vec::new();
        }
    }

    /// Moves the unsent part to the front once the sent part is larger.
    pub fn compact(&mut self) {
        if self.sent == self.bytes.len() {
            self.clear();
        } else if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// The bytes still to be sent.
    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub fn sent(&mut self, count: usize) {
        self.sent += count;
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds a frame of any length that is not DATA. A longer payload is sent in parts first.
    fn frame(&mut self, kind: u8, stream: u32, mut head: &[u8], mut body: &[u8]) {
        while head.len() + body.len() > limit::PAYLOAD {
            let (first, rest) = body.split_at(limit::PAYLOAD - head.len());
            frame::append(&mut self.bytes, frame_kind::PART, stream, head, first);
            (head, body) = (&[], rest);
        }
        frame::append(&mut self.bytes, kind, stream, head, body);
    }

    pub fn message(&mut self, stream: u32, kind: u8, record: &Record) {
        self.frame(frame_kind::MESSAGE, stream, &[kind], &record.0);
    }

    pub fn result(&mut self, stream: u32, record: &Record) {
        self.frame(frame_kind::RESULT, stream, &[], &record.0);
    }

    pub fn error(&mut self, stream: u32, failure: &Failure) {
        self.frame(frame_kind::ERROR, stream, &[], &Record::from(failure).0);
    }

    pub fn credit(&mut self, stream: u32, bytes: u32) {
        self.frame(frame_kind::CREDIT, stream, &bytes.to_le_bytes(), &[]);
    }

    pub fn finish(&mut self, stream: u32) {
        self.frame(frame_kind::FINISH, stream, &[], &[]);
    }

    pub fn data(&mut self, stream: u32, channel: u8, bytes: &[u8]) {
        for chunk in bytes.chunks(MAX_DATA) {
            frame::append(&mut self.bytes, frame_kind::DATA, stream, &[channel], chunk);
        }
    }

    /// Adds one DATA frame that is read straight into place; see `frame::append_data_with`.
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
