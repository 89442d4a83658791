//! Moves bytes between links and sessions: output first, then streams that wait to write, then input.

use crate::agent::Agent;
use crate::dispatch::Broken;
use crate::frame::{self, Item};
use crate::link::LinkKind;
use crate::poll::{Token, ERR, HUP, OUT};
use crate::sys::{self, clock, Errno};
use crate::timers::{Timer, MS};

/// How many rounds one link gets before the others have their turn.
const ROUNDS: u32 = 4;
/// How many bytes are taken from one link before its answers are sent.
const INPUT_AT_ONCE: usize = 256 * 1024;
/// How long the agent acts for one link before its answers are sent. A start takes as long as the new program needs to
/// come up, and a hundred starts may arrive in one read.
const ACTING_AT_ONCE_NS: u64 = 5 * MS;
/// How long a host may be away before its session is freed. The guest learns of data and of connections in another
/// order than they happened, so a hang-up alone says little.
const HOST_GONE_MS: u64 = 1_000;

impl Agent {
    pub fn on_link_event(&mut self, id: u32, flags: u32) {
        if let Some(link) = self.links.get_mut(&id) {
            link.readable = true;
            // After a hang-up, a write shows what has happened to a socket. A port would only report again and again
            // that nobody is there.
            let hung_up = link.kind == LinkKind::Socket && flags & (HUP | ERR) != 0;
            if hung_up || flags & OUT != 0 {
                link.became_writable(&self.poller, Token::Link(id));
            }
        }
    }

    pub fn serve_all(&mut self) {
        let mut from = 0;
        while let Some((&id, _)) = self.links.range(from..).next() {
            self.serve(id);
            from = id + 1;
        }
    }

    fn serve(&mut self, id: u32) {
        for _ in 0..ROUNDS {
            let Some(link) = self.links.get_mut(&id) else { return };
            if link.flush(&self.poller, Token::Link(id)).is_err() {
                return self.drop_link(id);
            }
            if link.outbox.is_full() {
                return;
            }
            if !link.waiting.is_empty() {
                for stream in std::mem::take(&mut link.waiting) {
                    self.advance(id, stream);
                }
            } else if link.readable || link.undecoded {
                self.receive(id);
            } else {
                return;
            }
        }
        self.again = true;
    }

    /// Reads and acts on frames until there are no more, or the session owes the host too much output.
    fn receive(&mut self, id: u32) {
        let Some(link) = self.links.get_mut(&id) else { return };
        // The decoder is taken out of the link while frames borrow from it.
        let mut decoder = std::mem::take(&mut link.decoder);
        let mut taken = 0;
        let until = clock::now_ns() + ACTING_AT_ONCE_NS;
        loop {
            let decoded_all = self.decode(id, &mut decoder, until);
            let Some(link) = self.links.get_mut(&id) else { return };
            link.undecoded = !decoded_all;
            if !decoded_all || !link.readable || taken >= INPUT_AT_ONCE {
                break;
            }
            let space = decoder.space();
            let room = space.len();
            match (sys::read(link.raw(), space), link.kind) {
                (Ok(0), LinkKind::Port) => {
                    link.readable = false;
                    if link.host_gone.is_none() {
                        link.host_gone = Some(self.timers.after_ms(HOST_GONE_MS, Timer::HostGone(id)));
                    }
                }
                (Ok(0), LinkKind::Socket) => return self.drop_link(id),
                (Ok(count), kind) => {
                    decoder.filled(count);
                    taken += count;
                    // A socket gives everything it has; a port gives one of its buffers.
                    link.readable = kind == LinkKind::Port || count == room;
                }
                (Err(Errno(libc::EINTR)), _) => {}
                (Err(Errno(libc::EAGAIN)), _) | (Err(_), LinkKind::Port) => link.readable = false,
                (Err(_), LinkKind::Socket) => return self.drop_link(id),
            }
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.decoder = decoder;
        }
    }

    /// Decodes and acts; false when frames may be left for later, because the output is full or the time is up.
    fn decode(&mut self, id: u32, decoder: &mut frame::Decoder, until: u64) -> bool {
        while let Some(item) = decoder.next() {
            match item {
                Item::Frame(frame) => {
                    if let Err(Broken) = self.on_frame(id, &frame) {
                        decoder.hunt();
                        self.reset_session(id);
                    }
                }
                Item::Broken => self.reset_session(id),
                Item::Handshake { lowest, highest, nonce } => {
                    self.reset_session(id);
                    if let Some(link) = self.links.get_mut(&id) {
                        self.timers.cancel(&mut link.host_gone);
                        link.outbox.raw(&frame::handshake_answer(lowest, highest, &nonce));
                    }
                }
            }
            match self.links.get(&id) {
                Some(link) if !link.outbox.is_full() && clock::now_ns() < until => {}
                _ => return false,
            }
        }
        true
    }

    pub fn reset_session(&mut self, id: u32) {
        while let Some((&stream, _)) = self.links.get(&id).and_then(|link| link.streams.first_key_value()) {
            self.lose_stream(id, stream);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.reset();
        }
    }

    pub fn drop_link(&mut self, id: u32) {
        self.reset_session(id);
        if let Some(mut link) = self.links.remove(&id) {
            self.timers.cancel(&mut link.host_gone);
        }
    }

    /// Frees the session of a port that has had no host for a while. The handshake of the next host would do the same.
    pub fn on_host_gone(&mut self, id: u32) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.host_gone = None;
        if sys::poll_now(link.raw(), libc::POLLOUT) & libc::POLLHUP != 0 {
            link.decoder.hunt();
            link.decoder.release();
            self.reset_session(id);
        }
    }
}
