//! The processes that the agent has started and not forgotten.

use std::collections::{BTreeMap, VecDeque};

use super::process::Process;
use super::spawn::Spawner;
use crate::sys::Sys;
use crate::timers::Key;

pub struct Processes {
    pub(super) all: BTreeMap<u64, Process>,
    pub(super) by_pid: BTreeMap<i32, u64>,
    /// The ended ones in order, each with the time at which it is forgotten.
    pub(super) ended: VecDeque<(u64, u64)>,
    pub(super) forget_timer: Option<Key>,
    pub(super) last_id: u64,
    pub(super) spawner: Spawner,
    /// How many OOM kills have been seen so far.
    pub(super) oom_kills: u64,
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

    /// Makes sure that the kernel never picks the agent when memory runs out.
    pub fn protect_agent(&mut self) -> Sys<()> {
        self.spawner.protect_agent()
    }

    pub fn none_running(&self) -> bool {
        self.by_pid.is_empty()
    }

    /// Gives the groups of the running processes: each process leads a group of the same number.
    pub fn running_groups(&self) -> impl Iterator<Item = i32> + '_ {
        self.by_pid.keys().copied()
    }

    pub fn numbers(&self) -> Vec<u64> {
        self.all.keys().copied().collect()
    }

    /// The memory that kept output takes beyond what each process may have anyway.
    pub(super) fn retained(&self) -> usize {
        self.all.values().flat_map(|process| &process.channels).map(|channel| channel.ring.extra()).sum()
    }

    pub(super) fn forget_oldest(&mut self) {
        let Some((_, exec)) = self.ended.pop_front() else { return };
        if let Some(process) = self.all.get_mut(&exec) {
            process.forgotten = true;
            if process.attachments.is_empty() {
                self.all.remove(&exec);
            }
        }
    }
}
