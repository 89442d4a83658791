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
use crate::timers::{Key, Timer};

/// What the terminal driver takes for the end of input.
const END_OF_TRANSMISSION: u8 = 4;
/// Between the first ends of input that a terminal is told, and between later ones at most.
const FIRST_END_MS: u64 = 50;
const LAST_END_MS: u64 = 2_000;

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
    /// The newest byte of input.
    last: u8,
    /// When a terminal is told the end again.
    pub(super) end_again: Option<Key>,
}

impl Input {
    pub fn new(pipe: Option<Watched>) -> Self {
        Input { pipe, queue: VecDeque::new(), ending: false, last: b'\n', end_again: None }
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
                process.input.last = bytes.last().copied().unwrap_or(process.input.last);
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
        process.input.ending = true;
        if process.is_pty {
            return self.on_terminal_end(exec, FIRST_END_MS);
        }
        self.on_input_room(exec);
    }

    /// A file at its end gives the end to everyone who reads it; a terminal gives it once for each time it is told, and
    /// only to a reader in the mode it was told in. So it is told until the process has ended.
    pub fn on_terminal_end(&mut self, exec: u64, after_ms: u64) {
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        let Some(fd) = process.input_fd().filter(|_| process.ended.is_none()) else { return };
        if !process.input.wants_room() {
            // An editor of lines deletes at an end of transmission unless its line is empty: the last one is entered.
            let enter = process.input.last != b'\n' && !pty::reads_lines(fd);
            let byte = if enter { b'\r' } else { END_OF_TRANSMISSION };
            if sys::write(fd, &[byte]).is_ok() && enter {
                process.input.last = b'\n';
            }
        }
        let next_ms = (after_ms * 2).min(LAST_END_MS);
        process.input.end_again = Some(self.timers.after_ms(after_ms, Timer::ExecInputEnd(exec, next_ms)));
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
        if process.input.ending && !process.is_pty && !wants_room {
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
