//! Feeds input from the host into the stdin or the terminal of a process.

use super::pty;
use super::request::Size;
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Code, Failure, Outcome};
use crate::poll::OUT;
use crate::sys::{self, terminal, Errno};
use crate::timers::Timer;

/// The byte that the terminal driver treats as the end of input.
const END_OF_TRANSMISSION: u8 = 4;
/// The time between the first two ends of input sent to a terminal, and the longest time between later ones.
const FIRST_END_MS: u64 = 50;
const LAST_END_MS: u64 = 2_000;

impl Agent {
    pub fn on_input(&mut self, exec: u64, caller: Caller, bytes: &[u8]) {
        let mut written = bytes.len();
        if let Some(process) = self.processes.all.get_mut(&exec) {
            if let Some(fd) = process.input_fd().filter(|_| !process.input.ending) {
                process.input.last = bytes.last().copied().unwrap_or(process.input.last);
                // The bytes are written straight from the frame, unless others wait already.
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

    /// Sends the end of input to a terminal repeatedly until the process has ended. A file at its end gives the end to
    /// every reader. A terminal gives it once for each time it is sent, and only to a reader in the mode that was set
    /// when it was sent.
    pub fn on_terminal_end(&mut self, exec: u64, after_ms: u64) {
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        let Some(fd) = process.input_fd().filter(|_| process.ended.is_none()) else { return };
        if !process.input.wants_room() {
            // A line editor treats an end of transmission as a deletion unless its line is empty, so an unfinished last
            // line is entered first.
            let enter = process.input.last != b'\n' && !terminal::reads_lines(fd);
            let byte = if enter { b'\r' } else { END_OF_TRANSMISSION };
            if sys::write(fd, &[byte]).is_ok() && enter {
                process.input.last = b'\n';
            }
        }
        let next_ms = (after_ms * 2).min(LAST_END_MS);
        process.input.end_again = Some(self.timers.after_ms(after_ms, Timer::ExecInputEnd(exec, next_ms)));
        self.on_input_room(exec);
    }

    /// Writes the queue. Bytes that cannot be written any more are dropped, because the host could not do better.
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
            Some(source) if self.processes.all[&exec].is_pty => Ok(pty::resize(source.raw(), size)?),
            _ => Err(Failure::new(Code::NotFound, "no terminal")),
        }
    }
}
