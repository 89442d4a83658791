//! The state of the whole agent. The modules that import this one act on it.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use crate::channel::Channel;
use crate::exec::processes::Processes;
use crate::files::digests::Digests;
use crate::jobs::Jobs;
use crate::link::{Link, LinkKind};
use crate::machine::Machine;
use crate::poll::{Poller, Token, EDGE, IN, MAX_LINK};
use crate::settings::Settings;
use crate::sys::{signals, Errno, Sys};
use crate::timers::{Key, Timers};
use crate::users::Users;

/// The most sessions at once; a host needs two or three.
const MAX_LINKS: usize = 64;
/// How many descriptors the agent asks for: it holds a few for every process, and what it starts inherits the limit.
pub const DESCRIPTORS: u64 = 65_536;
/// The most bytes of one read of a process's output.
pub const SCRATCH: usize = 64 * 1024;

#[derive(Default)]
pub struct Ending {
    pub begun: bool,
    /// The exit code, once everything is done.
    pub finished: Option<i32>,
}

pub struct Agent {
    /// Present when the agent is PID 1 of a machine; otherwise it must leave the host alone.
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
    pub digests: Arc<Digests>,
    pub deadline: Option<Key>,
    pub ending: Ending,
    pub scratch: Box<[u8]>,
    /// Some links have more to do than one round allows.
    pub again: bool,
    pub signals: OwnedFd,
}

impl Agent {
    pub fn new(channel: Channel, machine: Option<Machine>) -> Sys<Self> {
        let poller = Poller::new()?;
        let jobs = Jobs::new()?;
        let signals = signals::open()?;
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
            digests: Arc::default(),
            deadline: None,
            ending: Ending::default(),
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            again: false,
            signals,
        })
    }

    pub fn add_link(&mut self, fd: OwnedFd, kind: LinkKind) -> Sys<()> {
        if self.links.len() >= MAX_LINKS {
            return Err(Errno(libc::EMFILE));
        }
        // A number is never used twice: 2^28 connections are more than a guest sees.
        self.next_link = (self.next_link + 1) & MAX_LINK;
        let id = self.next_link;
        let link = Link::new(fd, kind);
        link.register(&self.poller, Token::Link(id))?;
        self.links.insert(id, link);
        Ok(())
    }
}
