//! Acts on each frame. Anything that the protocol does not allow breaks the session.

use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Code, Failure};
use crate::frame::Frame;
use crate::numbers::{channel, frame_kind, limit, message};
use crate::record;
use crate::stream::{Begun, Stream, Work};

/// The session is over; the host has to shake hands again.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken;

impl Agent {
    pub fn on_frame(&mut self, id: u32, frame: &Frame) -> Result<(), Broken> {
        let link = self.links.get_mut(&id).ok_or(Broken)?;
        let caller = Caller { link: id, stream: frame.stream };
        if frame.kind == frame_kind::PART {
            return link.add_part(frame.stream, frame.payload).then_some(()).ok_or(Broken);
        }
        let joined;
        let payload = if link.parts.is_some() {
            if !matches!(frame.kind, frame_kind::OPEN | frame_kind::MESSAGE) {
                return Err(Broken);
            }
            joined = link.take_parts(frame.stream, frame.payload).ok_or(Broken)?;
            joined.as_slice()
        } else {
            frame.payload
        };
        match frame.kind {
            frame_kind::OPEN => self.on_open(caller, payload),
            frame_kind::DATA => self.on_data(caller, payload),
            frame_kind::MESSAGE => self.on_message(caller, payload),
            frame_kind::CREDIT => self.on_credit(caller, payload),
            frame_kind::FINISH => {
                self.on_finish(caller);
                Ok(())
            }
            frame_kind::CANCEL => {
                self.cancel_stream(caller.link, caller.stream);
                Ok(())
            }
            _ => Err(Broken),
        }
    }

    fn on_open(&mut self, caller: Caller, payload: &[u8]) -> Result<(), Broken> {
        let link = self.links.get_mut(&caller.link).ok_or(Broken)?;
        let (&method, arguments) = payload.split_first().ok_or(Broken)?;
        if caller.stream % 2 == 0 || caller.stream <= link.last_opened || !record::is_well_formed(arguments) {
            return Err(Broken);
        }
        link.last_opened = caller.stream;
        let begun = if link.streams.len() < limit::STREAMS {
            self.begin(caller, method, arguments)
        } else {
            Err(Failure::new(Code::ResourceExhausted, "too many streams"))
        };
        let Some(link) = self.links.get_mut(&caller.link) else { return Ok(()) };
        match begun {
            Ok(Begun::Done(record)) => link.outbox.result(caller.stream, &record),
            Err(failure) => link.outbox.error(caller.stream, &failure),
            Ok(Begun::Running(work)) => {
                link.streams.insert(caller.stream, Stream::new(work));
                self.advance(caller.link, caller.stream);
            }
        }
        Ok(())
    }

    fn on_data(&mut self, caller: Caller, payload: &[u8]) -> Result<(), Broken> {
        let (&channel, bytes) = payload.split_first().ok_or(Broken)?;
        let link = self.links.get_mut(&caller.link).ok_or(Broken)?;
        let Some(stream) = link.streams.get_mut(&caller.stream) else { return Ok(()) };
        if !stream.receive(bytes.len()) {
            return Err(Broken);
        }
        if channel != channel::INPUT || stream.finished || bytes.is_empty() {
            stream.consume(caller.stream, bytes.len(), &mut link.outbox);
            return Ok(());
        }
        match &stream.work {
            Work::Exec { exec, control: true } => {
                let exec = *exec;
                self.on_input(exec, caller, bytes);
            }
            Work::Exec { .. } => stream.consume(caller.stream, bytes.len(), &mut link.outbox),
            Work::Job(job) => {
                job.feed(bytes);
            }
            Work::Read(_) | Work::Watch(_) | Work::Warm(_) | Work::Hooks(_) => {
                stream.consume(caller.stream, bytes.len(), &mut link.outbox);
            }
            Work::Write(_) => self.on_write_data(caller, bytes),
            Work::Tunnel(_) => self.on_tunnel_data(caller, bytes),
        }
        Ok(())
    }

    fn on_message(&mut self, caller: Caller, payload: &[u8]) -> Result<(), Broken> {
        let (&kind, body) = payload.split_first().ok_or(Broken)?;
        if !record::is_well_formed(body) {
            return Err(Broken);
        }
        let link = self.links.get(&caller.link).ok_or(Broken)?;
        let exec = match link.streams.get(&caller.stream) {
            Some(Stream { work: Work::Exec { exec, .. }, .. }) => *exec,
            _ => return Ok(()),
        };
        // A message has no answer, so a wrong one is ignored.
        match kind {
            message::RESIZE => drop(self.resize(exec, body)),
            message::SIGNAL => drop(self.signal_message(exec, body)),
            message::LEAVE => self.leave(exec, caller, body),
            _ => {}
        }
        Ok(())
    }

    fn on_credit(&mut self, caller: Caller, payload: &[u8]) -> Result<(), Broken> {
        let bytes = u32::from_le_bytes(payload.try_into().map_err(|_| Broken)?);
        let link = self.links.get_mut(&caller.link).ok_or(Broken)?;
        if let Some(stream) = link.streams.get_mut(&caller.stream) {
            stream.credit = stream.credit.saturating_add(bytes.into());
            self.advance(caller.link, caller.stream);
        }
        Ok(())
    }

    fn on_finish(&mut self, caller: Caller) {
        let Some(link) = self.links.get_mut(&caller.link) else { return };
        let Some(stream) = link.streams.get_mut(&caller.stream) else { return };
        if std::mem::replace(&mut stream.finished, true) {
            return;
        }
        match &stream.work {
            Work::Exec { exec, control: true } => {
                let exec = *exec;
                self.on_input_end(exec);
            }
            Work::Exec { .. } | Work::Read(_) | Work::Watch(_) | Work::Warm(_) | Work::Hooks(_) => {}
            Work::Job(job) => {
                job.queues().input_ended = true;
                job.notify();
            }
            Work::Write(_) => self.on_write_end(caller),
            Work::Tunnel(_) => self.on_tunnel_end(caller),
        }
    }
}
