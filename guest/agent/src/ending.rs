//! Ends every process, and then the agent.

use std::time::{Duration, Instant};

use crate::agent::Agent;
use crate::sys::process;
use crate::timers::Timer;

/// Killed processes that are still there after this time are stuck in the kernel.
const STUCK: Duration = Duration::from_secs(2);

impl Agent {
    /// Sends SIGTERM to all processes, and SIGKILL after the grace or when no process is left.
    pub fn end(&mut self, grace_ms: u64) {
        if !self.ending.begun {
            self.ending.begun = true;
            self.signal_everyone(libc::SIGTERM);
        }
        // The end comes after this round at the earliest, so that the answer is sent first.
        self.timers.after_ms(if self.processes.none_running() { 0 } else { grace_ms }, Timer::KillAll);
    }

    /// Called when the last process has ended after all were asked to end.
    pub fn on_nobody_left(&mut self) {
        if self.ending.begun {
            self.timers.after_ms(0, Timer::KillAll);
        }
    }

    fn signal_everyone(&self, signal: i32) {
        if self.machine.is_some() {
            process::kill(-1, signal);
        } else {
            for group in self.processes.running_groups() {
                process::kill(-group, signal);
            }
        }
    }

    pub fn finish_ending(&mut self) {
        if self.ending.finished.is_some() {
            return;
        }
        let give_up = Instant::now() + STUCK;
        let mut nap = Duration::from_micros(200);
        while Instant::now() < give_up {
            self.signal_everyone(libc::SIGKILL);
            if self.machine.is_none() {
                // Processes that left their group have become children of the agent (it is their subreaper).
                children().for_each(|pid| process::kill(pid, libc::SIGKILL));
            }
            if wait_for_all() {
                break;
            }
            std::thread::sleep(nap);
            nap = (nap * 2).min(Duration::from_millis(10));
        }
        self.ending.finished = Some(0);
    }
}

/// Reaps the children that have ended; true when no child is left.
fn wait_for_all() -> bool {
    loop {
        match process::take_child() {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

/// Lists the processes whose parent is this one.
fn children() -> impl Iterator<Item = i32> {
    let own = std::process::id();
    std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(move |entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // The command's name, in parentheses, may contain anything.
        let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?;
        (parent.parse() == Ok(own)).then_some(pid)
    })
}
