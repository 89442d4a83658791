//! Copying a tree to another file system: content, owners, modes, times and attributes.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::directory::{is_kind, lstat, open_at, read_link_at, stat_at, Directory};
use super::remove::remove_tree;
use crate::error::{Failure, Outcome};
use crate::jobs::Job;
use crate::sys::{self, check, Errno, Sys};
use crate::tar::{Piece, Sparse};

/// Both directories of every level are held open; a deeper tree than this is refused.
const DEEPEST: usize = 1_024;
const PIECE: usize = 1 << 20;

/// What is there is replaced as by a rename: a file by anything but a directory, an empty directory by a directory.
/// After a failure nothing of the copy is left.
pub fn copy_tree(job: &Arc<Job>, source: &CStr, destination: &CStr) -> Outcome<()> {
    let stat = lstat(source)?;
    let is_directory = is_kind(&stat, libc::S_IFDIR);
    // SAFETY: the path ends in NUL.
    let cleared = check(unsafe {
        match is_directory {
            true => libc::rmdir(destination.as_ptr()),
            false => libc::unlink(destination.as_ptr()),
        }
    });
    match cleared {
        Ok(_) | Err(Errno(libc::ENOENT)) => {}
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
                // Last, because writing into a directory changes its times, and a read-only one could not be written to.
                finish(to.as_raw_fd(), stat)?;
                levels.pop();
            }
        }
    }
    Ok(())
}

type Level = (Directory, OwnedFd, libc::stat64);

/// Copies one thing; of a directory only itself, to be filled by the caller.
fn copy_one(job: &Arc<Job>, from: RawFd, name: &CStr, to: RawFd, new_name: &CStr) -> Outcome<Option<Level>> {
    let stat = stat_at(from, name, libc::AT_SYMLINK_NOFOLLOW)?;
    let kind = stat.st_mode & libc::S_IFMT;
    // SAFETY: all names end in NUL.
    unsafe {
        match kind {
            libc::S_IFDIR => {
                check(libc::mkdirat(to, new_name.as_ptr(), 0o700))?;
                let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
                let directory = Directory::new(open_at(from, name, flags)?)?;
                return Ok(Some((directory, open_at(to, new_name, flags)?, stat)));
            }
            libc::S_IFREG => {
                let source = open_at(from, name, libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK)?;
                let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
                let copy = sys::own(libc::openat(to, new_name.as_ptr(), flags, 0o600))?;
                copy_content(job, &source, &copy, &stat)?;
                copy_xattrs(&source, &copy);
                finish(copy.as_raw_fd(), &stat)?;
            }
            libc::S_IFLNK => {
                let target = CString::new(read_link_at(from, name)?).map_err(|_| Errno(libc::EINVAL))?;
                check(libc::symlinkat(target.as_ptr(), to, new_name.as_ptr()))?;
                let flags = libc::AT_SYMLINK_NOFOLLOW;
                check(libc::fchownat(to, new_name.as_ptr(), stat.st_uid, stat.st_gid, flags))?;
            }
            // A socket is of no use elsewhere than where it was made.
            libc::S_IFSOCK => {}
            _ => {
                check(libc::mknodat(to, new_name.as_ptr(), stat.st_mode, stat.st_rdev))?;
                let flags = libc::AT_SYMLINK_NOFOLLOW;
                check(libc::fchownat(to, new_name.as_ptr(), stat.st_uid, stat.st_gid, flags))?;
            }
        }
    }
    Ok(None)
}

/// Holes stay holes.
fn copy_content(job: &Arc<Job>, source: &OwnedFd, copy: &OwnedFd, stat: &libc::stat64) -> Outcome<()> {
    let size = stat.st_size as u64;
    let may_have_holes = (stat.st_blocks as u64).saturating_mul(512) < size;
    let Some(sparse) = (if may_have_holes { Sparse::of_file(source, size).unwrap_or(None) } else { None }) else {
        return copy_piece(job, source, copy, Piece { at: 0, length: u64::MAX });
    };
    for piece in sparse.pieces {
        copy_piece(job, source, copy, piece)?;
    }
    // SAFETY: an open descriptor.
    check(unsafe { libc::ftruncate64(copy.as_raw_fd(), stat.st_size) })?;
    Ok(())
}

fn copy_piece(job: &Arc<Job>, source: &OwnedFd, copy: &OwnedFd, piece: Piece) -> Outcome<()> {
    let (mut at, mut left) = (piece.at as libc::off64_t, piece.length);
    // SAFETY: an open descriptor, no memory involved.
    if unsafe { libc::lseek64(copy.as_raw_fd(), at, libc::SEEK_SET) } < 0 {
        return Err(Errno::last().into());
    }
    while left > 0 {
        job.go_on()?;
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE);
        // SAFETY: both are open; the position of the copy is used and moved, and `at` instead of that of the source.
        match unsafe { libc::sendfile64(copy.as_raw_fd(), source.as_raw_fd(), &mut at, most) } {
            0 => break,
            count if count < 0 => return Err(Errno::last().into()),
            count => left -= count as u64,
        }
    }
    Ok(())
}

/// As far as the other file system has them.
fn copy_xattrs(source: &OwnedFd, copy: &OwnedFd) {
    let (mut names, mut value) = ([0u8; 4096], vec![0u8; 64 * 1024]);
    // SAFETY: all buffers are valid for their lengths.
    unsafe {
        let length = libc::flistxattr(source.as_raw_fd(), names.as_mut_ptr().cast(), names.len());
        let names = &names[..usize::try_from(length).unwrap_or(0)];
        for name in names.split_inclusive(|&byte| byte == 0) {
            let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
            let length = libc::fgetxattr(source.as_raw_fd(), name.as_ptr(), value.as_mut_ptr().cast(), value.len());
            if let Ok(length) = usize::try_from(length) {
                libc::fsetxattr(copy.as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), length, 0);
            }
        }
    }
}

/// Owner, mode and times of an open copy, in the order in which none takes back another.
fn finish(copy: RawFd, stat: &libc::stat64) -> Sys<()> {
    let times = [
        libc::timespec { tv_sec: stat.st_atime, tv_nsec: stat.st_atime_nsec },
        libc::timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec },
    ];
    // SAFETY: an open descriptor and two valid times.
    unsafe {
        check(libc::fchown(copy, stat.st_uid, stat.st_gid))?;
        check(libc::fchmod(copy, stat.st_mode & 0o7777))?;
        check(libc::futimens(copy, times.as_ptr())).map(drop)
    }
}
