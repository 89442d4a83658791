//! The state of the whole agent, and its one loop.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::channel::Channel;
use crate::exec::Processes;
use crate::jobs::Jobs;
use crate::link::{Link, LinkKind};
use crate::poll::{self, Poller, Token, BATCH, EDGE, IN, MAX_LINK};
use crate::power::{Ending, Machine};
use crate::settings::Settings;
use crate::sys::{self, Sys};
use crate::timers::{Key, Timer, Timers};
use crate::users::Users;

/// Sessions at once; a host needs two or three.
const MAX_LINKS: usize = 64;
/// One read of a process's output at most.
pub const SCRATCH: usize = 64 * 1024;

pub struct Agent {
    /// Present when the agent is PID 1 of a machine; else it must leave the host alone.
    pub machine: Option<Machine>,
    pub poller: Poller,
    pub timers: Timers,
    pub channel: Channel,
    pub links: BTreeMap<u32, Link>,
    next_link: u32,
    pub processes: Processes,
    pub users: Users,
    pub settings: Settings,
    pub jobs: Jobs,
    pub deadline: Option<Key>,
    pub ending: Ending,
    pub scratch: Box<[u8]>,
    /// Links with more to do than one round allows.
    pub again: bool,
    signals: OwnedFd,
}

impl Agent {
    pub fn new(channel: Channel, machine: Option<Machine>) -> Sys<Self> {
        let poller = Poller::new()?;
        let jobs = Jobs::new()?;
        let signals = crate::signals::open()?;
        poller.add(signals.as_raw_fd(), Token::Signals, IN)?;
        poller.add(jobs.wake_fd(), Token::Jobs, IN | EDGE)?;
        channel.register(&poller)?;
        Ok(Agent {
            machine,
            poller,
            timers: Timers::default(),
            channel,
            links: BTreeMap::new(),
            next_link: 0,
            processes: Processes::new()?,
            users: Users::default(),
            settings: Settings::default(),
            jobs,
            deadline: None,
            ending: Ending::default(),
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            again: false,
            signals,
        })
    }

    /// Runs until there is nothing left to serve; gives the exit code.
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
        crate::signals::drain(&self.signals, |signal| match signal {
            libc::SIGCHLD => children = true,
            _ => stop = true,
        });
        if children {
            self.reap();
        }
        // PID 1 is told to stop by the host alone.
        if stop && self.machine.is_none() {
            self.end(0);
        }
    }

    pub fn add_link(&mut self, fd: OwnedFd, kind: LinkKind) -> Sys<()> {
        if self.links.len() >= MAX_LINKS {
            return Err(sys::Errno(libc::EMFILE));
        }
        // Never used twice while it lasts: 2^28 connections are more than a guest sees.
        self.next_link = (self.next_link + 1) & MAX_LINK;
        let id = self.next_link;
        let link = Link::new(fd, kind);
        link.register(&self.poller, Token::Link(id))?;
        self.links.insert(id, link);
        Ok(())
    }
}
