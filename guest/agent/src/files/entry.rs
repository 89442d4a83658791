//! The entry record: what is known about a file.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use super::directory::{is_kind, lstat, read_link_at, stat};
use super::{absolute, name_of};
use crate::agent::Agent;
use crate::error::{Failure, Outcome};
use crate::record::{Fields, Record};
use crate::users::Users;

const FILE: u64 = 1;
const DIRECTORY: u64 = 2;
const SYMLINK: u64 = 3;
const OTHER: u64 = 4;

/// Attributes of a file that are shown at most, in bytes.
const MOST_XATTRS: usize = 16 * 1024;

fn type_of(stat: &libc::stat64) -> u64 {
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => FILE,
        libc::S_IFDIR => DIRECTORY,
        libc::S_IFLNK => SYMLINK,
        _ => OTHER,
    }
}

/// The record for what lies at a path. Type and mode are those of what a link leads to, all else is the link's own.
pub fn entry(path: &CStr, with_xattrs: bool, users: &mut Users) -> Outcome<Record> {
    let own = lstat(path).map_err(|errno| Failure::from(errno).about(path.to_bytes()))?;
    let is_link = is_kind(&own, libc::S_IFLNK);
    let target = if is_link { stat(path).ok() } else { None };
    let shown = target.as_ref().unwrap_or(&own);
    let mut record = Record::new();
    record
        .bytes(1, name_of(path.to_bytes()))
        .bytes(2, path.to_bytes())
        .int(3, type_of(shown))
        .int(4, own.st_size as u64)
        .int(5, u64::from(shown.st_mode & 0o7777))
        .int(6, own.st_uid.into())
        .int(7, own.st_gid.into())
        .bytes(8, &users.by_uid(own.st_uid).name)
        .bytes(9, &users.group_name(own.st_gid))
        .int(10, (own.st_mtime as u64).wrapping_mul(1_000_000_000).wrapping_add(own.st_mtime_nsec as u64));
    if is_link {
        record.bytes(11, &read_link_at(libc::AT_FDCWD, path).unwrap_or_default()).flag(12, true);
        if target.is_some() {
            if let Some(resolved) = real_path(path) {
                record.bytes(13, &resolved);
            }
        }
    }
    // Opening anything else may have effects.
    if with_xattrs && (is_kind(&own, libc::S_IFREG) || is_kind(&own, libc::S_IFDIR)) {
        add_xattrs(path, &mut record);
    }
    Ok(record)
}

fn real_path(path: &CStr) -> Option<Vec<u8>> {
    // SAFETY: without a buffer the result is allocated, and freed here.
    unsafe {
        let resolved = libc::realpath(path.as_ptr(), std::ptr::null_mut());
        if resolved.is_null() {
            return None;
        }
        let bytes = CStr::from_ptr(resolved).to_bytes().to_vec();
        libc::free(resolved.cast());
        Some(bytes)
    }
}

fn add_xattrs(path: &CStr, record: &mut Record) {
    let Ok(file) = crate::sys::open(path, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY, 0)
    else {
        return;
    };
    for (name, value) in user_xattrs(&file) {
        let mut xattr = Record::new();
        xattr.bytes(1, &name).bytes(2, &value);
        record.record(14, &xattr);
    }
}

/// Those of the `user.` namespace. A file system without any is no failure.
pub fn user_xattrs(file: &OwnedFd) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = [0; 4096];
    // SAFETY: valid for its length.
    let length = unsafe { libc::flistxattr(file.as_raw_fd(), names.as_mut_ptr().cast(), names.len()) };
    let names = &names[..usize::try_from(length).unwrap_or(0)];
    let (mut all, mut total) = (Vec::new(), 0);
    for name in names.split_inclusive(|&byte| byte == 0).filter(|name| name.starts_with(b"user.")) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let mut value = [0; 4096];
        // SAFETY: valid for its length.
        let length =
            unsafe { libc::fgetxattr(file.as_raw_fd(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
        let Ok(length) = usize::try_from(length) else { continue };
        total += name.count_bytes() + length;
        if total > MOST_XATTRS {
            break;
        }
        all.push((name.to_bytes().to_vec(), value[..length].to_vec()));
    }
    all
}

impl Agent {
    pub fn stat(&mut self, fields: Fields) -> Outcome<Record> {
        let mut path: &[u8] = b"";
        for (tag, value) in fields {
            match tag {
                1 => path = value,
                // Who asks does not change what is seen, but must exist.
                2 => drop(self.settings.account(&mut self.users, value)?),
                _ => {}
            }
        }
        entry(&absolute(path)?, true, &mut self.users)
    }
}
