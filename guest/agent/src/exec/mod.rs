//! Processes: they belong to the agent, not to a session. Streams attach to their output and come and go.

mod attach;
mod end;
mod environment;
mod input;
mod launch;
mod list;
mod orphan;
mod output;
mod pty;
mod request;
mod ring;
mod spawn;
mod start;
mod warm;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::dispatch::Caller;
use crate::poll::Watched;
use crate::record::Record;
use crate::sys::Sys;
use crate::timers::Key;
use crate::users::Account;

pub use warm::Warming;

use input::Input;
use ring::Ring;
use spawn::Spawner;

/// Running at once; far more than a guest of any sensible size can hold.
const MAX_RUNNING: usize = 1_024;
/// Output all processes keep together, beyond the `SMALLEST_RING` each may have.
const RETAIN_TOGETHER: usize = 64 << 20;

/// A stream that is shown the output of a process.
struct Attachment {
    caller: Caller,
    /// Bytes of each channel already sent.
    position: [u64; 2],
}

/// One direction of output and what is kept of it.
struct Channel {
    source: Option<Watched>,
    ring: Ring,
    /// The process has ended and its output is overdue: only these bytes, already in the pipe, are still taken.
    last_bytes: Option<usize>,
}

/// How a process has ended.
struct Ended {
    exit_code: u64,
    signal: i32,
    oom_killed: bool,
    usage: libc::rusage,
    wall_ns: u64,
}

struct Process {
    pid: i32,
    argv: Vec<Vec<u8>>,
    env: Vec<Vec<u8>>,
    cwd: Vec<u8>,
    account: Rc<Account>,
    tag: Vec<u8>,
    started_wall_ns: u64,
    started_ns: u64,
    is_pty: bool,
    channels: [Channel; 2],
    input: Input,
    attachments: Vec<Attachment>,
    timeout: Option<Key>,
    output_overdue: Option<Key>,
    /// Our side of a terminal that nobody else holds open, while the process runs on.
    terminal: Option<Watched>,
    timed_out: bool,
    /// How long it waits for those whose session was lost, before it is ended; 0: it does not depend on anybody.
    wait_ms: u64,
    /// Nobody is attached any more, and somebody may come back: its output waits.
    orphaned: Option<Key>,
    /// The agent has sent it a deadly signal.
    killed: bool,
    ended: Option<Ended>,
    /// Traced, and run for nothing but what it brings into memory.
    warming: Option<Caller>,
    /// Among the ended ones: its output has ended too.
    retired: bool,
    /// No longer listed; only kept until those attached have seen it all.
    forgotten: bool,
}

impl Process {
    /// It has ended and so has its output.
    fn is_finished(&self) -> bool {
        self.ended.is_some() && self.channels.iter().all(|channel| channel.source.is_none())
    }

    fn exit_record(&self, exec: u64) -> Option<Record> {
        let ended = self.ended.as_ref()?;
        let microseconds = |time: libc::timeval| (time.tv_sec as u64) * 1_000_000 + time.tv_usec as u64;
        let mut record = Record::new();
        record
            .int(1, ended.exit_code)
            .int(2, ended.signal as u64)
            .flag(3, self.timed_out)
            .int(4, exec)
            .int(5, self.channels[0].ring.total())
            .int(6, self.channels[1].ring.total())
            .int(7, microseconds(ended.usage.ru_utime))
            .int(8, microseconds(ended.usage.ru_stime))
            .int(9, ended.usage.ru_maxrss as u64)
            .int(10, ended.wall_ns / 1_000)
            .flag(11, ended.oom_killed);
        Some(record)
    }
}

pub struct Processes {
    all: BTreeMap<u64, Process>,
    by_pid: BTreeMap<i32, u64>,
    /// Ended ones in order, with the time each is forgotten.
    ended: VecDeque<(u64, u64)>,
    forget_timer: Option<Key>,
    last_id: u64,
    spawner: Spawner,
    /// OOM kills seen so far.
    oom_kills: u64,
}

impl Processes {
    pub fn new() -> Sys<Self> {
        Ok(Processes {
            all: BTreeMap::new(),
            by_pid: BTreeMap::new(),
            ended: VecDeque::new(),
            forget_timer: None,
            last_id: 0,
            spawner: Spawner::new()?,
            oom_kills: 0,
        })
    }

    /// The kernel never picks the agent when memory runs out.
    pub fn protect_agent(&mut self) -> Sys<()> {
        self.spawner.protect_agent()
    }

    pub fn none_running(&self) -> bool {
        self.by_pid.is_empty()
    }

    /// Every process leads a group of the same number.
    pub fn running_groups(&self) -> impl Iterator<Item = i32> + '_ {
        self.by_pid.keys().copied()
    }

    /// Memory that kept output takes beyond what each process may have anyway.
    fn retained(&self) -> usize {
        self.all.values().flat_map(|process| &process.channels).map(|channel| channel.ring.extra()).sum()
    }
}
