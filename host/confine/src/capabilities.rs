//! User, groups, capabilities.

use std::ptr::null;

use crate::plan::Plan;
use crate::sys::{check, Failure};

/// More than any kernel has.
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

/// Nothing is left of privileges, and no program that it runs gets any, whoever that belongs to.
pub fn give_up(plan: &Plan) -> Result<(), Failure> {
    // SAFETY: takes no pointers. One that the kernel does not have is the end of them.
    for capability in 0..CAPABILITIES {
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } < 0 {
            if capability == 0 {
                check(-1, "giving up capabilities")?;
            }
            break;
        }
    }
    let groups = if plan.groups.is_empty() { null() } else { plan.groups.as_ptr() };
    // SAFETY: the pointer is to as many groups as is said.
    check(unsafe { libc::setgroups(plan.groups.len(), groups) }, "setting its groups")?;
    if let Some(user) = plan.user {
        // SAFETY: take no pointers.
        check(unsafe { libc::setresgid(user, user, user) }, "setting its group")?;
        // SAFETY: likewise.
        check(unsafe { libc::setresuid(user, user, user) }, "setting its user")?;
    }
    let header = Header { version: VERSION_3, pid: 0 };
    let none = [Sets::default(), Sets::default()];
    // SAFETY: what the kernel reads has the layout of capset(2).
    check(unsafe { libc::syscall(libc::SYS_capset, &header, none.as_ptr()) }, "giving up capabilities")?;
    // SAFETY: takes no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, "refusing new privileges").map(drop)
}
