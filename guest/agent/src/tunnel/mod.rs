//! Tunnels: from a stream to a socket in the guest, a port or a Unix socket.

mod connect;

use crate::agent::Agent;
use crate::dispatch::{message, Begun, Caller};
use crate::error::{Code, Failure, Outcome};
use crate::poll::{Token, Watched, IN, OUT};
use crate::record::{self, Fields, Record};
use crate::stream::Work;
use crate::sys::{self, check, Errno, Sys};

use connect::{connect, targets, Target};

/// Together; every one holds a descriptor.
const MOST_TUNNELS: usize = 8_192;

pub struct Tunnel {
    socket: Watched,
    connected: bool,
    /// Tried when the one before refuses; the next one last.
    others: Vec<Target>,
    /// From the host, not written yet; bounded by the host's credit.
    queue: Vec<u8>,
    /// All that is in the queue is written, then the socket's direction is closed.
    input_ended: bool,
    input_closed: bool,
    output_ended: bool,
}

fn failed(errno: Errno) -> Failure {
    let failure = Failure::from(errno);
    match errno.0 {
        // A Unix socket that is not there is one nobody listens on.
        libc::ENOENT | libc::ETIMEDOUT | libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT => {
            failure.with_code(Code::Unavailable)
        }
        _ => failure,
    }
}

impl Tunnel {
    /// Begins to connect to the first target that does not refuse at once.
    fn open(mut others: Vec<Target>, token: Token) -> Outcome<Self> {
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

    /// Whether the connection has come about; an error when it cannot any more.
    fn check_connection(&self) -> Sys<bool> {
        let mut poll = libc::pollfd { fd: self.socket.raw(), events: libc::POLLOUT, revents: 0 };
        let (mut error, mut length): (libc::c_int, _) = (0, size_of::<libc::c_int>() as libc::socklen_t);
        // SAFETY: one pollfd; an int of that length.
        unsafe {
            if libc::poll(&mut poll, 1, 0) == 0 {
                return Ok(false);
            }
            let error_at = (&raw mut error).cast();
            check(libc::getsockopt(self.socket.raw(), libc::SOL_SOCKET, libc::SO_ERROR, error_at, &mut length))?;
        }
        if error == 0 {
            Ok(true)
        } else {
            Err(Errno(error))
        }
    }

    /// Writes what it can of the queue; the number of bytes that are out of it. What the other side does not want any more
    /// is dropped.
    fn write(&mut self) -> usize {
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
                // SAFETY: an open socket.
                unsafe { libc::shutdown(self.socket.raw(), libc::SHUT_WR) };
            }
            self.queue.shrink_to(16 * 1024);
        }
        written
    }
}

impl Agent {
    pub fn tunnel(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let (mut address, mut port): (&[u8], u16) = (b"", 0);
        for (tag, value) in fields {
            match tag {
                1 => address = value,
                2 => port = record::narrow(value)?,
                _ => {}
            }
        }
        let streams = self.links.values().flat_map(|link| link.streams.values());
        if streams.filter(|stream| matches!(stream.work, Work::Tunnel(_))).count() >= MOST_TUNNELS {
            return Err(Failure::new(Code::ResourceExhausted, "too many tunnels"));
        }
        let tunnel = Tunnel::open(targets(address, port)?, Token::Stream(caller.link, caller.stream))?;
        Ok(Begun::Running(Work::Tunnel(Box::new(tunnel))))
    }

    pub fn on_tunnel_data(&mut self, caller: Caller, bytes: &[u8]) {
        if let Some(tunnel) = self.tunnel_of(caller) {
            tunnel.queue.extend_from_slice(bytes);
            self.advance_tunnel(caller.link, caller.stream);
        }
    }

    pub fn on_tunnel_end(&mut self, caller: Caller) {
        if let Some(tunnel) = self.tunnel_of(caller) {
            tunnel.input_ended = true;
            self.advance_tunnel(caller.link, caller.stream);
        }
    }

    fn tunnel_of(&mut self, caller: Caller) -> Option<&mut Tunnel> {
        match &mut self.links.get_mut(&caller.link)?.streams.get_mut(&caller.stream)?.work {
            Work::Tunnel(tunnel) => Some(tunnel),
            _ => None,
        }
    }

    pub fn advance_tunnel(&mut self, id: u32, number: u32) {
        if let Some(result) = self.move_tunnel(id, number) {
            self.finish_stream(id, number, result);
        }
    }

    /// Moves what can be moved in both directions; gives the result once the tunnel is done.
    fn move_tunnel(&mut self, id: u32, number: u32) -> Option<Outcome<Record>> {
        let link = self.links.get_mut(&id)?;
        let stream = link.streams.get_mut(&number)?;
        let Work::Tunnel(tunnel) = &mut stream.work else { return None };
        if !tunnel.connected {
            match tunnel.check_connection() {
                Ok(false) => {
                    tunnel.socket.watch(&self.poller, OUT);
                    return None;
                }
                Ok(true) => {
                    tunnel.connected = true;
                    link.outbox.message(number, message::CONNECTED, &Record::new());
                }
                Err(errno) => match Tunnel::open(std::mem::take(&mut tunnel.others), Token::Stream(id, number)) {
                    Ok(mut next) => {
                        next.queue = std::mem::take(&mut tunnel.queue);
                        next.input_ended = tunnel.input_ended;
                        next.socket.watch(&self.poller, OUT);
                        **tunnel = next;
                        return None;
                    }
                    Err(_) => return Some(Err(failed(errno))),
                },
            }
        }
        let written = tunnel.write();
        let mut wanted = if tunnel.queue.is_empty() { 0 } else { OUT };
        while !tunnel.output_ended {
            if link.outbox.is_full() {
                link.waiting.insert(number);
                break;
            }
            let most = usize::try_from(stream.credit).unwrap_or(usize::MAX);
            if most == 0 {
                break;
            }
            match link.outbox.data_with(number, 0, most, |buffer| sys::read(tunnel.socket.raw(), buffer)) {
                Ok(0) => {
                    tunnel.output_ended = true;
                    link.outbox.finish(number);
                }
                Ok(count) => stream.credit -= count as u64,
                Err(Errno(libc::EINTR)) => {}
                Err(Errno(libc::EAGAIN)) => {
                    wanted |= IN;
                    break;
                }
                Err(errno) => return Some(Err(failed(errno))),
            }
        }
        tunnel.socket.watch(&self.poller, wanted);
        let done = tunnel.output_ended && tunnel.input_closed;
        stream.consume(number, written, &mut link.outbox);
        done.then(|| Ok(Record::new()))
    }
}
