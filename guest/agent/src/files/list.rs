//! The method list directory: sorted, depth first, on a worker thread.

use std::ffi::CString;
use std::sync::Arc;

use super::entry::entry;
use super::path::{absolute, join, trimmed};
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Failure, Outcome};
use crate::jobs::Job;
use crate::numbers::{message, tag};
use crate::record::{self, Fields, Record};
use crate::stream::{Begun, Work};
use crate::sys::directory::Directory;
use crate::sys::paths;
use crate::users::Users;

const DEFAULT_LIMIT: u64 = 100_000;
/// The most names of one directory that are looked at: they are held in memory to be sorted.
const MOST_NAMES: usize = 200_000;

struct Listing {
    depth: u64,
    limit: u64,
    with_xattrs: bool,
    count: u64,
    truncated: bool,
}

impl Agent {
    pub fn list_directory(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let mut path: &[u8] = b"";
        let mut listing = Listing { depth: 1, limit: DEFAULT_LIMIT, with_xattrs: false, count: 0, truncated: false };
        for (tag, value) in fields {
            match tag {
                tag::list_directory::PATH => path = value,
                tag::list_directory::DEPTH => listing.depth = record::int(value)?.max(1),
                tag::list_directory::USER => drop(self.settings.account(&mut self.users, value)?),
                tag::list_directory::LIMIT => {
                    listing.limit = Some(record::int(value)?).filter(|&limit| limit > 0).unwrap_or(DEFAULT_LIMIT);
                }
                tag::list_directory::XATTRS => listing.with_xattrs = record::flag(value)?,
                _ => {}
            }
        }
        let target = absolute(path)?;
        let directory = Directory::open(&target).map_err(|errno| Failure::from(errno).about(path))?;
        let path = trimmed(path).to_vec();
        let job = self.jobs.start(caller.link, caller.stream, move |job| listing.run(job, path, directory))?;
        Ok(Begun::Running(Work::Job(job)))
    }
}

impl Listing {
    fn run(mut self, job: &Arc<Job>, path: Vec<u8>, directory: Directory) -> Outcome<Record> {
        let mut users = Users::default();
        // Each level of the walk has its path and the names still to come, the next one last.
        let mut levels = vec![(path, self.names(directory)?)];
        while let Some((folder, names)) = levels.last_mut() {
            let Some((name, kind)) = names.pop() else {
                levels.pop();
                continue;
            };
            let path = join(folder, name.as_bytes());
            let target = absolute(&path)?;
            // The file may have gone since.
            let Ok(record) = entry(&target, self.with_xattrs, &mut users) else { continue };
            if self.count >= self.limit {
                self.truncated = true;
                break;
            }
            self.count += 1;
            job.send_message(message::ENTRY, record)?;
            let may_be_directory = matches!(kind, libc::DT_DIR | libc::DT_UNKNOWN);
            if may_be_directory && (levels.len() as u64) < self.depth {
                // The walk follows no link, and skips directories that may not be read.
                let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
                let opened = paths::open(&target, flags, 0).map(Directory::new);
                if let Ok(below) = opened {
                    let names = self.names(below)?;
                    levels.push((path, names));
                }
            }
        }
        let mut record = Record::new();
        record
            .int(tag::list_directory_result::COUNT, self.count)
            .flag(tag::list_directory_result::TRUNCATED, self.truncated);
        Ok(record)
    }

    /// Gives the names in reverse, so that the next one is cheap to take.
    fn names(&mut self, mut directory: Directory) -> Outcome<Vec<(CString, u8)>> {
        let mut names = Vec::new();
        while let Some(name) = directory.next()? {
            if names.len() >= MOST_NAMES {
                self.truncated = true;
                break;
            }
            names.push((name.name, name.kind));
        }
        names.sort_unstable_by(|one, other| other.0.cmp(&one.0));
        Ok(names)
    }
}
