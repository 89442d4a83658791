//! The method attributes: mode, owner and extended attributes of an existing file.

use std::ffi::{CStr, CString};

use super::entry::entry;
use super::path::absolute;
use crate::agent::Agent;
use crate::error::{Failure, Outcome};
use crate::numbers::tag;
use crate::record::{self, Fields, Record};
use crate::sys::{paths, xattrs, Errno, Sys};

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
                tag::xattr::NAME => xattr.name = value,
                tag::xattr::VALUE => xattr.value = value,
                tag::xattr::REMOVE => xattr.remove = record::flag(value)?,
                _ => {}
            }
        }
        Ok(xattr)
    }

    fn apply(&self, path: &CStr) -> Sys<()> {
        let name = CString::new(self.name).map_err(|_| Errno(libc::EINVAL))?;
        if !self.remove {
            return xattrs::set_at(path, &name, self.value);
        }
        match xattrs::remove_at(path, &name) {
            Err(Errno(libc::ENODATA)) => Ok(()),
            result => result,
        }
    }
}

impl Agent {
    pub fn attributes(&mut self, fields: Fields) -> Outcome<Record> {
        let mut path: &[u8] = b"";
        let (mut mode, mut owner, mut xattrs) = (None, None, Vec::new());
        for (tag, value) in fields {
            match tag {
                tag::attributes::PATH => path = value,
                tag::attributes::MODE => mode = Some(record::narrow::<libc::mode_t>(value)?),
                tag::attributes::OWNER => owner = Some(self.users.find(value)?),
                tag::attributes::USER => drop(self.settings.account(&mut self.users, value)?),
                tag::attributes::XATTR => xattrs.push(Xattr::parse(value)?),
                _ => {}
            }
        }
        let target = absolute(path)?;
        let failed = |errno| Failure::from(errno).about(path);
        // The owner comes first, because a change of owner clears the setuid bits.
        if let Some(owner) = owner {
            paths::change_owner_at(libc::AT_FDCWD, &target, owner.uid, owner.gid, 0).map_err(failed)?;
        }
        if let Some(mode) = mode {
            paths::change_mode_at(libc::AT_FDCWD, &target, mode).map_err(failed)?;
        }
        for xattr in xattrs {
            xattr.apply(&target).map_err(failed)?;
        }
        entry(&target, true, &mut self.users)
    }
}
