//! Moves open streams on, answers them, and closes them.

use std::sync::Arc;

use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::Outcome;
use crate::jobs::{Job, Output};
use crate::numbers::channel;
use crate::record::Record;
use crate::stream::{Stream, Work};

impl Agent {
    /// Moves a stream on after the event that it waited for: credit, room in the outbox, or data from its own source.
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
            Work::Hooks(_) => self.advance_hooks(link, stream),
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
                    link.outbox.data(number, channel::CONTENT, &data[..most]);
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

    /// The host has lost interest in a stream.
    pub fn cancel_stream(&mut self, id: u32, number: u32) {
        if let Some(exec) = self.close_stream(id, number) {
            self.detach(exec, Caller { link: id, stream: number });
        }
    }

    /// The session of a stream has ended without cancelling it.
    pub fn lose_stream(&mut self, id: u32, number: u32) {
        if let Some(exec) = self.close_stream(id, number) {
            self.lose(exec, Caller { link: id, stream: number });
        }
    }

    /// Frees what a stream holds, without an answer. Gives the process that it was attached to.
    fn close_stream(&mut self, id: u32, number: u32) -> Option<u64> {
        let link = self.links.get_mut(&id)?;
        link.waiting.remove(&number);
        match link.streams.remove(&number).map(|stream| stream.work) {
            Some(Work::Exec { exec, .. }) => return Some(exec),
            Some(Work::Job(job)) => job.cancel(),
            Some(Work::Hooks(hooking)) => self.abandon_hooks(&hooking),
            // Their resources are closed with them.
            Some(Work::Read(_) | Work::Write(_) | Work::Tunnel(_) | Work::Watch(_) | Work::Warm(_)) | None => {}
        }
        None
    }
}
