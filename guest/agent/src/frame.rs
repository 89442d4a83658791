//! Frames and the handshake: bytes in, frames out. Anything that is not a frame breaks the session, and the decoder
//! hunts for the next handshake.

use crate::numbers::{byte, frame_kind, limit};
use crate::sys::find_byte;

pub const MAGIC: [u8; 8] = *b"\xFFNOVAGC1";
/// The most bytes of a DATA frame without its channel byte.
pub const MAX_DATA: usize = limit::PAYLOAD - 1;

const HEADER: usize = 9;
const NONCE_AT: usize = MAGIC.len() + 2;
const HANDSHAKE: usize = NONCE_AT + limit::NONCE;
/// Room for the largest frame and a good read behind its beginning.
const CAPACITY: usize = 64 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: u8,
    pub stream: u32,
    pub payload: &'a [u8],
}

#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    Frame(Frame<'a>),
    Handshake {
        lowest: u8,
        highest: u8,
        nonce: [u8; limit::NONCE],
    },
    /// These bytes are not a frame; everything before the next handshake is meaningless.
    Broken,
}

#[derive(Default)]
pub struct Decoder {
    buf: Vec<u8>,
    start: usize,
    end: usize,
    in_session: bool,
}

impl Decoder {
    /// Gives the space for the next bytes. It is never empty when `next` has been called until it returned `None`.
    pub fn space(&mut self) -> &mut [u8] {
        if self.buf.is_empty() {
            self.buf = vec![0; CAPACITY];
        }
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.buf.len() - self.end < CAPACITY / 4 {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.buf[self.end..]
    }

    pub fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// Ignores everything until the next handshake.
    pub fn hunt(&mut self) {
        self.in_session = false;
    }

    /// Gives the memory of an idle channel back.
    pub fn release(&mut self) {
        if self.start == self.end {
            *self = Decoder { in_session: self.in_session, ..Decoder::default() };
        }
    }

    pub fn next(&mut self) -> Option<Item<'_>> {
        if !self.in_session {
            return self.find_handshake();
        }
        let bytes = &self.buf[self.start..self.end];
        let length = u32::from_le_bytes(*bytes.first_chunk::<4>()?) as usize;
        if length > limit::PAYLOAD {
            self.in_session = false;
            return Some(Item::Broken);
        }
        let whole = HEADER + length + 1;
        if bytes.len() < whole {
            return None;
        }
        if bytes[whole - 1] != byte::END_MARK {
            self.in_session = false;
            return Some(Item::Broken);
        }
        let at = self.start;
        self.start += whole;
        let bytes = &self.buf[at..at + whole];
        let stream = u32::from_le_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]);
        Some(Item::Frame(Frame { kind: bytes[4], stream, payload: &bytes[HEADER..whole - 1] }))
    }

    fn find_handshake(&mut self) -> Option<Item<'_>> {
        loop {
            let bytes = &self.buf[self.start..self.end];
            if bytes.len() < MAGIC.len() {
                return None;
            }
            if bytes.starts_with(&MAGIC) {
                let bytes = bytes.get(..HANDSHAKE)?;
                let mut nonce = [0; limit::NONCE];
                nonce.copy_from_slice(&bytes[NONCE_AT..]);
                let (lowest, highest) = (bytes[MAGIC.len()], bytes[MAGIC.len() + 1]);
                self.in_session = choose_version(lowest, highest) != 0;
                self.start += HANDSHAKE;
                return Some(Item::Handshake { lowest, highest, nonce });
            }
            // The flush is all 0xFF, so the byte after it is the one to search for.
            self.start += match find_byte(MAGIC[1], &bytes[2..]) {
                Some(at) => at + 1,
                None => bytes.len() - 1,
            };
        }
    }
}

/// Chooses the newest version that both sides support; 0 when there is none.
pub fn choose_version(lowest: u8, highest: u8) -> u8 {
    if lowest <= byte::HIGHEST_VERSION && byte::HIGHEST_VERSION <= highest {
        byte::HIGHEST_VERSION
    } else {
        0
    }
}

pub fn handshake_answer(lowest: u8, highest: u8, nonce: &[u8; limit::NONCE]) -> [u8; HANDSHAKE] {
    let mut answer = [0; HANDSHAKE];
    answer[..MAGIC.len()].copy_from_slice(&MAGIC);
    answer[MAGIC.len()] = choose_version(lowest, highest);
    answer[NONCE_AT..].copy_from_slice(nonce);
    answer
}

/// Appends a frame whose payload is `head` followed by `body`.
pub fn append(out: &mut Vec<u8>, kind: u8, stream: u32, head: &[u8], body: &[u8]) {
    debug_assert!(head.len() + body.len() <= limit::PAYLOAD);
    out.reserve(HEADER + head.len() + body.len() + 1);
    append_header(out, kind, stream, head.len() + body.len());
    out.extend_from_slice(head);
    out.extend_from_slice(body);
    out.push(byte::END_MARK);
}

fn append_header(out: &mut Vec<u8>, kind: u8, stream: u32, length: usize) {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&(length as u32).to_le_bytes());
    header[4] = kind;
    header[5..].copy_from_slice(&stream.to_le_bytes());
    out.extend_from_slice(&header);
}

/// Appends a DATA frame whose bytes `fill` reads straight into place. Nothing is appended when it finds none or fails.
pub fn append_data_with<E>(
    out: &mut Vec<u8>,
    stream: u32,
    channel: u8,
    most: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
) -> Result<usize, E> {
    let begin = out.len();
    let most = most.min(MAX_DATA);
    append_header(out, frame_kind::DATA, stream, 0);
    out.push(channel);
    let data = out.len();
    out.resize(data + most, 0);
    let result = fill(&mut out[data..]);
    match result {
        Ok(count) if count > 0 => {
            out.truncate(data + count);
            out.push(byte::END_MARK);
            out[begin..begin + 4].copy_from_slice(&(count as u32 + 1).to_le_bytes());
        }
        _ => out.truncate(begin),
    }
    result
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
