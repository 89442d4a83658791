//! What each frame means. Anything the protocol does not allow breaks the session.

use std::sync::Arc;

use crate::agent::Agent;
use crate::error::{Code, Failure, Outcome};
use crate::frame::{self, Frame};
use crate::jobs::{Job, Output};
use crate::record::{self, Record};
use crate::stream::{Stream, Work};

const MAX_STREAMS: usize = 1_024;

/// The types of MESSAGE frames.
pub mod message {
    pub const STARTED: u8 = 1;
    pub const STAT: u8 = 2;
    pub const ENTRY: u8 = 3;
    pub const WATCHING: u8 = 4;
    pub const CHANGE: u8 = 5;
    pub const OVERFLOW: u8 = 6;
    pub const CONNECTED: u8 = 7;
    pub const RESIZE: u8 = 16;
    pub const SIGNAL: u8 = 17;
}

/// The session is over; the host has to shake hands again.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken;

/// Who is asking: the address of every answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub link: u32,
    pub stream: u32,
}

/// How a method begins.
pub enum Begun {
    /// It is done already.
    Done(Record),
    /// It goes on as long as the stream is open.
    Running(Work),
}

impl Agent {
    pub fn on_frame(&mut self, id: u32, frame: &Frame) -> Result<(), Broken> {
        let link = self.links.get_mut(&id).ok_or(Broken)?;
        let caller = Caller { link: id, stream: frame.stream };
        if frame.kind == frame::PART {
            return link.add_part(frame.stream, frame.payload).then_some(()).ok_or(Broken);
        }
        let joined;
        let payload = if link.parts.is_some() {
            if !matches!(frame.kind, frame::OPEN | frame::MESSAGE) {
                return Err(Broken);
            }
            joined = link.take_parts(frame.stream, frame.payload).ok_or(Broken)?;
            joined.as_slice()
        } else {
            frame.payload
        };
        match frame.kind {
            frame::OPEN => self.on_open(caller, payload),
            frame::DATA => self.on_data(caller, payload),
            frame::MESSAGE => self.on_message(caller, payload),
            frame::CREDIT => self.on_credit(caller, payload),
            frame::FINISH => {
                self.on_finish(caller);
                Ok(())
            }
            frame::CANCEL => {
                self.close_stream(caller.link, caller.stream);
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
        let begun = if link.streams.len() < MAX_STREAMS {
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
        if channel != 0 || stream.finished || bytes.is_empty() {
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
            Work::Read(_) | Work::Watch(_) | Work::Warm(_) => {
                stream.consume(caller.stream, bytes.len(), &mut link.outbox)
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
        // Nothing answers a message, so a wrong one is passed over.
        match kind {
            message::RESIZE => drop(self.resize(exec, body)),
            message::SIGNAL => drop(self.signal_message(exec, body)),
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
            Work::Exec { .. } | Work::Read(_) | Work::Watch(_) | Work::Warm(_) => {}
            Work::Job(job) => {
                job.queues().input_ended = true;
                job.notify();
            }
            Work::Write(_) => self.on_write_end(caller),
            Work::Tunnel(_) => self.on_tunnel_end(caller),
        }
    }

    /// Something a stream was waiting for has happened: credit, room in the outbox, or its own source.
    pub fn advance(&mut self, link: u32, stream: u32) {
        let Some(open) = self.links.get(&link).and_then(|link| link.streams.get(&stream)) else { return };
        match &open.work {
            Work::Exec { exec, .. } => {
                let exec = *exec;
                self.pump(exec);
            }
            Work::Job(job) => {
                let job = job.clone();
                self.advance_job(link, stream, &job);
            }
            Work::Read(_) => self.advance_read(link, stream),
            Work::Write(_) => {}
            Work::Warm(_) => self.advance_warm(link, stream),
            Work::Tunnel(_) => self.advance_tunnel(link, stream),
            Work::Watch(_) => self.advance_watch(link, stream),
        }
    }

    pub fn on_stream_event(&mut self, link: u32, stream: u32, _flags: u32) {
        self.advance(link, stream);
    }

    pub fn on_jobs(&mut self) {
        for job in self.jobs.take_ready() {
            let open = self.links.get(&job.link).and_then(|link| link.streams.get(&job.stream));
            // The stream may have been cancelled, and its number used by a later session.
            if matches!(open, Some(Stream { work: Work::Job(current), .. }) if Arc::ptr_eq(current, &job)) {
                self.advance_job(job.link, job.stream, &job);
            }
        }
    }

    fn advance_job(&mut self, id: u32, number: u32, job: &Job) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(stream) = link.streams.get_mut(&number) else { return };
        let mut queues = job.queues();
        let consumed = std::mem::take(&mut queues.consumed);
        if consumed > 0 {
            stream.consume(number, consumed, &mut link.outbox);
        }
        while let Some(output) = queues.output.front_mut() {
            if link.outbox.is_full() {
                link.waiting.insert(number);
                break;
            }
            match output {
                Output::Message(kind, record) => {
                    link.outbox.message(number, *kind, record);
                    let size = record.0.len();
                    queues.sent(size);
                    queues.output.pop_front();
                }
                Output::Data(data) => {
                    let most = usize::try_from(stream.credit).unwrap_or(usize::MAX).min(data.len());
                    if most == 0 && !data.is_empty() {
                        break;
                    }
                    link.outbox.data(number, 0, &data[..most]);
                    stream.credit -= most as u64;
                    data.drain(..most);
                    let all = data.is_empty();
                    queues.sent(most);
                    if all {
                        queues.output.pop_front();
                    }
                }
            }
        }
        job.notify();
        if queues.output.is_empty() {
            if let Some(done) = queues.done.take() {
                drop(queues);
                self.finish_stream(id, number, done);
            }
        }
    }

    /// Answers a request and closes its stream.
    pub fn finish_stream(&mut self, id: u32, number: u32, result: Outcome<Record>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.streams.remove(&number).is_none() {
            return;
        }
        link.waiting.remove(&number);
        match result {
            Ok(record) => link.outbox.result(number, &record),
            Err(failure) => link.outbox.error(number, &failure),
        }
    }

    /// Frees what a stream holds; nothing is answered.
    pub fn close_stream(&mut self, id: u32, number: u32) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.waiting.remove(&number);
        match link.streams.remove(&number).map(|stream| stream.work) {
            Some(Work::Exec { exec, .. }) => self.detach(exec, Caller { link: id, stream: number }),
            Some(Work::Job(job)) => job.cancel(),
            // What these hold is closed with them.
            Some(Work::Read(_) | Work::Write(_) | Work::Tunnel(_) | Work::Watch(_) | Work::Warm(_)) | None => {}
        }
    }
}
