//! Handles processes: the settings of the agent, its children, signals to others.

use libc::c_int;

use super::errno::{check, Sys};

/// Gives the user that the agent acts as.
pub fn user_id() -> u32 {
    // SAFETY: The call takes no arguments.
    unsafe { libc::geteuid() }
}

/// Lets threads share one heap and gives large blocks back to the system when they are freed, so that the agent stays
/// small. This must be called before any thread runs.
pub fn tame_allocator() {
    // SAFETY: The calls take plain settings.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 * 1024);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 * 1024);
    }
}

/// Sets the umask, and gives the one before.
pub fn set_umask(mask: libc::mode_t) -> libc::mode_t {
    // SAFETY: The call takes no pointers.
    unsafe { libc::umask(mask) }
}

/// Makes processes that have lost their parent children of this one.
pub fn adopt_orphans() {
    // SAFETY: The call takes no pointers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
}

/// Closes every descriptor above standard error. This must be called before any descriptor with an owner is opened.
pub fn close_inherited_descriptors() {
    // SAFETY: The call takes no pointers, and nobody owns a descriptor yet.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// Raises the limit of descriptors to at least this number, as far as the hard limit can be raised.
pub fn raise_descriptor_limit(wanted: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: The structures are valid, and the first is filled before it is read.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && limit.rlim_cur < wanted {
            let raised = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) < 0 {
                limit.rlim_cur = limit.rlim_max.min(wanted);
                libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            }
        }
    }
}

/// Signals a process, or a process group when the number is negative. An error means that it has gone, which is no
/// failure.
pub fn kill(pid: i32, signal: i32) {
    // SAFETY: The call takes no pointers.
    unsafe { libc::kill(pid, signal) };
}

/// A child that has ended or stopped: its number, its status, and what it used.
pub struct Waited {
    pub pid: i32,
    pub status: c_int,
    pub usage: libc::rusage,
}

/// Gives a child that has ended or stopped, without waiting; `Ok(None)` when none has, `ECHILD` when there is no
/// child.
pub fn take_child() -> Sys<Option<Waited>> {
    let mut status = 0;
    // SAFETY: A structure of zeroes is valid, and both are filled by the call.
    let (pid, usage) = unsafe {
        let mut usage = std::mem::zeroed();
        (check(libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut usage))?, usage)
    };
    Ok((pid > 0).then_some(Waited { pid, status, usage }))
}

/// Waits for the end of a child whose status is not needed.
pub fn wait_for(pid: i32) {
    // SAFETY: The status is not requested.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
}

/// Makes a traced child stop once more when it is about to end.
pub fn stop_at_the_end(pid: i32) {
    // SAFETY: The request takes no pointers.
    unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0, libc::PTRACE_O_TRACEEXIT) };
}

/// Lets a traced child go on, with a signal unless that is 0.
pub fn let_go_on(pid: i32, signal: i32) {
    // SAFETY: The request takes no pointers.
    unsafe { libc::ptrace(libc::PTRACE_CONT, pid, 0, signal) };
}
