//! Enters the network namespace of a slot for a moment.

use std::fs::File;
use std::os::fd::AsRawFd;

use crate::sys::{check, failed, Failure};

/// The folder in which ip(8) names namespaces. Only root writes to it.
const NAMED: &str = "/run/netns";

pub struct Namespaces {
    own: File,
}

impl Namespaces {
    pub fn new() -> Result<Self, Failure> {
        File::open("/proc/self/ns/net").map(|own| Namespaces { own }).map_err(failed("opening its network namespace"))
    }

    /// Runs `work` in the namespace of that slot. The outer failure means that the way back is lost: a process that
    /// stays in the namespace would keep it alive.
    pub fn within<T>(
        &self,
        slot: u16,
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<Result<T, Failure>, Failure> {
        let there = File::open(format!("{NAMED}/nova-{slot}")).map_err(failed("opening the slot's namespace"));
        let entered = there.and_then(|file| enter(&file, "entering the slot's namespace"));
        if let Err(failure) = entered {
            return Ok(Err(failure));
        }
        let done = work();
        enter(&self.own, "leaving the slot's namespace")?;
        Ok(done)
    }
}

fn enter(namespace: &File, doing: &str) -> Result<(), Failure> {
    // SAFETY: The call takes no pointers.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }, doing).map(drop)
}
