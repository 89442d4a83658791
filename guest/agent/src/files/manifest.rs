//! The method manifest: lists a whole tree for a comparison, on a worker thread, as a stream of records.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::digests::Digests;
use super::entry::type_of;
use super::path::absolute;
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Code, Failure, Outcome};
use crate::jobs::Job;
use crate::numbers::tag;
use crate::record::{self, Fields, Record};
use crate::sha256::{Digest, Sha256};
use crate::stream::{Begun, Work};
use crate::sys::directory::Directory;
use crate::sys::paths::{self, is_kind, open_inside, read_link_at, stat_at};
use crate::sys::{self, Errno};

const DEFAULT_LIMIT: u64 = 1_000_000;
/// The deepest tree that is listed: every level holds a descriptor.
const DEEPEST: usize = 1_024;
/// The size of what is sent at once.
const PIECE: usize = 64 * 1024;
/// After hashing so many bytes the agent gives a sign of life.
const ALIVE: usize = 8 * 1024 * 1024;

struct Manifest {
    top: OwnedFd,
    skip_paths: BTreeSet<Vec<u8>>,
    skip_names: BTreeSet<Vec<u8>>,
    only: Vec<Vec<u8>>,
    hash_bytes: u64,
    limit: u64,
    digests: Arc<Digests>,
    entries: u64,
    bytes: u64,
    pending: Vec<u8>,
    scratch: Vec<u8>,
}

/// A directory whose own entries have been listed: its path, ending in a slash, and the directories in it still to
/// come.
struct Level {
    directory: OwnedFd,
    path: Vec<u8>,
    below: Vec<CString>,
}

impl Agent {
    pub fn manifest(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let mut path: &[u8] = b"";
        let (mut skip_paths, mut skip_names, mut only) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        let (mut hash_bytes, mut limit) = (0, DEFAULT_LIMIT);
        for (tag, value) in fields {
            match tag {
                tag::manifest::PATH => path = value,
                tag::manifest::USER => drop(self.settings.account(&mut self.users, value)?),
                tag::manifest::SKIP_PATH => drop(skip_paths.insert(value.to_vec())),
                tag::manifest::SKIP_NAME => drop(skip_names.insert(value.to_vec())),
                tag::manifest::ONLY => only.push(value.to_vec()),
                tag::manifest::HASH_BYTES => hash_bytes = record::int(value)?,
                tag::manifest::LIMIT => {
                    limit = Some(record::int(value)?).filter(|&limit| limit > 0).unwrap_or(DEFAULT_LIMIT);
                }
                _ => {}
            }
        }
        let target = absolute(path)?;
        let top = Directory::open(&target).map_err(|errno| Failure::from(errno).about(path))?.into_fd();
        let manifest = Manifest {
            top,
            skip_paths,
            skip_names,
            only,
            hash_bytes,
            limit,
            digests: self.digests.clone(),
            entries: 0,
            bytes: 0,
            pending: Vec::new(),
            scratch: Vec::new(),
        };
        let job = self.jobs.start(caller.link, caller.stream, move |job| manifest.run(job))?;
        Ok(Begun::Running(Work::Job(job)))
    }
}

impl Manifest {
    fn run(mut self, job: &Arc<Job>) -> Outcome<Record> {
        if self.only.is_empty() {
            self.walk(job)?;
        } else {
            for path in std::mem::take(&mut self.only) {
                self.pick(job, &path)?;
            }
        }
        self.send(job, 1)?;
        let mut record = Record::new();
        record.int(tag::manifest_result::BYTES, self.bytes);
        Ok(record)
    }

