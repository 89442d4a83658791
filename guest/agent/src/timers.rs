//! Points in time at which something has to happen, in order.

use std::collections::BTreeMap;

use crate::sys::now_ns;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The process has used up its time: SIGTERM.
    ExecLimit(u64),
    /// Two seconds after that: SIGKILL to the group with this number.
    ExecKill(u64, i32),
    /// The process has ended; its output is not waited for any longer.
    ExecOutput(u64),
    /// The process's terminal is told the end of its input again, and next time after so many milliseconds.
    ExecInputEnd(u64, u64),
    /// Nobody has come back for the process.
    ExecOrphan(u64),
    /// Ended processes are old enough to be forgotten.
    ForgetEnded,
    /// The port has had no host for a while.
    HostGone(u32),
    /// The sandbox has lived as long as it may.
    Deadline,
    /// The grace period of a shutdown is over.
    KillAll,
    /// There may be a descriptor for those who want to connect.
    AcceptAgain,
    /// No channel has appeared.
    NoChannel,
}

/// When, and a number that keeps equal times apart.
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

    /// How long epoll may wait: -1 without any timer. Rounded up so that it never wakes before the time.
    pub fn timeout_ms(&self) -> i32 {
        match self.due.first_key_value() {
            None => -1,
            Some(((when, _), _)) => {
                let left = when.saturating_sub(now_ns()).div_ceil(MS);
                i32::try_from(left).unwrap_or(i32::MAX)
            }
        }
    }

    /// The next timer whose time has come.
    pub fn take_due(&mut self) -> Option<Timer> {
        let (&key, _) = self.due.first_key_value()?;
        if key.0 > now_ns() {
            return None;
        }
        self.due.remove(&key)
    }
}
