//! The state of a process, and of the streams that see its output.

use std::os::fd::RawFd;
use std::rc::Rc;

use super::errand::Errand;
use super::input::Input;
use super::ring::Ring;
use crate::caller::Caller;
use crate::numbers::tag;
use crate::poll::Watched;
use crate::record::Record;
use crate::timers::Key;
use crate::users::Account;

/// A stream that is attached to the output of a process.
pub struct Attachment {
    pub(super) caller: Caller,
    /// Bytes of each channel already sent.
    pub(super) position: [u64; 2],
}

/// One output of a process, and what is kept of it.
pub struct Channel {
    pub(super) source: Option<Watched>,
    pub(super) ring: Ring,
    /// The process has ended and its output is overdue: only this many bytes, which are in the pipe already, are still
    /// taken.
    pub(super) last_bytes: Option<usize>,
}

/// How a process has ended.
pub struct Ended {
    pub(super) exit_code: u64,
    pub(super) signal: i32,
    pub(super) oom_killed: bool,
    pub(super) usage: libc::rusage,
    pub(super) wall_ns: u64,
}

pub struct Process {
    pub(super) pid: i32,
    pub(super) argv: Vec<Vec<u8>>,
    pub(super) env: Vec<Vec<u8>>,
    pub(super) cwd: Vec<u8>,
    pub(super) account: Rc<Account>,
    pub(super) tag: Vec<u8>,
    pub(super) started_wall_ns: u64,
    pub(super) started_ns: u64,
    pub(super) is_pty: bool,
    pub(super) channels: [Channel; 2],
    pub(super) input: Input,
    pub(super) attachments: Vec<Attachment>,
    pub(super) timeout: Option<Key>,
    pub(super) output_overdue: Option<Key>,
    /// The agent's side of a terminal that nobody else holds open while the process runs on.
    pub(super) terminal: Option<Watched>,
    pub(super) timed_out: bool,
    /// How long the process waits for streams whose session was lost before it is ended; 0 means that it never ends for
    /// this reason.
    pub(super) wait_ms: u64,
    /// Nobody is attached any more, but a client may come back: the output waits until this timer.
    pub(super) orphaned: Option<Key>,
    /// The agent has sent it a signal that kills.
    pub(super) killed: bool,
    pub(super) ended: Option<Ended>,
    /// The agent runs it for itself.
    pub(super) errand: Option<Errand>,
    /// It has been moved to the ended ones, because its output has ended too.
    pub(super) retired: bool,
    /// It is no longer listed, and only kept until the attached streams have seen all of it.
    pub(super) forgotten: bool,
}

impl Process {
    /// Whether the process has ended, and its output too.
    pub(super) fn is_finished(&self) -> bool {
        self.ended.is_some() && self.channels.iter().all(|channel| channel.source.is_none())
    }

    /// The end of what it wrote to stdout.
    pub(super) fn last_output(&self, most: u64) -> Vec<u8> {
        let ring = &self.channels[0].ring;
        let mut at = ring.total().saturating_sub(most).max(ring.oldest());
        let mut output = Vec::new();
        while at < ring.total() {
            let piece = ring.from(at);
            output.extend_from_slice(piece);
            at += piece.len() as u64;
        }
        output
    }

    pub(super) fn exit_record(&self, exec: u64) -> Option<Record> {
        let ended = self.ended.as_ref()?;
        let microseconds = |time: libc::timeval| (time.tv_sec as u64) * 1_000_000 + time.tv_usec as u64;
        let mut record = Record::new();
        record
            .int(tag::exit::EXIT_CODE, ended.exit_code)
            .int(tag::exit::SIGNAL, ended.signal as u64)
            .flag(tag::exit::TIMED_OUT, self.timed_out)
            .int(tag::exit::EXEC_ID, exec)
            .int(tag::exit::STDOUT_BYTES, self.channels[0].ring.total())
            .int(tag::exit::STDERR_BYTES, self.channels[1].ring.total())
            .int(tag::exit::USER_US, microseconds(ended.usage.ru_utime))
            .int(tag::exit::SYSTEM_US, microseconds(ended.usage.ru_stime))
            .int(tag::exit::MAX_RSS_KB, ended.usage.ru_maxrss as u64)
            .int(tag::exit::WALL_US, ended.wall_ns / 1_000)
            .flag(tag::exit::OOM_KILLED, ended.oom_killed);
        Some(record)
    }

    /// The descriptor that its input goes to.
    pub(super) fn input_fd(&self) -> Option<RawFd> {
        if self.is_pty {
            self.channels[0].source.as_ref().map(Watched::raw)
        } else {
            self.input.pipe.as_ref().map(Watched::raw)
        }
    }
}
