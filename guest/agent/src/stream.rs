//! One request of a session, and the credit of both its directions.

use std::sync::Arc;

use crate::exec::hooking::Hooking;
use crate::exec::warming::Warming;
use crate::files::transfer::{Reading, Writing};
use crate::files::watching::Watching;
use crate::jobs::Job;
use crate::numbers::limit;
use crate::outbox::Outbox;
use crate::record::Record;
use crate::tunnel::connection::Tunnel;

/// Credit is granted back in portions of this size, so that small inputs cost no extra frames.
const GRANT: u32 = limit::CREDIT as u32 / 4;

pub enum Work {
    /// It is attached to the output of a process; with `control` the host may also send input.
    Exec {
        exec: u64,
        control: bool,
    },
    /// It runs on a worker thread.
    Job(Arc<Job>),
    Read(Reading),
    Write(Writing),
    Tunnel(Box<Tunnel>),
    Watch(Box<Watching>),
    Warm(Warming),
    Hooks(Box<Hooking>),
}

/// The state of a method after its start.
pub enum Begun {
    /// The method is done already.
    Done(Record),
    /// The method goes on as long as the stream is open.
    Running(Work),
}

pub struct Stream {
    /// The DATA bytes that may still be sent.
    pub credit: u64,
    /// The DATA bytes that the host may still send.
    window: u32,
    /// The bytes that were consumed but not yet granted back.
    consumed: u32,
    /// The host has sent FINISH.
    pub finished: bool,
    pub work: Work,
}

impl Stream {
    pub fn new(work: Work) -> Self {
        Stream { credit: limit::CREDIT as u64, window: limit::CREDIT as u32, consumed: 0, finished: false, work }
    }

    /// Accounts for arriving DATA; false when the host had no credit for it.
    pub fn receive(&mut self, bytes: usize) -> bool {
        match u32::try_from(bytes).ok().and_then(|bytes| self.window.checked_sub(bytes)) {
            Some(left) => {
                self.window = left;
                true
            }
            None => false,
        }
    }

    /// The bytes have been used, so the host may send as many more.
    pub fn consume(&mut self, number: u32, bytes: usize, outbox: &mut Outbox) {
        self.consumed = self.consumed.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.consumed >= GRANT && !self.finished {
            outbox.credit(number, self.consumed);
            self.window = self.window.saturating_add(self.consumed);
            self.consumed = 0;
        }
    }
}
