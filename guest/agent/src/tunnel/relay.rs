//! Moves bytes between streams and their sockets.

use super::connect::targets;
use super::connection::{failed, Tunnel};
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Code, Failure, Outcome};
use crate::numbers::{channel, message, tag};
use crate::poll::{Token, IN, OUT};
use crate::record::{self, Fields, Record};
use crate::stream::{Begun, Work};
use crate::sys::{self, Errno};

/// The most tunnels together: each holds a descriptor.
const MOST_TUNNELS: usize = 8_192;

impl Agent {
    pub fn tunnel(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let (mut address, mut port): (&[u8], u16) = (b"", 0);
        for (tag, value) in fields {
            match tag {
                tag::tunnel::ADDRESS => address = value,
                tag::tunnel::PORT => port = record::narrow(value)?,
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

    /// Moves bytes in both directions, and gives the result once the tunnel is done.
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
            match link.outbox.data_with(number, channel::CONTENT, most, |buffer| sys::read(tunnel.socket.raw(), buffer))
            {
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
