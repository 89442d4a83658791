//! Limits the resources of all processes together. The agent itself is in the group, so that its children are in it
//! from their first instruction on: moving a process later costs far more. A child that cannot be made is answered with
//! an error, and the kernel never picks the agent when memory runs out.

use std::ffi::CString;

use crate::error::{Failure, Outcome};
use crate::machine::Applied;
use crate::metrics;
use crate::sys::{self, Sys};

pub const GROUP: &str = "/sys/fs/cgroup/nova";

fn set(file: &str, value: &str) -> Sys<()> {
    let path = CString::new([GROUP, "/", file].concat()).unwrap_or_default();
    sys::write_small(&path, 0, value.as_bytes())
}

/// Enters the group once, at boot. A small kernel may lack the controllers; limits are then refused when they are
/// requested.
pub fn enter_group() {
    for controller in [b"+pids".as_slice(), b"+memory"] {
        let _ = sys::write_small(c"/sys/fs/cgroup/cgroup.subtree_control", 0, controller);
    }
    let _ = std::fs::create_dir(GROUP);
    let _ = set("cgroup.procs", "0");
}

pub fn apply(processes: Option<u64>, memory_reserve_mb: Option<u64>, applied: &mut Applied) -> Outcome<()> {
    let failed = |what: &'static str| move |errno| Failure::from(errno).about(what.as_bytes());
    if let Some(most) = processes.filter(|_| processes != applied.process_limit) {
        // The agent and its worker threads count as well.
        let value = if most == 0 { "max".into() } else { most.saturating_add(32).to_string() };
        set("pids.max", &value).map_err(failed("process limit"))?;
        applied.process_limit = processes;
    }
    if let Some(reserve_mb) = memory_reserve_mb.filter(|_| memory_reserve_mb != applied.memory_reserve_mb) {
        let total = metrics::memory().total;
        let most = total.saturating_sub(reserve_mb.saturating_mul(1 << 20));
        let value = if reserve_mb == 0 || most == 0 { "max".into() } else { most.to_string() };
        set("memory.max", &value).map_err(failed("memory reserve"))?;
        applied.memory_reserve_mb = memory_reserve_mb;
    }
    Ok(())
}
