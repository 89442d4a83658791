//! Handles the end of processes: reaping, time limits, signals, and what is kept for a while.

use super::errand::Errand;
use super::process::Ended;
use crate::agent::Agent;
use crate::error::{Code, Failure, Outcome};
use crate::metrics;
use crate::numbers::tag;
use crate::record::{self, Fields, Record};
use crate::sys::process::{self, Waited};
use crate::sys::{self, clock};
use crate::timers::{Timer, MS};

/// The time between SIGTERM and SIGKILL at a time limit.
const KILL_AFTER_MS: u64 = 2_000;
/// How long the agent waits for output that descendants keep open.
const OUTPUT_AFTER_MS: u64 = 200;
/// How long an ended process can be attached.
const FORGET_AFTER_MS: u64 = 600_000;
const MOST_ENDED: usize = 256;

impl Agent {
    /// Reaps every child that has ended, orphans included.
    pub fn reap(&mut self) {
        let had_running = !self.processes.none_running();
        while let Ok(Some(Waited { pid, status, usage })) = process::take_child() {
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
        // A SIGKILL that the agent did not send may come from the kernel. A shell whose child ended that way says so by
        // its exit code.
        let mut oom_killed = false;
        if code == 128 + libc::SIGKILL && !process.killed {
            let kills = metrics::oom_kills();
            oom_killed = kills > self.processes.oom_kills;
            self.processes.oom_kills = kills;
        }
        let wall_ns = clock::now_ns().saturating_sub(process.started_ns);
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

    /// Takes the bytes that are in the pipes now, and none that come later.
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
        process::kill(-process.pid, libc::SIGTERM);
        self.kill_later(exec);
    }

    /// Kills what is left of the group after a SIGTERM.
    pub(super) fn kill_later(&mut self, exec: u64) {
        if let Some(process) = self.processes.all.get(&exec) {
            self.timers.after_ms(KILL_AFTER_MS, Timer::ExecKill(exec, process.pid));
        }
    }

    /// Also reaches descendants that outlived the process. While the group exists, the kernel does not give its number
    /// to another process. If the group has ended and a new process has the number, that process is left alone.
    pub fn on_exec_kill(&mut self, exec: u64, group: i32) {
        if self.processes.by_pid.get(&group).is_none_or(|&holder| holder == exec) {
            process::kill(-group, libc::SIGKILL);
        }
    }

    /// Moves a process to the ended ones once its output has ended too.
    pub fn retire_if_finished(&mut self, exec: u64) {
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        if !process.is_finished() || process.retired {
            return;
        }
        process.retired = true;
        process.channels.iter_mut().for_each(|channel| channel.ring.seal());
        self.timers.cancel(&mut process.output_overdue);
        self.timers.cancel(&mut process.orphaned);
        if let Some(errand) = process.errand {
            return self.end_errand(exec, errand);
        }
        self.processes.ended.push_back((clock::now_ns() + FORGET_AFTER_MS * MS, exec));
        while self.processes.ended.len() > MOST_ENDED {
            self.processes.forget_oldest();
        }
        if self.processes.forget_timer.is_none() {
            self.processes.forget_timer = Some(self.timers.after_ms(FORGET_AFTER_MS, Timer::ForgetEnded));
        }
    }

    fn end_errand(&mut self, exec: u64, errand: Errand) {
        let Some(process) = self.processes.all.remove(&exec) else { return };
        match (errand, &process.ended) {
            (Errand::Warm(caller), _) => self.on_warm_end(caller),
            (Errand::Hook(caller), Some(ended)) => self.on_hook_end(caller, exec, &process, ended),
            (Errand::Hook(_), None) => {}
        }
    }

    pub fn forget_ended(&mut self) {
        self.processes.forget_timer = None;
        let now = clock::now_ns();
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
                tag::signal::EXEC_ID => exec = record::int(value)?,
                tag::signal::SIGNAL => signal = record::narrow(value)?,
                _ => {}
            }
        }
        self.send_signal(exec, signal)?;
        Ok(Record::new())
    }

    pub fn signal_message(&mut self, exec: u64, record: &[u8]) -> Outcome<()> {
        let mut signal = 0;
        for (tag, value) in Fields::new(record) {
            if tag == tag::signal_message::SIGNAL {
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
                process::kill(-process.pid, signal);
                Ok(())
            }
            _ => Err(Failure::new(Code::NotFound, "no such running process")),
        }
    }
}
