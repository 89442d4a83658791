//! Builds the entry record: what is known about a file.

use std::ffi::{CStr, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::path::name_of;
use crate::error::{Failure, Outcome};
use crate::numbers::{file_type, tag};
use crate::record::Record;
use crate::sys::paths::{self, is_kind, lstat, read_link_at, stat};
use crate::sys::xattrs;
use crate::users::Users;

/// The most bytes of extended attributes that are listed for a file.
const MOST_XATTRS: usize = 16 * 1024;

pub fn type_of(stat: &libc::stat64) -> u64 {
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => file_type::FILE,
        libc::S_IFDIR => file_type::DIRECTORY,
        libc::S_IFLNK => file_type::SYMLINK,
        _ => file_type::OTHER,
    }
}

/// Builds the record for a path. Type and mode are those of a link's target; all other fields are the link's own.
pub fn entry(path: &CStr, with_xattrs: bool, users: &mut Users) -> Outcome<Record> {
    let own = lstat(path).map_err(|errno| Failure::from(errno).about(path.to_bytes()))?;
    let is_link = is_kind(&own, libc::S_IFLNK);
    let target = if is_link { stat(path).ok() } else { None };
    let shown = target.as_ref().unwrap_or(&own);
    let mut record = Record::new();
    record
        .bytes(tag::entry::NAME, name_of(path.to_bytes()))
        .bytes(tag::entry::PATH, path.to_bytes())
        .int(tag::entry::TYPE, type_of(shown))
        .int(tag::entry::SIZE, own.st_size as u64)
        .int(tag::entry::MODE, u64::from(shown.st_mode & 0o7777))
        .int(tag::entry::UID, own.st_uid.into())
        .int(tag::entry::GID, own.st_gid.into())
        .bytes(tag::entry::OWNER, &users.by_uid(own.st_uid).name)
        .bytes(tag::entry::GROUP, &users.group_name(own.st_gid))
        .int(
            tag::entry::MODIFIED_NS,
            (own.st_mtime as u64).wrapping_mul(1_000_000_000).wrapping_add(own.st_mtime_nsec as u64),
        );
    if is_link {
        record
            .bytes(tag::entry::SYMLINK_TARGET, &read_link_at(libc::AT_FDCWD, path).unwrap_or_default())
            .flag(tag::entry::LINK, true);
        if target.is_some() {
            if let Some(resolved) = real_path(path) {
                record.bytes(tag::entry::RESOLVED, &resolved);
            }
        }
    }
    // Opening a file of another kind may have side effects.
    if with_xattrs && (is_kind(&own, libc::S_IFREG) || is_kind(&own, libc::S_IFDIR)) {
        add_xattrs(path, &mut record);
    }
    Ok(record)
}

fn real_path(path: &CStr) -> Option<Vec<u8>> {
    let resolved = std::fs::canonicalize(OsStr::from_bytes(path.to_bytes()));
    resolved.ok().map(|resolved| resolved.into_os_string().into_vec())
}

fn add_xattrs(path: &CStr, record: &mut Record) {
    let Ok(file) = paths::open(path, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY, 0) else {
        return;
    };
    for (name, value) in user_xattrs(&file) {
        let mut xattr = Record::new();
        xattr.bytes(tag::xattr::NAME, &name).bytes(tag::xattr::VALUE, &value);
        record.record(tag::entry::XATTR, &xattr);
    }
}

/// Lists the attributes of the `user.` namespace; none where the file system has no attributes.
pub fn user_xattrs(file: &OwnedFd) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut all, mut total) = (Vec::new(), 0);
    for name in xattrs::names(file).split_inclusive(|&byte| byte == 0).filter(|name| name.starts_with(b"user.")) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let mut value = [0; 4096];
        let Some(value) = xattrs::get(file, name, &mut value) else { continue };
        total += name.count_bytes() + value.len();
        if total > MOST_XATTRS {
            break;
        }
        all.push((name.to_bytes().to_vec(), value.to_vec()));
    }
    all
}
