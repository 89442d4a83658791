//! Starting a program with as few system calls as it takes. The child borrows the agent's memory until it has
//! become the new program (CLONE_VM | CLONE_VFORK), so nothing is copied and everything is prepared by the agent.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::sys::{self, check, Errno, Sys};

const STACK: usize = 64 * 1024;

/// What the child does before exec. Lives in the agent's memory; the child writes only the fields of the outcome.
pub struct Child<'a> {
    /// One free place, then the arguments, then null: a script without `#!` is run by a shell in front of it.
    pub argv: &'a mut [*const c_char],
    pub envp: &'a [*const c_char],
    /// Programs to try in turn, then null.
    pub candidates: &'a [*const c_char],
    pub cwd: &'a CStr,
    /// The root will do where the working directory is missing.
    pub cwd_is_optional: bool,
    pub stdio: [RawFd; 3],
    /// stdin becomes the controlling terminal.
    pub terminal: bool,
    /// uid, gid and groups, unless they are the agent's own.
    pub identity: Option<(libc::uid_t, libc::gid_t, &'a [libc::gid_t])>,
    /// Dies with the agent.
    pub bound: bool,
    /// Stops for the agent after exec.
    pub traced: bool,
    pub signals: &'a libc::sigset_t,
    outcome: (Stage, Errno),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Clone,
    Setup,
    WorkingDirectory,
    Exec,
}

impl<'a> Child<'a> {
    pub fn new(
        argv: &'a mut [*const c_char],
        envp: &'a [*const c_char],
        candidates: &'a [*const c_char],
        cwd: &'a CStr,
        stdio: [RawFd; 3],
        signals: &'a libc::sigset_t,
    ) -> Self {
        Child {
            argv,
            envp,
            candidates,
            cwd,
            cwd_is_optional: false,
            stdio,
            terminal: false,
            identity: None,
            bound: false,
            traced: false,
            signals,
            outcome: (Stage::Clone, Errno(0)),
        }
    }

    /// Only returns when something has failed. Only async-signal-safe calls, and those by number that the C library
    /// would apply to all threads.
    unsafe fn become_program(&mut self) -> (Stage, Errno) {
        if let Err(errno) = self.set_up() {
            return (Stage::Setup, errno);
        }
        if libc::chdir(self.cwd.as_ptr()) < 0 {
            let errno = Errno::last();
            if !self.cwd_is_optional || libc::chdir(c"/".as_ptr()) < 0 {
                return (Stage::WorkingDirectory, errno);
            }
        }
        let mut outcome = Errno(libc::ENOENT);
        let several = self.candidates.len() > 2;
        for &program in self.candidates.iter().take_while(|program| !program.is_null()) {
            // A failing exec is far more expensive than asking.
            if several && libc::access(program, libc::X_OK) < 0 {
                if Errno::last().0 == libc::EACCES {
                    outcome = Errno(libc::EACCES);
                }
                continue;
            }
            libc::execve(program, self.argv[1..].as_ptr(), self.envp.as_ptr());
            match Errno::last() {
                Errno(libc::ENOEXEC) => {
                    self.argv[0] = c"sh".as_ptr();
                    self.argv[1] = program;
                    libc::execve(c"/bin/sh".as_ptr(), self.argv.as_ptr(), self.envp.as_ptr());
                    return (Stage::Exec, Errno(libc::ENOEXEC));
                }
                Errno(libc::ENOENT | libc::ENOTDIR) if several => {}
                Errno(libc::EACCES) => outcome = Errno(libc::EACCES),
                other => return (Stage::Exec, other),
            }
        }
        (Stage::Exec, outcome)
    }

    unsafe fn set_up(&self) -> Sys<()> {
        check(libc::setsid())?;
        if self.terminal {
            check(libc::ioctl(self.stdio[0], libc::TIOCSCTTY as _, 0))?;
        }
        // The agent keeps 0, 1 and 2 open for itself, so no source is overwritten here.
        for (number, &source) in self.stdio.iter().enumerate() {
            check(libc::dup2(source, number as c_int))?;
        }
        if let Some((uid, gid, groups)) = self.identity {
            check(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) as c_int)?;
            check(libc::syscall(libc::SYS_setgid, gid) as c_int)?;
            check(libc::syscall(libc::SYS_setuid, uid) as c_int)?;
        }
        if self.bound {
            // After the change of user, which takes it back.
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        }
        if self.traced {
            check(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) as c_int)?;
        }
        crate::signals::restore_in_child(self.signals)
    }
}

extern "C" fn child_main(argument: *mut c_void) -> c_int {
    // SAFETY: the agent passes a Child it does not touch until this process has ended or become another program.
    unsafe {
        let child = argument.cast::<Child>();
        let outcome = (*child).become_program();
        (&raw mut (*child).outcome).write_volatile(outcome);
        libc::_exit(127)
    }
}

pub struct Spawner {
    stack: Vec<u128>,
    /// stdin of processes without one.
    null: OwnedFd,
    /// /proc/self/oom_score_adj of a protected agent: set to 0 while a child is made, which inherits it. Cheaper than
    /// having every child look up its own file.
    oom_score: Option<OwnedFd>,
}

impl Spawner {
    pub fn new() -> Sys<Self> {
        let null = sys::open(c"/dev/null", libc::O_RDWR, 0)?;
        Ok(Spawner { stack: vec![0; STACK / size_of::<u128>()], null, oom_score: None })
    }

    pub fn null(&self) -> RawFd {
        self.null.as_raw_fd()
    }

    pub fn protect_agent(&mut self) -> Sys<()> {
        let file = sys::open(c"/proc/self/oom_score_adj", libc::O_WRONLY, 0)?;
        self.oom_score = Some(file);
        self.set_oom_score(b"-1000")
    }

    fn set_oom_score(&self, value: &[u8]) -> Sys<()> {
        match &self.oom_score {
            Some(file) => sys::write(file.as_raw_fd(), value).map(drop),
            None => Ok(()),
        }
    }

    /// The new process's number once it runs the new program.
    pub fn spawn(&mut self, child: &mut Child) -> Result<i32, (Stage, Errno)> {
        let _ = self.set_oom_score(b"0");
        // SAFETY: the stack is large enough, aligned, grows down on every architecture served, and is used by one child
        // at a time: this thread sleeps until the child has left its memory.
        let pid = unsafe {
            let top = self.stack.as_mut_ptr_range().end.cast::<c_void>();
            let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
            check(libc::clone(child_main, top, flags, (child as *mut Child).cast()))
        };
        let _ = self.set_oom_score(b"-1000");
        let pid = pid.map_err(|errno| (Stage::Clone, errno))?;
        // SAFETY: reads what the child may have written.
        let outcome = unsafe { (&raw const child.outcome).read_volatile() };
        if outcome.0 == Stage::Clone {
            return Ok(pid);
        }
        // SAFETY: the status is not asked for.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        Err(outcome)
    }
}
