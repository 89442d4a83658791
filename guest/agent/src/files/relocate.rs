//! The method move: a rename where that works, otherwise a copy on a worker thread.

use std::ffi::CStr;

use super::copy::copy_tree;
use super::create::{make_parents, Owner};
use super::entry::entry;
use super::path::{absolute, trimmed};
use super::remove::remove_tree;
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Failure, Outcome};
use crate::numbers::tag;
use crate::record::Fields;
use crate::stream::{Begun, Work};
use crate::sys::{paths, Errno, Sys};
use crate::users::Users;

fn rename(source: &CStr, destination: &CStr) -> Sys<()> {
    paths::rename_at(libc::AT_FDCWD, source, libc::AT_FDCWD, destination)
}

impl Agent {
    pub fn relocate(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let (mut from, mut to, mut user): (&[u8], &[u8], &[u8]) = (b"", b"", b"");
        for (tag, value) in fields {
            match tag {
                tag::r#move::SOURCE => from = trimmed(value),
                tag::r#move::DESTINATION => to = trimmed(value),
                tag::r#move::USER => user = value,
                _ => {}
            }
        }
        let (source, destination) = (absolute(from)?, absolute(to)?);
        let owner: Owner = self.owner(user)?;
        let mut result = rename(&source, &destination);
        if result == Err(Errno(libc::ENOENT)) && paths::lstat(&source).is_ok() {
            make_parents(to, owner)?;
            result = rename(&source, &destination);
        }
        match result {
            Ok(()) => entry(&destination, true, &mut self.users).map(Begun::Done),
            Err(Errno(libc::EXDEV)) => {
                let job = self.jobs.start(caller.link, caller.stream, move |job| {
                    copy_tree(job, &source, &destination)?;
                    remove_tree(job, &source)?;
                    entry(&destination, true, &mut Users::default())
                })?;
                Ok(Begun::Running(Work::Job(job)))
            }
            Err(errno) => Err(Failure::from(errno).about(from)),
        }
    }
}
