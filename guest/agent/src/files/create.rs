//! Makes files and directories for an owner.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use super::path::{absolute, parent_of};
use crate::error::{Failure, Outcome};
use crate::sys::paths::{self, is_kind, stat};
use crate::sys::{Errno, Sys};

pub const PARENT_MODE: libc::mode_t = 0o755;
/// The bits that a umask of 022 or a change of owner clears.
const LOST_BITS: libc::mode_t = 0o7022;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub uid: libc::uid_t,
    pub gid: libc::gid_t,
}

impl Owner {
    fn take(self, path: &CStr) -> Sys<()> {
        paths::change_owner_at(libc::AT_FDCWD, path, self.uid, self.gid, libc::AT_SYMLINK_NOFOLLOW)
    }

    pub fn take_open(self, file: &OwnedFd) -> Sys<()> {
        paths::change_owner(file, self.uid, self.gid)
    }
}

/// Makes one directory; false when it exists already.
fn make_directory(path: &CStr, mode: libc::mode_t, owner: Owner) -> Sys<bool> {
    match paths::make_directory_at(libc::AT_FDCWD, path, mode & 0o7777) {
        Ok(()) => {}
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
        paths::change_mode_at(libc::AT_FDCWD, path, mode)?;
    }
    Ok(true)
}

/// Makes a directory and its missing parents.
pub fn make_directories(path: &[u8], mode: libc::mode_t, owner: Owner) -> Outcome<bool> {
    let mut missing = Vec::new();
    let mut at = path;
    // The loop goes up to the first directory that exists or can be made, then down again.
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
            // A parent is not a directory.
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
    /// O_TRUNC, O_APPEND or 0.
    pub flags: libc::c_int,
    pub exclusive: bool,
    pub mode: libc::mode_t,
    pub owner: Owner,
}

impl Opening {
    /// Opens an existing file as it is, or makes one that belongs to the owner. It first tries to create the file and
    /// then to open it, because only this distinguishes the two cases, and only a new file may change its owner.
    pub fn open(self, path: &CStr) -> Sys<OwnedFd> {
        const COMMON: libc::c_int = libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
        let create = |exclusive: libc::c_int| {
            paths::open(path, COMMON | libc::O_CREAT | exclusive | self.flags, self.mode & 0o777)
        };
        let file = match create(libc::O_EXCL) {
            Err(Errno(libc::EEXIST)) if !self.exclusive => match paths::open(path, COMMON | self.flags, 0) {
                // It is a link to a file that does not exist yet.
                Err(Errno(libc::ENOENT)) => create(0)?,
                result => return result,
            },
            result => result?,
        };
        self.owner.take_open(&file)?;
        if self.mode & LOST_BITS != 0 {
            paths::change_mode(&file, self.mode)?;
        }
        Ok(file)
    }
}
