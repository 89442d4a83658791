//! The input that waits to be written to a process. The host is granted new credit for what has been written.

use std::collections::VecDeque;

use crate::caller::Caller;
use crate::numbers::limit;
use crate::poll::Watched;
use crate::timers::Key;

pub struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) written: usize,
    /// The caller that is granted credit for it.
    pub(super) from: Option<Caller>,
}

pub struct Input {
    /// The pipe of stdin. The input of a terminal goes through the descriptor of its output.
    pub(super) pipe: Option<Watched>,
    /// The credit of the senders bounds it.
    pub(super) queue: VecDeque<Piece>,
    /// The queue holds the last input.
    pub(super) ending: bool,
    /// The newest byte of input.
    pub(super) last: u8,
    /// The timer that tells a terminal the end again.
    pub(super) end_again: Option<Key>,
}

impl Input {
    pub fn new(pipe: Option<Watched>) -> Self {
        Input { pipe, queue: VecDeque::new(), ending: false, last: b'\n', end_again: None }
    }

    pub fn wants_room(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Joins small pieces, so that their number is bounded as their bytes are.
    pub(super) fn add(&mut self, bytes: &[u8], from: Caller) {
        match self.queue.back_mut() {
            Some(last) if last.from == Some(from) && last.bytes.len() + bytes.len() <= limit::PAYLOAD => {
                last.bytes.extend_from_slice(bytes);
            }
            _ => self.queue.push_back(Piece { bytes: bytes.to_vec(), written: 0, from: Some(from) }),
        }
    }

    pub fn close(&mut self) {
        self.pipe = None;
    }
}
