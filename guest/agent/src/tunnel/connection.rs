//! One tunnel: its socket in the guest, and the bytes that wait to be written to it.

use super::connect::{connect, Target};
use crate::error::{Code, Failure, Outcome};
use crate::poll::{Token, Watched};
use crate::sys::{self, sockets, Errno, Sys};

pub struct Tunnel {
    pub(super) socket: Watched,
    pub(super) connected: bool,
    /// The targets that are tried when the one before refuses, the next one last.
    pub(super) others: Vec<Target>,
    /// Bytes from the host that are not written yet; the credit of the host bounds them.
    pub(super) queue: Vec<u8>,
    /// When the queue has been written, this direction of the socket is closed.
    pub(super) input_ended: bool,
    pub(super) input_closed: bool,
    pub(super) output_ended: bool,
}

pub fn failed(errno: Errno) -> Failure {
    let failure = Failure::from(errno);
    match errno.0 {
        // Nobody listens on a Unix socket that does not exist.
        libc::ENOENT | libc::ETIMEDOUT | libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT => {
            failure.with_code(Code::Unavailable)
        }
        _ => failure,
    }
}

impl Tunnel {
    /// Begins to connect to the first target that does not refuse at once.
    pub(super) fn open(mut others: Vec<Target>, token: Token) -> Outcome<Self> {
        let mut refused = Errno(libc::ECONNREFUSED);
        while let Some(target) = others.pop() {
            match connect(&target) {
                Ok(socket) => {
                    return Ok(Tunnel {
                        socket: Watched::new(socket, token),
                        connected: false,
                        others,
                        queue: Vec::new(),
                        input_ended: false,
                        input_closed: false,
                        output_ended: false,
                    })
                }
                Err(errno) => refused = errno,
            }
        }
        Err(failed(refused))
    }

    /// Whether the connection is established; an error when it has failed.
    pub(super) fn check_connection(&self) -> Sys<bool> {
        if sys::poll_now(self.socket.raw(), libc::POLLOUT) == 0 {
            return Ok(false);
        }
        sockets::connection_error(self.socket.raw()).map(|()| true)
    }

    /// Writes what it can of the queue, and gives the number of bytes that have left the queue. Bytes that the other
    /// side no longer accepts are dropped.
    pub(super) fn write(&mut self) -> usize {
        let mut written = 0;
        while written < self.queue.len() {
            match sys::write(self.socket.raw(), &self.queue[written..]) {
                Ok(count) => written += count,
                Err(Errno(libc::EINTR)) => {}
                Err(Errno(libc::EAGAIN)) => break,
                Err(_) => {
                    written = self.queue.len();
                    self.input_closed = true;
                }
            }
        }
        self.queue.drain(..written);
        if self.queue.is_empty() {
            if self.input_ended && !self.input_closed {
                self.input_closed = true;
                sockets::end_writing(self.socket.raw());
            }
            self.queue.shrink_to(16 * 1024);
        }
        written
    }
}
