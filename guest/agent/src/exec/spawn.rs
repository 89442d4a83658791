//! Starts a program with as few system calls as possible. The child borrows the memory of the agent until it has
//! become the new program (CLONE_VM | CLONE_VFORK), so that nothing is copied and the agent prepares everything.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void, CStr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::sys::{self, check, paths, process, Errno, Sys};

const STACK: usize = 64 * 1024;

/// The actions of the child before exec. This is in the memory of the agent, and the child writes only the fields of
/// the outcome.
pub struct Child<'a> {
    /// One free place, then the arguments, then null. A script without `#!` is run by a shell, whose name goes into
    /// the free place.
    pub argv: &'a mut [*const c_char],
    pub envp: &'a [*const c_char],
    /// The programs to try in turn, then null.
    pub candidates: &'a [*const c_char],
    pub cwd: &'a CStr,
    /// The root is used when the working directory is missing.
    pub cwd_is_optional: bool,
    pub stdio: [RawFd; 3],
    /// stdin becomes the controlling terminal.
    pub terminal: bool,
    /// uid, gid and groups, unless they are the agent's own.
    pub identity: Option<(libc::uid_t, libc::gid_t, &'a [libc::gid_t])>,
    /// It dies with the agent.
    pub bound: bool,
    /// It stops for the agent after exec.
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

    /// Returns only when something has failed.
    ///
    /// # Safety
    /// The pointers of `argv`, `envp` and `candidates` lead to strings that end in NUL, and each list ends in a null
    /// pointer. Only async-signal-safe calls are made. Calls that the C library would apply to all threads are made by
    /// number.
    unsafe fn become_program(&mut self) -> (Stage, Errno) {
        if let Err(errno) = self.set_up() {
            return (Stage::Setup, errno);
        }
        // SAFETY: The path ends in NUL.
        let enter = |path: &CStr| check(unsafe { libc::chdir(path.as_ptr()) });
        if let Err(errno) = enter(self.cwd) {
            if !self.cwd_is_optional || enter(c"/").is_err() {
                return (Stage::WorkingDirectory, errno);
            }
        }
        let mut outcome = Errno(libc::ENOENT);
        let several = self.candidates.len() > 2;
        for &program in self.candidates.iter().take_while(|program| !program.is_null()) {
            // A failing exec is far more expensive than this check.
            // SAFETY: The program's name ends in NUL.
            if several && unsafe { libc::access(program, libc::X_OK) } < 0 {
                if Errno::last().0 == libc::EACCES {
                    outcome = Errno(libc::EACCES);
                }
                continue;
            }
            // SAFETY: The strings and lists are as this function requires.
            unsafe { libc::execve(program, self.argv[1..].as_ptr(), self.envp.as_ptr()) };
            match Errno::last() {
                Errno(libc::ENOEXEC) => {
                    self.argv[0] = c"sh".as_ptr();
                    self.argv[1] = program;
                    // SAFETY: The lists still end in a null pointer.
                    unsafe { libc::execve(c"/bin/sh".as_ptr(), self.argv.as_ptr(), self.envp.as_ptr()) };
                    return (Stage::Exec, Errno(libc::ENOEXEC));
                }
                Errno(libc::ENOENT | libc::ENOTDIR) if several => {}
                Errno(libc::EACCES) => outcome = Errno(libc::EACCES),
                other => return (Stage::Exec, other),
            }
        }
        (Stage::Exec, outcome)
    }

    fn set_up(&self) -> Sys<()> {
        // SAFETY: The groups are valid for their number, and the set is valid; nothing else is a pointer.
        unsafe {
            check(libc::setsid())?;
            if self.terminal {
                check(libc::ioctl(self.stdio[0], libc::TIOCSCTTY as _, 0))?;
            }
            // The agent keeps 0, 1 and 2 open for itself, so no source is overwritten here.
            for (number, &source) in (0..).zip(&self.stdio) {
                check(libc::dup2(source, number))?;
            }
            if let Some((uid, gid, groups)) = self.identity {
                check(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) as c_int)?;
                check(libc::syscall(libc::SYS_setgid, gid) as c_int)?;
                check(libc::syscall(libc::SYS_setuid, uid) as c_int)?;
            }
            if self.bound {
                // This comes after the change of user, which would reset it.
                check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
            }
            if self.traced {
                check(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) as c_int)?;
            }
            check(libc::sigprocmask(libc::SIG_SETMASK, self.signals, std::ptr::null_mut())).map(drop)
        }
    }
}

extern "C" fn child_main(argument: *mut c_void) -> c_int {
    // SAFETY: The agent passes a Child that it does not touch until this process has ended or become another program.
    unsafe {
        let child = argument.cast::<Child>();
        let outcome = (*child).become_program();
        (&raw mut (*child).outcome).write_volatile(outcome);
        libc::_exit(127)
    }
}

pub struct Spawner {
    stack: Vec<u128>,
    /// The stdin of processes without one.
    null: OwnedFd,
    /// The file /proc/self/oom_score_adj of a protected agent. It is set to 0 while a child is made, which inherits the
    /// value. This costs less than having every child open its own file.
    oom_score: Option<OwnedFd>,
}

impl Spawner {
    pub fn new() -> Sys<Self> {
        let null = paths::open(c"/dev/null", libc::O_RDWR, 0)?;
        Ok(Spawner { stack: vec![0; STACK / size_of::<u128>()], null, oom_score: None })
    }

    pub fn null(&self) -> RawFd {
        self.null.as_raw_fd()
    }

    pub fn protect_agent(&mut self) -> Sys<()> {
        let file = paths::open(c"/proc/self/oom_score_adj", libc::O_WRONLY, 0)?;
        self.oom_score = Some(file);
        self.set_oom_score(b"-1000")
    }

    fn set_oom_score(&self, value: &[u8]) -> Sys<()> {
        match &self.oom_score {
            Some(file) => sys::write(file.as_raw_fd(), value).map(drop),
            None => Ok(()),
        }
    }

    /// Gives the number of the new process once it runs the new program.
    pub fn spawn(&mut self, child: &mut Child) -> Result<i32, (Stage, Errno)> {
        let _ = self.set_oom_score(b"0");
        // SAFETY: The stack is large enough, aligned, and grows down on every supported architecture. One child uses it
        // at a time, because this thread sleeps until the child has left its memory.
        let pid = unsafe {
            let top = self.stack.as_mut_ptr_range().end.cast::<c_void>();
            let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
            check(libc::clone(child_main, top, flags, (child as *mut Child).cast()))
        };
        let _ = self.set_oom_score(b"-1000");
        let pid = pid.map_err(|errno| (Stage::Clone, errno))?;
        // SAFETY: The field is valid, and the child may have written it.
        let outcome = unsafe { (&raw const child.outcome).read_volatile() };
        if outcome.0 == Stage::Clone {
            return Ok(pid);
        }
        process::wait_for(pid);
        Err(outcome)
    }
}
