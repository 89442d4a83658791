//! Copies a tree to another file system: content, owners, modes, times and attributes.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::remove::remove_tree;
use crate::error::{Failure, Outcome};
use crate::jobs::Job;
use crate::sys::directory::Directory;
use crate::sys::paths::{self, is_kind, lstat, open_at, read_link_at, stat_at};
use crate::sys::{self, xattrs, Errno, Sys};
use crate::tar::sparse::{Piece, Sparse};

/// The deepest tree that is copied: both directories of every level are held open.
const DEEPEST: usize = 1_024;
const PIECE: usize = 1 << 20;

/// Copies a tree. It replaces existing files as a rename does: a file by anything but a directory, an empty directory
/// by a directory. After a failure nothing of the copy is left.
pub fn copy_tree(job: &Arc<Job>, source: &CStr, destination: &CStr) -> Outcome<()> {
    let stat = lstat(source)?;
    let is_directory = is_kind(&stat, libc::S_IFDIR);
    let flags = if is_directory { libc::AT_REMOVEDIR } else { 0 };
    match paths::unlink_at(libc::AT_FDCWD, destination, flags) {
        Ok(()) | Err(Errno(libc::ENOENT)) => {}
        Err(errno) => return Err(Failure::from(errno).about(destination.to_bytes())),
    }
    let result = copy_all(job, source, destination);
    if result.is_err() {
        let _ = remove_tree(job, destination);
    }
    result
}

fn copy_all(job: &Arc<Job>, source: &CStr, destination: &CStr) -> Outcome<()> {
    let (from, to) = (libc::AT_FDCWD, libc::AT_FDCWD);
    let Some(first) = copy_one(job, from, source, to, destination)? else { return Ok(()) };
    let mut levels = vec![first];
    while let Some((from, to, stat)) = levels.last_mut() {
        job.go_on()?;
        match from.next()? {
            Some(entry) => {
                let below = copy_one(job, from.fd(), &entry.name, to.as_raw_fd(), &entry.name)?;
                if levels.len() >= DEEPEST && below.is_some() {
                    return Err(Failure::invalid("the tree is too deep to be copied"));
                }
                levels.extend(below);
            }
            None => {
                // The directory is finished last, because writing into it changes its times, and a read-only directory
                // could not be written to.
                finish(to, stat)?;
                levels.pop();
            }
        }
    }
    Ok(())
}

type Level = (Directory, OwnedFd, libc::stat64);

/// Copies one file. Of a directory it copies only the directory itself, which the caller fills.
fn copy_one(job: &Arc<Job>, from: RawFd, name: &CStr, to: RawFd, new_name: &CStr) -> Outcome<Option<Level>> {
    let stat = stat_at(from, name, libc::AT_SYMLINK_NOFOLLOW)?;
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFDIR => {
            paths::make_directory_at(to, new_name, 0o700)?;
            let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
            let directory = Directory::new(open_at(from, name, flags, 0)?);
            return Ok(Some((directory, open_at(to, new_name, flags, 0)?, stat)));
        }
        libc::S_IFREG => {
            let source = open_at(from, name, libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK, 0)?;
            let copy = open_at(to, new_name, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, 0o600)?;
            copy_content(job, &source, &copy, &stat)?;
            copy_xattrs(&source, &copy);
            finish(&copy, &stat)?;
        }
        libc::S_IFLNK => {
            let target = CString::new(read_link_at(from, name)?).map_err(|_| Errno(libc::EINVAL))?;
            paths::make_symlink_at(&target, to, new_name)?;
            paths::change_owner_at(to, new_name, stat.st_uid, stat.st_gid, libc::AT_SYMLINK_NOFOLLOW)?;
        }
        // A socket is of no use anywhere else.
        libc::S_IFSOCK => {}
        _ => {
            paths::make_device_at(to, new_name, stat.st_mode, stat.st_rdev)?;
            paths::change_owner_at(to, new_name, stat.st_uid, stat.st_gid, libc::AT_SYMLINK_NOFOLLOW)?;
        }
    }
    Ok(None)
}

/// Copies the content of a file; holes stay holes.
fn copy_content(job: &Arc<Job>, source: &OwnedFd, copy: &OwnedFd, stat: &libc::stat64) -> Outcome<()> {
    let size = stat.st_size as u64;
    let may_have_holes = (stat.st_blocks as u64).saturating_mul(512) < size;
    let Some(sparse) = (if may_have_holes { Sparse::of_file(source, size).unwrap_or(None) } else { None }) else {
        return copy_piece(job, source, copy, Piece { at: 0, length: u64::MAX });
    };
    for piece in sparse.pieces {
        copy_piece(job, source, copy, piece)?;
    }
    sys::set_length(copy, size)?;
    Ok(())
}

fn copy_piece(job: &Arc<Job>, source: &OwnedFd, copy: &OwnedFd, piece: Piece) -> Outcome<()> {
    let (mut at, mut left) = (piece.at, piece.length);
    sys::seek(copy, at, libc::SEEK_SET)?;
    while left > 0 {
        job.go_on()?;
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE);
        match sys::send_file(copy, source, &mut at, most)? {
            0 => break,
            count => left -= count as u64,
        }
    }
    Ok(())
}

/// Copies extended attributes, as far as the other file system supports them.
fn copy_xattrs(source: &OwnedFd, copy: &OwnedFd) {
    let mut value = vec![0u8; 64 * 1024];
    for name in xattrs::names(source).split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if let Some(value) = xattrs::get(source, name, &mut value) {
            let _ = xattrs::set(copy, name, value);
        }
    }
}

/// Sets owner, mode and times of an open copy, in an order in which no step undoes another.
fn finish(copy: &OwnedFd, stat: &libc::stat64) -> Sys<()> {
    let times = [
        libc::timespec { tv_sec: stat.st_atime, tv_nsec: stat.st_atime_nsec },
        libc::timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec },
    ];
    paths::change_owner(copy, stat.st_uid, stat.st_gid)?;
    paths::change_mode(copy, stat.st_mode)?;
    paths::set_times(copy, times)
}
