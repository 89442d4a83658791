//! Handles streams that leave a process. Some detach and let it go on. Others are lost, and the process is ended when
//! nobody comes back.

use super::request::wait_ms;
use crate::agent::Agent;
use crate::caller::Caller;
use crate::numbers::tag;
use crate::record::{self, Fields};
use crate::sys::process;
use crate::timers::Timer;

impl Agent {
    /// The stream was cancelled. The process goes on, and is never ended as an orphan once the last stream has been
    /// cancelled.
    pub fn detach(&mut self, exec: u64, caller: Caller) {
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        process.attachments.retain(|attachment| attachment.caller != caller);
        if process.attachments.is_empty() && process.orphaned.is_none() {
            process.wait_ms = 0;
        }
        self.pump(exec);
    }

    /// The session was lost without saying what should happen to the process.
    pub fn lose(&mut self, exec: u64, caller: Caller) {
        let wait_ms = self.processes.all.get(&exec).map_or(0, |process| process.wait_ms);
        self.orphan(exec, caller, wait_ms);
    }

    /// The host has lost the client that it acted for, or is about to end itself.
    pub fn leave(&mut self, exec: u64, caller: Caller, record: &[u8]) {
        let mut asked = 0;
        for (tag, value) in Fields::new(record) {
            if tag == tag::leave::WAIT_MS {
                let Ok(ms) = record::int(value) else { return };
                asked = wait_ms(ms);
            }
        }
        let own = self.processes.all.get(&exec).map_or(0, |process| process.wait_ms);
        if let Some(link) = self.links.get_mut(&caller.link) {
            link.waiting.remove(&caller.stream);
            link.streams.remove(&caller.stream);
        }
        self.orphan(exec, caller, if asked == 0 { own } else { asked });
    }

    fn orphan(&mut self, exec: u64, caller: Caller, wait_ms: u64) {
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        process.attachments.retain(|attachment| attachment.caller != caller);
        if process.attachments.is_empty() && wait_ms > 0 && !process.is_finished() {
            self.timers.cancel(&mut process.orphaned);
            process.orphaned = Some(self.timers.after_ms(wait_ms, Timer::ExecOrphan(exec)));
        }
        self.pump(exec);
    }

    /// The process depends on nobody any more.
    pub fn release(&mut self, exec: u64) {
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        self.timers.cancel(&mut process.orphaned);
        process.wait_ms = 0;
        self.pump(exec);
    }

    /// Nobody has come back. A process that depends on a client is ended, and its output no longer waits for one.
    pub fn on_orphan(&mut self, exec: u64) {
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        process.orphaned = None;
        if process.wait_ms > 0 && process.ended.is_none() {
            process.killed = true;
            process::kill(-process.pid, libc::SIGTERM);
            self.kill_later(exec);
        }
        self.pump(exec);
        self.retire_if_finished(exec);
    }
}