    fn walk(&mut self, job: &Arc<Job>) -> Outcome<()> {
        let top = self.top.try_clone().map_err(|error| Failure::from(Errno::from(error)))?;
        let mut levels = vec![self.list(job, Directory::new(top), Vec::new())?];
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.below.pop() else {
                levels.pop();
                continue;
            };
            let path = [level.path.as_slice(), name.to_bytes(), b"/"].concat();
            let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
            // It may have gone since, or a link may have taken its place.
            let Ok(below) = paths::open_at(level.directory.as_raw_fd(), &name, flags, 0) else { continue };
            if levels.len() >= DEEPEST {
                return Err(Failure::invalid("the tree is too deep to be listed").about(&path));
            }
            levels.push(self.list(job, Directory::new(below), path)?);
        }
        Ok(())
    }

    /// Lists the entries of one directory.
    fn list(&mut self, job: &Arc<Job>, mut directory: Directory, path: Vec<u8>) -> Outcome<Level> {
        let mut below = Vec::new();
        let mut path_below = path.clone();
        while let Some(entry) = directory.next()? {
            job.go_on()?;
            path_below.truncate(path.len());
            path_below.extend_from_slice(entry.name.to_bytes());
            if self.skip_names.contains(entry.name.to_bytes()) || self.skip_paths.contains(&path_below) {
                continue;
            }
            if self.put(job, directory.fd(), &entry.name, &path_below)? {
                below.push(entry.name);
            }
        }
        Ok(Level { directory: directory.into_fd(), path, below })
    }

    /// Lists one path that was asked for. What does not exist is left out.
    fn pick(&mut self, job: &Arc<Job>, path: &[u8]) -> Outcome<()> {
        job.go_on()?;
        let (folder, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (b"".as_slice(), path),
        };
        let Ok(name) = CString::new(name) else { return Err(Failure::invalid("a path holds a NUL")) };
        if matches!(name.to_bytes(), b"" | b"." | b"..") {
            return Err(Failure::invalid("a path that is not one of an entry").about(path));
        }
        let Ok(folder) = open_inside(&self.top, folder) else { return Ok(()) };
        self.put(job, folder.as_raw_fd(), &name, path).map(drop)
    }

    /// Lists one entry; true when it is a directory.
    fn put(&mut self, job: &Arc<Job>, at: RawFd, name: &CStr, path: &[u8]) -> Outcome<bool> {
        // The file may have gone since.
        let Ok(stat) = stat_at(at, name, libc::AT_SYMLINK_NOFOLLOW) else { return Ok(false) };
        if self.entries >= self.limit {
            return Err(Failure::new(Code::ResourceExhausted, "the tree has more entries than were asked for"));
        }
        self.entries += 1;
        let ns = |seconds: i64, rest: i64| (seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(rest as u64);
        let mut record = Record::new();
        record
            .bytes(tag::manifest_entry::PATH, path)
            .int(tag::manifest_entry::TYPE, type_of(&stat))
            .int(tag::manifest_entry::MODE, u64::from(stat.st_mode & 0o7777))
            .int(tag::manifest_entry::SIZE, stat.st_size as u64)
            .int(tag::manifest_entry::MODIFIED_NS, ns(stat.st_mtime, stat.st_mtime_nsec))
            .int(tag::manifest_entry::CHANGED_NS, ns(stat.st_ctime, stat.st_ctime_nsec))
            .int(tag::manifest_entry::INODE, stat.st_ino);
        if is_kind(&stat, libc::S_IFLNK) {
            record.bytes(tag::manifest_entry::LINK, &read_link_at(at, name).unwrap_or_default());
        }
        if is_kind(&stat, libc::S_IFREG) && stat.st_size as u64 <= self.hash_bytes && self.hash_bytes > 0 {
            if let Some(digest) = self.digest(job, at, name, &stat)? {
                record.bytes(tag::manifest_entry::SHA256, &digest);
            }
        }
        self.pending.extend_from_slice(&(record.0.len() as u32).to_le_bytes());
        self.pending.extend_from_slice(&record.0);
        self.send(job, PIECE)?;
        Ok(is_kind(&stat, libc::S_IFDIR))
    }

    /// Gives the digest of a file; `None` where it cannot be read.
    fn digest(&mut self, job: &Arc<Job>, at: RawFd, name: &CStr, stat: &libc::stat64) -> Outcome<Option<Digest>> {
        if let Some(known) = self.digests.find(stat) {
            return Ok(Some(known));
        }
        let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let Ok(file) = paths::open_at(at, name, flags, 0) else { return Ok(None) };
        let Ok(before) = stat_at(file.as_raw_fd(), c"", libc::AT_EMPTY_PATH) else { return Ok(None) };
        if !is_kind(&before, libc::S_IFREG) {
            return Ok(None);
        }
        let mut sum = Sha256::new();
        let (mut read, mut silent) = (0, 0);
        self.scratch.resize(PIECE, 0);
        // A file that grows while it is read does not keep the agent busy for ever.
        while read <= self.hash_bytes {
            job.go_on()?;
            let Ok(count) = sys::read(file.as_raw_fd(), &mut self.scratch) else { return Ok(None) };
            if count == 0 {
                break;
            }
            sum.update(&self.scratch[..count]);
            read += count as u64;
            silent += count;
            if silent >= ALIVE {
                silent = 0;
                self.pending.extend_from_slice(&0_u32.to_le_bytes());
                self.send(job, 1)?;
            }
        }
        let digest = sum.finish();
        if let Ok(after) = stat_at(file.as_raw_fd(), c"", libc::AT_EMPTY_PATH) {
            self.digests.keep(&before, &after, digest);
        }
        Ok(Some(digest))
    }

    /// Sends the gathered entries, once there are at least `least` bytes.
    fn send(&mut self, job: &Arc<Job>, least: usize) -> Outcome<()> {
        if self.pending.len() >= least {
            self.bytes += self.pending.len() as u64;
            job.send_data(std::mem::take(&mut self.pending))?;
        }
        Ok(())
    }
}
