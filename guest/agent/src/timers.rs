//! Points in time at which something has to happen, in order.

use std::collections::BTreeMap;

use crate::sys::clock::now_ns;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The time limit of the process is over, and it gets SIGTERM.
    ExecLimit(u64),
    /// Two seconds later the group with this number gets SIGKILL.
    ExecKill(u64, i32),
    /// The process has ended, and its output is no longer waited for.
    ExecOutput(u64),
    /// The end of input is sent to the terminal of the process again, and the next time after this many milliseconds.
    ExecInputEnd(u64, u64),
    /// No client has come back for the process.
    ExecOrphan(u64),
    /// Ended processes are old enough to be forgotten.
    ForgetEnded,
    /// The port has had no host for a while.
    HostGone(u32),
    /// The lifetime of the sandbox is over.
    Deadline,
    /// The grace period of a shutdown is over.
    KillAll,
    /// A descriptor may be free for waiting connections.
    AcceptAgain,
    /// No channel has appeared.
    NoChannel,
}

/// The time, and a number that distinguishes equal times.
pub type Key = (u64, u64);

#[derive(Default)]
pub struct Timers {
    due: BTreeMap<Key, Timer>,
    next: u64,
}

pub const MS: u64 = 1_000_000;

impl Timers {
    pub fn at(&mut self, when: u64, timer: Timer) -> Key {
        self.next += 1;
        let key = (when, self.next);
        self.due.insert(key, timer);
        key
    }

    pub fn after_ms(&mut self, ms: u64, timer: Timer) -> Key {
        self.at(now_ns().saturating_add(ms.saturating_mul(MS)), timer)
    }

    pub fn cancel(&mut self, key: &mut Option<Key>) {
        if let Some(key) = key.take() {
            self.due.remove(&key);
        }
    }

    /// Gives how long epoll may wait: -1 without any timer. It is rounded up, so that the wait never ends too early.
    pub fn timeout_ms(&self) -> i32 {
        match self.due.first_key_value() {
            None => -1,
            Some(((when, _), _)) => {
                let left = when.saturating_sub(now_ns()).div_ceil(MS);
                i32::try_from(left).unwrap_or(i32::MAX)
            }
        }
    }

    /// Takes the next timer whose time has come.
    pub fn take_due(&mut self) -> Option<Timer> {
        let (&key, _) = self.due.first_key_value()?;
        if key.0 > now_ns() {
            return None;
        }
        self.due.remove(&key)
    }
}
