//! Input: from the host into a process's stdin or terminal. The host is granted new credit for what has been written.

use std::collections::VecDeque;
use std::os::fd::RawFd;

use super::request::Size;
use super::{pty, Process};
use crate::agent::Agent;
use crate::dispatch::Caller;
use crate::error::{Code, Failure, Outcome};
use crate::frame::MAX_PAYLOAD;
use crate::poll::{Watched, OUT};
use crate::sys::{self, Errno};

/// What the terminal driver takes for the end of input.
const END_OF_TRANSMISSION: u8 = 4;

struct Piece {
    bytes: Vec<u8>,
    written: usize,
    /// Who is granted credit for it.
    from: Option<Caller>,
}

pub struct Input {
    /// stdin; a terminal's input goes through its output's descriptor.
    pipe: Option<Watched>,
    /// Bounded by the credit of those who send.
    queue: VecDeque<Piece>,
    /// Nothing follows what is queued.
    ending: bool,
}

impl Input {
    pub fn new(pipe: Option<Watched>) -> Self {
        Input { pipe, queue: VecDeque::new(), ending: false }
    }

    pub fn wants_room(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Small pieces are joined, so that their number is bounded as their bytes are.
    fn add(&mut self, bytes: &[u8], from: Caller) {
        match self.queue.back_mut() {
            Some(last) if last.from == Some(from) && last.bytes.len() + bytes.len() <= MAX_PAYLOAD => {
                last.bytes.extend_from_slice(bytes);
            }
            _ => self.queue.push_back(Piece { bytes: bytes.to_vec(), written: 0, from: Some(from) }),
        }
    }

    pub fn close(&mut self) {
        self.pipe = None;
    }
}

impl Process {
    fn input_fd(&self) -> Option<RawFd> {
        if self.is_pty {
            self.channels[0].source.as_ref().map(Watched::raw)
        } else {
            self.input.pipe.as_ref().map(Watched::raw)
        }
    }
}

impl Agent {
    pub fn on_input(&mut self, exec: u64, caller: Caller, bytes: &[u8]) {
        let mut written = bytes.len();
        if let Some(process) = self.processes.all.get_mut(&exec) {
            if let Some(fd) = process.input_fd().filter(|_| !process.input.ending) {
                // Straight from the frame, unless something waits already.
                let result = if process.input.wants_room() { Ok(0) } else { sys::write(fd, bytes) };
                written = match result {
                    Ok(count) => count,
                    Err(Errno(libc::EAGAIN | libc::EINTR)) => 0,
                    Err(_) => {
                        process.input.close();
                        bytes.len()
                    }
                };
                if written < bytes.len() {
                    process.input.add(&bytes[written..], caller);
                }
            }
        }
        self.grant(Some(caller), written);
        self.on_input_room(exec);
    }

    pub fn on_input_end(&mut self, exec: u64) {
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        if process.is_pty {
            process.input.queue.push_back(Piece { bytes: vec![END_OF_TRANSMISSION], written: 0, from: None });
        } else {
            process.input.ending = true;
        }
        self.on_input_room(exec);
    }

    /// Writes what is queued; what cannot be written any more is thrown away, as the host could not do better.
    pub fn on_input_room(&mut self, exec: u64) {
        loop {
            let Some(process) = self.processes.all.get_mut(&exec) else { return };
            let fd = process.input_fd();
            let Some(piece) = process.input.queue.front_mut() else { break };
            let left = piece.bytes.len() - piece.written;
            let written = match fd.map(|fd| sys::write(fd, &piece.bytes[piece.written..])) {
                Some(Ok(count)) => count,
                Some(Err(Errno(libc::EAGAIN | libc::EINTR))) => break,
                Some(Err(_)) | None => left,
            };
            piece.written += written;
            let from = piece.from;
            if written == left {
                process.input.queue.pop_front();
            }
            self.grant(from, written);
        }
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        let wants_room = process.input.wants_room();
        if process.input.ending && !wants_room {
            process.input.close();
        }
        if let Some(pipe) = &mut process.input.pipe {
            pipe.watch(&self.poller, if wants_room { OUT } else { 0 });
        }
        if process.is_pty {
            self.pump(exec);
        }
    }

    fn grant(&mut self, from: Option<Caller>, bytes: usize) {
        let Some(caller) = from else { return };
        let Some(link) = self.links.get_mut(&caller.link) else { return };
        if let Some(stream) = link.streams.get_mut(&caller.stream) {
            stream.consume(caller.stream, bytes, &mut link.outbox);
        }
    }

    pub fn resize(&mut self, exec: u64, record: &[u8]) -> Outcome<()> {
        let size = Size::parse(record)?;
        match self.processes.all.get(&exec).and_then(|process| process.channels[0].source.as_ref()) {
            Some(source) if self.processes.all[&exec].is_pty => Ok(pty::resize(&source.raw(), size)?),
            _ => Err(Failure::new(Code::NotFound, "no terminal")),
        }
    }
}
