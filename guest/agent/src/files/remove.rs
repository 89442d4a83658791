//! The method remove: removes a file at once, and a tree on a worker thread. A tree may have any depth, and may
//! change meanwhile.

use std::ffi::{CStr, CString};
use std::os::fd::RawFd;
use std::sync::Arc;

use super::path::{absolute, trimmed};
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Failure, Outcome};
use crate::jobs::Job;
use crate::numbers::tag;
use crate::record::{Fields, Record};
use crate::stream::{Begun, Work};
use crate::sys::directory::Directory;
use crate::sys::paths::{self, unlink_at};
use crate::sys::{Errno, Sys};

/// The most directories that are held open at once. Deeper directories are moved up to the top of the tree and removed
/// from there.
const DEEPEST: usize = 512;

fn removed(existed: bool) -> Record {
    let mut record = Record::new();
    record.flag(tag::remove_result::EXISTED, existed);
    record
}

impl Agent {
    pub fn remove(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let mut path: &[u8] = b"";
        for (tag, value) in fields {
            match tag {
                tag::remove::PATH => path = trimmed(value),
                tag::remove::USER => drop(self.settings.account(&mut self.users, value)?),
                _ => {}
            }
        }
        let target = absolute(path)?;
        if path == b"/" {
            return Err(Failure::invalid("the root cannot be removed"));
        }
        match remove_at(libc::AT_FDCWD, &target) {
            Ok(()) => Ok(Begun::Done(removed(true))),
            Err(Errno(libc::ENOENT | libc::ENOTDIR)) => Ok(Begun::Done(removed(false))),
            Err(Errno(libc::ENOTEMPTY | libc::EEXIST)) => {
                let job = self.jobs.start(caller.link, caller.stream, move |job| {
                    remove_tree(job, &target).map_err(|failure| failure.about(target.to_bytes()))?;
                    Ok(removed(true))
                })?;
                Ok(Begun::Running(Work::Job(job)))
            }
            Err(errno) => Err(Failure::from(errno).about(path)),
        }
    }
}

/// Removes anything but a directory that is not empty. Linux returns EISDIR for a directory, where POSIX specifies
/// EPERM.
fn remove_at(directory: RawFd, name: &CStr) -> Sys<()> {
    match unlink_at(directory, name, 0) {
        Err(Errno(libc::EISDIR | libc::EPERM)) => match unlink_at(directory, name, libc::AT_REMOVEDIR) {
            Err(Errno(libc::ENOTDIR)) => Err(Errno(libc::EPERM)),
            result => result,
        },
        result => result,
    }
}

pub fn remove_tree(job: &Arc<Job>, path: &CStr) -> Outcome<()> {
    let mut brought_up = 0;
    loop {
        match empty(job, path, &mut brought_up) {
            // It has gone, or was never a directory.
            Err(Errno(libc::ENOENT)) => return Ok(()),
            Err(Errno(libc::ENOTDIR | libc::ELOOP)) => {}
            result => result?,
        }
        job.go_on()?;
        match remove_at(libc::AT_FDCWD, path) {
            Ok(()) | Err(Errno(libc::ENOENT)) => return Ok(()),
            // A process is still creating files, or deep directories were moved up.
            Err(Errno(libc::ENOTEMPTY | libc::EEXIST)) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Removes the entries of a directory that one pass finds. Counts the directories moved up, so that each name is used
/// once.
fn empty(job: &Arc<Job>, path: &CStr, brought_up: &mut u64) -> Sys<()> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let top = Directory::new(paths::open(path, flags, 0)?);
    let top_fd = top.fd();
    // The name is that of the directory in its parent.
    let mut levels: Vec<(Directory, CString)> = vec![(top, CString::default())];
    loop {
        let depth = levels.len();
        let Some((directory, _)) = levels.last_mut() else { break };
        if job.is_cancelled() {
            return Err(Errno(libc::ECANCELED));
        }
        let fd = directory.fd();
        let Some(entry) = directory.next()? else {
            let Some((_, name)) = levels.pop() else { break };
            if let Some((above, _)) = levels.last() {
                match unlink_at(above.fd(), &name, libc::AT_REMOVEDIR) {
                    Ok(()) | Err(Errno(libc::ENOENT | libc::ENOTEMPTY | libc::EEXIST)) => {}
                    Err(errno) => return Err(errno),
                }
            }
            continue;
        };
        match remove_at(fd, &entry.name) {
            Ok(()) | Err(Errno(libc::ENOENT)) => {}
            Err(Errno(libc::ENOTEMPTY | libc::EEXIST)) if depth < DEEPEST => match directory.open_below(&entry.name) {
                Ok(below) => levels.push((below, entry.name)),
                Err(Errno(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => {}
                Err(errno) => return Err(errno),
            },
            Err(Errno(libc::ENOTEMPTY | libc::EEXIST)) => {
                *brought_up += 1;
                let name = CString::new(format!(".nova-removed-{brought_up}")).unwrap_or_default();
                // Where the name is taken, the next pass tries another.
                let _ = paths::rename_at(fd, &entry.name, top_fd, &name);
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
