//! Sets user and groups, and gives up capabilities.

use std::ptr::null;

use crate::plan::Plan;
use crate::sys::{check, set, Failure};

/// More capabilities than any kernel has.
const CAPABILITIES: libc::c_ulong = 64;
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up all privileges. A program that it runs gets none either, whoever owns that program.
pub fn give_up(plan: &Plan) -> Result<(), Failure> {
    // The loop ends at the first capability that the kernel does not know.
    for capability in 0..CAPABILITIES {
        if set(libc::PR_CAPBSET_DROP, capability) < 0 {
            if capability == 0 {
                check(-1, "giving up capabilities")?;
            }
            break;
        }
    }
    let groups = if plan.groups.is_empty() { null() } else { plan.groups.as_ptr() };
    // SAFETY: The pointer is to as many groups as the length states.
    check(unsafe { libc::setgroups(plan.groups.len(), groups) }, "setting its groups")?;
    if let Some(user) = plan.user {
        // SAFETY: The call takes no pointers.
        check(unsafe { libc::setresgid(user, user, user) }, "setting its group")?;
        // SAFETY: The call takes no pointers.
        check(unsafe { libc::setresuid(user, user, user) }, "setting its user")?;
    }
    let header = Header { version: VERSION_3, pid: 0 };
    let none = [Sets::default(), Sets::default()];
    // SAFETY: The structures have the layout of capset(2).
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) }, "giving up capabilities")?;
    check(set(libc::PR_SET_NO_NEW_PRIVS, 1), "refusing new privileges").map(drop)
}
