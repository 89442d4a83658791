//! The end of processes: reaping, time limits, signals, and what is kept of them for a while.

use super::{Ended, Processes};
use crate::agent::Agent;
use crate::error::{Code, Failure, Outcome};
use crate::metrics;
use crate::record::{self, Fields, Record};
use crate::sys;
use crate::timers::{Timer, MS};

/// Between SIGTERM and SIGKILL at a time limit.
const KILL_AFTER_MS: u64 = 2_000;
/// How long output is waited for that descendants keep open.
const OUTPUT_AFTER_MS: u64 = 200;
/// How long an ended process can be attached.
const FORGET_AFTER_MS: u64 = 30_000;
const MOST_ENDED: usize = 256;

impl Agent {
    /// Every child that has ended, orphans included.
    pub fn reap(&mut self) {
        let had_running = !self.processes.none_running();
        loop {
            let mut status = 0;
            // SAFETY: both are filled by the call.
            let (pid, usage) = unsafe {
                let mut usage = std::mem::zeroed();
                (libc::wait4(-1, &mut status, libc::WNOHANG, &mut usage), usage)
            };
            if pid <= 0 {
                break;
            }
            if libc::WIFSTOPPED(status) {
                self.on_trace_stop(pid, status);
            } else if let Some(exec) = self.processes.by_pid.remove(&pid) {
                self.on_end(exec, status, usage);
            }
        }
        if had_running && self.processes.none_running() {
            self.on_nobody_left();
        }
    }

    fn on_end(&mut self, exec: u64, status: i32, usage: libc::rusage) {
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        let signal = if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 0 };
        let code = if signal == 0 { libc::WEXITSTATUS(status) } else { 128 + signal };
        // Only a SIGKILL that the agent did not send can be the kernel's. A shell whose child ended so says it by its code.
        let mut oom_killed = false;
        if code == 128 + libc::SIGKILL && !process.killed {
            let kills = metrics::oom_kills();
            oom_killed = kills > self.processes.oom_kills;
            self.processes.oom_kills = kills;
        }
        let wall_ns = sys::now_ns().saturating_sub(process.started_ns);
        process.ended = Some(Ended { exit_code: code as u64, signal, oom_killed, usage, wall_ns });
        process.input.close();
        process.terminal = None;
        self.timers.cancel(&mut process.input.end_again);
        self.timers.cancel(&mut process.timeout);
        let open = process.channels.iter().any(|channel| channel.source.is_some());
        if open && (signal != 0 || process.killed) {
            self.on_output_overdue(exec);
        } else if open {
            process.output_overdue = Some(self.timers.after_ms(OUTPUT_AFTER_MS, Timer::ExecOutput(exec)));
        }
        self.pump(exec);
        self.retire_if_finished(exec);
    }

    /// Whatever is in the pipes now is still taken, and nothing that comes later.
    pub fn on_output_overdue(&mut self, exec: u64) {
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        for channel in &mut process.channels {
            let Some(source) = &channel.source else { continue };
            match sys::bytes_waiting(source.raw()) {
                0 => channel.source = None,
                waiting => channel.last_bytes = Some(waiting),
            }
        }
        self.pump(exec);
        self.retire_if_finished(exec);
    }

    pub fn on_exec_limit(&mut self, exec: u64) {
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        process.timeout = None;
        process.timed_out = true;
        process.killed = true;
        sys::kill(-process.pid, libc::SIGTERM);
        self.kill_later(exec);
    }

    /// Kills what is left of its group after a SIGTERM.
    pub(super) fn kill_later(&mut self, exec: u64) {
        if let Some(process) = self.processes.all.get(&exec) {
            self.timers.after_ms(KILL_AFTER_MS, Timer::ExecKill(exec, process.pid));
        }
    }

    /// Also reaches descendants that outlived the process itself. The kernel does not use a group's number for another
    /// process while the group exists; where it has come to an end and a new process has the number, that one is left alone.
    pub fn on_exec_kill(&mut self, exec: u64, group: i32) {
        if self.processes.by_pid.get(&group).is_none_or(|&holder| holder == exec) {
            sys::kill(-group, libc::SIGKILL);
        }
    }

    /// To the ended ones, once the output has ended too.
    pub fn retire_if_finished(&mut self, exec: u64) {
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        if !process.is_finished() || process.retired {
            return;
        }
        process.retired = true;
        process.channels.iter_mut().for_each(|channel| channel.ring.seal());
        self.timers.cancel(&mut process.output_overdue);
        self.timers.cancel(&mut process.orphaned);
        if let Some(caller) = process.warming {
            self.processes.all.remove(&exec);
            return self.on_warm_end(caller);
        }
        self.processes.ended.push_back((sys::now_ns() + FORGET_AFTER_MS * MS, exec));
        while self.processes.ended.len() > MOST_ENDED {
            self.processes.forget_oldest();
        }
        if self.processes.forget_timer.is_none() {
            self.processes.forget_timer = Some(self.timers.after_ms(FORGET_AFTER_MS, Timer::ForgetEnded));
        }
    }

    pub fn forget_ended(&mut self) {
        self.processes.forget_timer = None;
        let now = sys::now_ns();
        while let Some(&(when, _)) = self.processes.ended.front() {
            if when > now {
                self.processes.forget_timer = Some(self.timers.at(when, Timer::ForgetEnded));
                return;
            }
            self.processes.forget_oldest();
        }
    }

    pub fn signal(&mut self, fields: Fields) -> Outcome<Record> {
        let mut exec = 0;
        let mut signal = 0;
        for (tag, value) in fields {
            match tag {
                1 => exec = record::int(value)?,
                2 => signal = record::narrow(value)?,
                _ => {}
            }
        }
        self.send_signal(exec, signal)?;
        Ok(Record::new())
    }

    pub fn signal_message(&mut self, exec: u64, record: &[u8]) -> Outcome<()> {
        let mut signal = 0;
        for (tag, value) in Fields::new(record) {
            if tag == 1 {
                signal = record::narrow(value)?;
            }
        }
        self.send_signal(exec, signal)
    }

    fn send_signal(&mut self, exec: u64, signal: i32) -> Outcome<()> {
        if !(1..=64).contains(&signal) {
            return Err(Failure::invalid("no such signal"));
        }
        match self.processes.all.get_mut(&exec) {
            Some(process) if process.ended.is_none() => {
                process.killed |= matches!(signal, libc::SIGKILL | libc::SIGTERM);
                sys::kill(-process.pid, signal);
                Ok(())
            }
            _ => Err(Failure::new(Code::NotFound, "no such running process")),
        }
    }
}

impl Processes {
    fn forget_oldest(&mut self) {
        let Some((_, exec)) = self.ended.pop_front() else { return };
        if let Some(process) = self.all.get_mut(&exec) {
            process.forgotten = true;
            if process.attachments.is_empty() {
                self.all.remove(&exec);
            }
        }
    }
}
