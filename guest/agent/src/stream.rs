//! One request of a session and the credit of both its directions.

use std::sync::Arc;

use crate::exec::Warming;
use crate::files::{Reading, Watching, Writing};
use crate::frame::INITIAL_CREDIT;
use crate::jobs::Job;
use crate::link::Outbox;
use crate::tunnel::Tunnel;

/// Credit is granted back in portions of this size, so that small inputs cost no extra frames.
const GRANT: u32 = INITIAL_CREDIT / 4;

pub enum Work {
    /// Attached to the output of a process; with `control` the host may also send input.
    Exec {
        exec: u64,
        control: bool,
    },
    /// Runs on a worker thread.
    Job(Arc<Job>),
    Read(Reading),
    Write(Writing),
    Tunnel(Box<Tunnel>),
    Watch(Box<Watching>),
    Warm(Warming),
}

pub struct Stream {
    /// DATA bytes that may still be sent.
    pub credit: u64,
    /// DATA bytes the host may still send.
    window: u32,
    /// Consumed, but not yet granted back.
    consumed: u32,
    /// The host has sent FINISH.
    pub finished: bool,
    pub work: Work,
}

impl Stream {
    pub fn new(work: Work) -> Self {
        Stream { credit: INITIAL_CREDIT.into(), window: INITIAL_CREDIT, consumed: 0, finished: false, work }
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

    /// The bytes have gone where they belong: the host may send as many more.
    pub fn consume(&mut self, number: u32, bytes: usize, outbox: &mut Outbox) {
        self.consumed = self.consumed.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.consumed >= GRANT && !self.finished {
            outbox.credit(number, self.consumed);
            self.window = self.window.saturating_add(self.consumed);
            self.consumed = 0;
        }
    }
}
