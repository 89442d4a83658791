//! Gives up all capabilities but those for entering a namespace and for the sockets. Others than root have none, and
//! get those of a slot's user namespace when they enter it.

use crate::sys::{check, Failure};

const VERSION_3: u32 = 0x2008_0522;

/// The numbers of CAP_NET_BIND_SERVICE (ports below 1024), CAP_NET_ADMIN (IP_TRANSPARENT) and CAP_SYS_ADMIN (setns).
const NEEDED: u32 = 1 << 10 | 1 << 12 | 1 << 21;

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

pub fn keep_needed() -> Result<(), Failure> {
    // SAFETY: The call takes nothing.
    let is_root = unsafe { libc::geteuid() } == 0;
    let kept = if is_root { NEEDED } else { 0 };
    let header = Header { version: VERSION_3, pid: 0 };
    let sets = [Sets { effective: kept, permitted: kept, inheritable: 0 }, Sets::default()];
    // SAFETY: The structures have the layout of capset(2).
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) }, "giving up capabilities")?;
    // SAFETY: The option takes numbers and no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, "refusing new privileges").map(drop)
}
