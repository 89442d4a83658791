//! Enters the namespaces of a slot for a moment.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::exit;

use crate::request::Place;
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
        slot: u32,
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<Result<T, Failure>, Failure> {
        let there = File::open(format!("{NAMED}/nova-{slot}")).map_err(failed("opening the slot's namespace"));
        let entered = there.and_then(|file| enter(&file, libc::CLONE_NEWNET));
        if let Err(failure) = entered {
            return Ok(Err(failure));
        }
        let done = work();
        enter(&self.own, libc::CLONE_NEWNET)?;
        Ok(done)
    }
}

/// Runs `work` in the user and network namespaces that the parent holds. There is no way back from them, so a process
/// of its own does it, and ends.
pub fn apart(place: Place, work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    // SAFETY: The call takes nothing.
    let parent = unsafe { libc::getppid() };
    // SAFETY: This process has one thread, so the new one may do whatever it could.
    let pid = check(unsafe { libc::fork() }, "making a process")?;
    if pid == 0 {
        let done = enter_held(parent, place).and_then(|()| work());
        if let Err(failure) = &done {
            eprintln!("nova-listen: {failure}");
        }
        exit(i32::from(done.is_err()));
    }
    let mut status = 0;
    // SAFETY: The pointer is to an integer that outlives the call.
    check(unsafe { libc::waitpid(pid, &raw mut status, 0) }, "waiting for a process")?;
    if status == 0 {
        return Ok(());
    }
    Err(Failure::new("its namespaces could not be used"))
}

fn enter_held(parent: libc::pid_t, place: Place) -> Result<(), Failure> {
    let open = |descriptor: u32| {
        File::open(format!("/proc/{parent}/fd/{descriptor}")).map_err(failed("opening the namespaces of a slot"))
    };
    let (user, network) = (open(place.user)?, open(place.net)?);
    enter(&user, libc::CLONE_NEWUSER)?;
    enter(&network, libc::CLONE_NEWNET)
}

fn enter(namespace: &File, kind: libc::c_int) -> Result<(), Failure> {
    // SAFETY: The call takes no pointers.
    check(unsafe { libc::setns(namespace.as_raw_fd(), kind) }, "entering a namespace").map(drop)
}
