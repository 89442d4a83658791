//! Making files and directories that belong to someone.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use super::directory::{is_kind, stat};
use super::{absolute, parent_of};
use crate::agent::Agent;
use crate::error::{Code, Failure, Outcome};
use crate::record::{self, Fields, Record};
use crate::sys::{self, check, Errno, Sys};

const PARENT_MODE: libc::mode_t = 0o755;
/// Bits that a umask of 022 or a change of owner takes away.
const LOST_BITS: libc::mode_t = 0o7022;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub uid: libc::uid_t,
    pub gid: libc::gid_t,
}

impl Owner {
    fn take(self, path: &CStr) -> Sys<()> {
        // SAFETY: the path ends in NUL.
        check(unsafe { libc::lchown(path.as_ptr(), self.uid, self.gid) }).map(drop)
    }

    pub fn take_open(self, file: &OwnedFd) -> Sys<()> {
        // SAFETY: an open descriptor.
        check(unsafe { libc::fchown(file.as_raw_fd(), self.uid, self.gid) }).map(drop)
    }
}

/// One directory. False when there is one already.
fn make_directory(path: &CStr, mode: libc::mode_t, owner: Owner) -> Sys<bool> {
    // SAFETY: the path ends in NUL.
    match check(unsafe { libc::mkdir(path.as_ptr(), mode & 0o7777) }) {
        Ok(_) => {}
        Err(Errno(libc::EEXIST)) => {
            return match stat(path) {
                Ok(stat) if is_kind(&stat, libc::S_IFDIR) => Ok(false),
                _ => Err(Errno(libc::EEXIST)),
            };
        }
        Err(errno) => return Err(errno),
    }
    owner.take(path)?;
    if mode & LOST_BITS != 0 {
        // SAFETY: the path ends in NUL.
        check(unsafe { libc::chmod(path.as_ptr(), mode & 0o7777) })?;
    }
    Ok(true)
}

/// A directory and all that is missing above it.
pub fn make_directories(path: &[u8], mode: libc::mode_t, owner: Owner) -> Outcome<bool> {
    let mut missing = Vec::new();
    let mut at = path;
    // Up to the first one that exists or can be made, then down again.
    loop {
        let target = absolute(at)?;
        let mode = if missing.is_empty() { mode } else { PARENT_MODE };
        match (make_directory(&target, mode, owner), parent_of(at)) {
            (Ok(created), _) if missing.is_empty() => return Ok(created),
            (Ok(_), _) => break,
            (Err(Errno(libc::ENOENT)), Some(parent)) => {
                missing.push((target, mode));
                at = parent;
            }
            // Something above is no directory.
            (Err(Errno(libc::EEXIST)), _) if !missing.is_empty() => {
                return Err(Failure::from(Errno(libc::ENOTDIR)).about(at));
            }
            (Err(errno), _) => return Err(Failure::from(errno).about(at)),
        }
    }
    for (target, mode) in missing.iter().rev() {
        make_directory(target, *mode, owner).map_err(|errno| Failure::from(errno).about(target.to_bytes()))?;
    }
    Ok(true)
}

pub fn make_parents(path: &[u8], owner: Owner) -> Outcome<()> {
    match parent_of(path) {
        Some(parent) => make_directories(parent, PARENT_MODE, owner).map(drop),
        None => Ok(()),
    }
}

/// How a file is to be opened for writing.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// O_TRUNC, O_APPEND or nothing.
    pub flags: libc::c_int,
    pub exclusive: bool,
    pub mode: libc::mode_t,
    pub owner: Owner,
}

impl Opening {
    /// Opens an existing file as it is, or makes one that belongs to the owner. Created first and tried as existing then:
    /// only this tells the two apart for sure, and only the new one changes hands.
    pub fn open(self, path: &CStr) -> Sys<OwnedFd> {
        const COMMON: libc::c_int = libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
        let create = |exclusive: libc::c_int| {
            sys::open(path, COMMON | libc::O_CREAT | exclusive | self.flags, self.mode & 0o777)
        };
        let file = match create(libc::O_EXCL) {
            Err(Errno(libc::EEXIST)) if !self.exclusive => match sys::open(path, COMMON | self.flags, 0) {
                // A link that leads to nothing yet.
                Err(Errno(libc::ENOENT)) => create(0)?,
                result => return result,
            },
            result => result?,
        };
        self.owner.take_open(&file)?;
        if self.mode & LOST_BITS != 0 {
            // SAFETY: an open descriptor.
            check(unsafe { libc::fchmod(file.as_raw_fd(), self.mode & 0o7777) })?;
        }
        Ok(file)
    }
}

impl Agent {
    pub fn owner(&mut self, user: &[u8]) -> Outcome<Owner> {
        let account = self.settings.account(&mut self.users, user)?;
        Ok(Owner { uid: account.uid, gid: account.gid })
    }

    pub fn make_directory(&mut self, fields: Fields) -> Outcome<Record> {
        let (mut path, mut mode, mut user): (&[u8], u32, &[u8]) = (b"", 0, b"");
        for (tag, value) in fields {
            match tag {
                1 => path = value,
                2 => mode = record::narrow(value)?,
                3 => user = value,
                _ => {}
            }
        }
        let owner = self.owner(user)?;
        let mode = if mode == 0 { PARENT_MODE } else { mode };
        let created = make_directories(path, mode, owner).map_err(|failure| match failure.errno {
            libc::EEXIST => failure.with_code(Code::AlreadyExists),
            _ => failure,
        })?;
        let mut record = Record::new();
        record.flag(1, created);
        Ok(record)
    }
}
