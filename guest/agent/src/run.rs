//! The loop of the agent: it waits, and passes each event to its module.

use crate::agent::Agent;
use crate::poll::{self, Token, BATCH};
use crate::sys::signals;
use crate::timers::Timer;

impl Agent {
    /// Runs until there is nothing left to serve, and gives the exit code.
    pub fn run(&mut self) -> i32 {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        loop {
            let timeout = if self.again { 0 } else { self.timers.timeout_ms() };
            self.again = false;
            let count = self.poller.wait(&mut events, timeout);
            for event in &events[..count] {
                self.on_event(poll::token_of(event), event.events);
            }
            while let Some(timer) = self.timers.take_due() {
                self.on_timer(timer);
            }
            self.serve_all();
            if let Some(code) = self.ending.finished {
                return code;
            }
        }
    }

    fn on_event(&mut self, token: Token, flags: u32) {
        match token {
            Token::Signals => self.on_signals(),
            Token::Jobs => self.on_jobs(),
            Token::Uevents => self.on_uevents(),
            Token::Listener => self.accept_all(),
            Token::Link(id) => self.on_link_event(id, flags),
            Token::Process(exec, channel) => self.on_process_event(exec, channel, flags),
            Token::Stream(link, stream) => self.on_stream_event(link, stream, flags),
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::ExecLimit(exec) => self.on_exec_limit(exec),
            Timer::ExecKill(exec, group) => self.on_exec_kill(exec, group),
            Timer::ExecOutput(exec) => self.on_output_overdue(exec),
            Timer::ExecInputEnd(exec, next_ms) => self.on_terminal_end(exec, next_ms),
            Timer::ExecOrphan(exec) => self.on_orphan(exec),
            Timer::ForgetEnded => self.forget_ended(),
            Timer::HostGone(link) => self.on_host_gone(link),
            Timer::Deadline => self.end(0),
            Timer::KillAll => self.finish_ending(),
            Timer::AcceptAgain => self.accept_again(),
            Timer::NoChannel => self.on_no_channel(),
        }
    }

    fn on_signals(&mut self) {
        let mut children = false;
        let mut stop = false;
        signals::drain(&self.signals, |signal| match signal {
            libc::SIGCHLD => children = true,
            _ => stop = true,
        });
        if children {
            self.reap();
        }
        // Only the host may tell PID 1 to stop.
        if stop && self.machine.is_none() {
            self.end(0);
        }
    }
}
