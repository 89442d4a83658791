//! attributes: mode, owner and extended attributes of what is there already.

use std::ffi::{CStr, CString};

use super::absolute;
use super::entry::entry;
use crate::agent::Agent;
use crate::error::{Failure, Outcome};
use crate::record::{self, Fields, Record};
use crate::sys::{check, Errno, Sys};

struct Xattr<'a> {
    name: &'a [u8],
    value: &'a [u8],
    remove: bool,
}

impl<'a> Xattr<'a> {
    fn parse(record: &'a [u8]) -> Outcome<Self> {
        let mut xattr = Xattr { name: b"", value: b"", remove: false };
        for (tag, value) in Fields::new(record) {
            match tag {
                1 => xattr.name = value,
                2 => xattr.value = value,
                3 => xattr.remove = record::flag(value)?,
                _ => {}
            }
        }
        Ok(xattr)
    }

    fn apply(&self, path: &CStr) -> Sys<()> {
        let name = CString::new(self.name).map_err(|_| Errno(libc::EINVAL))?;
        // SAFETY: strings end in NUL; the value is valid for its length.
        let result = unsafe {
            if self.remove {
                libc::removexattr(path.as_ptr(), name.as_ptr())
            } else {
                libc::setxattr(path.as_ptr(), name.as_ptr(), self.value.as_ptr().cast(), self.value.len(), 0)
            }
        };
        match check(result) {
            Err(Errno(libc::ENODATA)) if self.remove => Ok(()),
            result => result.map(drop),
        }
    }
}

impl Agent {
    pub fn attributes(&mut self, fields: Fields) -> Outcome<Record> {
        let mut path: &[u8] = b"";
        let (mut mode, mut owner, mut xattrs) = (None, None, Vec::new());
        for (tag, value) in fields {
            match tag {
                1 => path = value,
                2 => mode = Some(record::narrow::<libc::mode_t>(value)?),
                3 => owner = Some(self.users.find(value)?),
                4 => drop(self.settings.account(&mut self.users, value)?),
                5 => xattrs.push(Xattr::parse(value)?),
                _ => {}
            }
        }
        let target = absolute(path)?;
        let failed = |errno| Failure::from(errno).about(path);
        // The owner first: it takes the setuid bits away.
        if let Some(owner) = owner {
            // SAFETY: the path ends in NUL.
            check(unsafe { libc::chown(target.as_ptr(), owner.uid, owner.gid) }).map_err(failed)?;
        }
        if let Some(mode) = mode {
            // SAFETY: the path ends in NUL.
            check(unsafe { libc::chmod(target.as_ptr(), mode & 0o7777) }).map_err(failed)?;
        }
        for xattr in xattrs {
            xattr.apply(&target).map_err(failed)?;
        }
        entry(&target, true, &mut self.users)
    }
}
