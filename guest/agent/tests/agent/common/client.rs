//! A connection to the agent: bytes, frames, and the events of each stream.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::host::wait_for_room_or_bytes;
use super::kind;
use super::numbers::{byte, limit};
use super::record::Record;

pub const MAGIC: &[u8] = b"\xFFNOVAGC1";
pub const WINDOW: usize = limit::CREDIT;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Data(u8, Vec<u8>),
    Message(u8, Record),
    Credit(u32),
    Finish,
    Result(Record),
    Error(Record),
}

pub fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
    bytes.push(kind);
    bytes.extend(stream.to_le_bytes());
    bytes.extend(payload);
    bytes.push(byte::END_MARK);
    bytes
}

pub struct Client {
    pub socket: UnixStream,
    buffer: Vec<u8>,
    pub(super) next: u32,
    parts: Vec<u8>,
    waiting: HashMap<u32, VecDeque<Event>>,
}

impl Client {
    pub fn new(socket: UnixStream) -> Self {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        Client { socket, buffer: Vec::new(), next: 1, parts: Vec::new(), waiting: HashMap::new() }
    }

    /// Opens a new session on this connection.
    pub fn handshake(&mut self, flush: bool) {
        assert_eq!(self.shake_hands(flush, 1, 1), 1);
    }

    pub fn shake_hands(&mut self, flush: bool, lowest: u8, highest: u8) -> u8 {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let mut nonce = [0x4E; 16];
        nonce[..4].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        if flush {
            self.send_raw(&vec![0xFF; limit::FLUSH]);
        }
        self.send_raw(&[MAGIC, &[lowest, highest], &nonce].concat());
        loop {
            let at = self.buffer.windows(MAGIC.len()).position(|window| window == MAGIC);
            if let Some(at) = at.filter(|at| self.buffer.len() >= at + 26) {
                let answer: Vec<u8> = self.buffer.drain(..at + 26).skip(at).collect();
                if answer[10..] == nonce {
                    assert_eq!(answer[9], 0);
                    self.next = 1;
                    self.waiting.clear();
                    self.parts.clear();
                    return answer[8];
                }
                continue;
            }
            assert!(self.receive(), "closed in a handshake");
        }
    }

    pub fn send_raw(&mut self, mut bytes: &[u8]) {
        // Reads while it writes, as a host must: the agent does not take input while its own output piles up.
        self.socket.set_nonblocking(true).unwrap();
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if wait_for_room_or_bytes(&self.socket) {
                        self.receive();
                    }
                }
                // It has gone; what it said last can still be read.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
                Err(error) => panic!("{error}"),
            }
        }
        self.socket.set_nonblocking(false).unwrap();
    }

    pub fn send(&mut self, kind: u8, stream: u32, payload: &[u8]) {
        self.send_raw(&frame(kind, stream, payload));
    }

    /// False at the end of the connection.
    fn receive(&mut self) -> bool {
        let mut bytes = vec![0; 65_536];
        match self.socket.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.extend(&bytes[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next frame: kind, stream, payload. `None` at the end of the connection.
    pub fn next_frame(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        loop {
            if self.buffer.len() >= 10 {
                let length = u32::from_le_bytes(self.buffer[..4].try_into().unwrap()) as usize;
                assert!(length <= limit::PAYLOAD);
                if self.buffer.len() >= length + 10 {
                    let bytes: Vec<u8> = self.buffer.drain(..length + 10).collect();
                    assert_eq!(bytes[length + 9], byte::END_MARK);
                    let stream = u32::from_le_bytes(bytes[5..9].try_into().unwrap());
                    return Some((bytes[4], stream, bytes[9..length + 9].to_vec()));
                }
            }
            if !self.receive() {
                return None;
            }
        }
    }

    /// The next event of a stream; those of others are kept.
    pub fn next(&mut self, stream: u32) -> Event {
        loop {
            if let Some(event) = self.waiting.get_mut(&stream).and_then(VecDeque::pop_front) {
                return event;
            }
            let (kind, owner, payload) = self.next_frame().expect("the connection has ended");
            let payload =
                if kind == kind::DATA { payload } else { [std::mem::take(&mut self.parts), payload].concat() };
            let event = match kind {
                kind::PART => {
                    self.parts = payload;
                    continue;
                }
                kind::DATA => Event::Data(payload[0], payload[1..].to_vec()),
                kind::MESSAGE => Event::Message(payload[0], Record::parse(&payload[1..])),
                kind::CREDIT => Event::Credit(u32::from_le_bytes(payload.try_into().unwrap())),
                kind::FINISH => Event::Finish,
                kind::RESULT => Event::Result(Record::parse(&payload)),
                kind::ERROR => Event::Error(Record::parse(&payload)),
                other => panic!("the agent sent a frame of kind {other}"),
            };
            self.waiting.entry(owner).or_default().push_back(event);
        }
    }
}
