//! The method tar in: unpacks an archive into a directory.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use super::format::{kind, Header};
use super::inside::{clean, split};
use super::reader::Reader;
use super::time::Time;
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Failure, Outcome};
use crate::files::create::{make_directories, Owner};
use crate::files::path::absolute;
use crate::jobs::Job;
use crate::numbers::tag;
use crate::record::{Fields, Record};
use crate::stream::{Begun, Work};
use crate::sys::paths::{self, open_inside};
use crate::sys::{process, Errno};

pub struct Extraction {
    pub(super) top: OwnedFd,
    /// The owner of all entries. Without one the archive decides, where the agent may set it.
    pub(super) owner: Option<Owner>,
    pub(super) superuser: bool,
    /// The folder of the last entry, because the next entry is usually in the same one.
    pub(super) last: Option<(Vec<u8>, OwnedFd)>,
    pub(super) times: Vec<(Vec<u8>, Time)>,
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

impl Agent {
    pub fn tar_in(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let (mut path, mut user): (&[u8], &[u8]) = (b"", b"");
        for (tag, value) in fields {
            match tag {
                tag::tar_in::PATH => path = value,
                tag::tar_in::USER => user = value,
                _ => {}
            }
        }
        let target = absolute(path)?;
        let owner = self.owner(user)?;
        make_directories(path, 0o755, owner)?;
        let top = paths::open(&target, libc::O_RDONLY | libc::O_DIRECTORY, 0)
            .map_err(|errno| Failure::from(errno).about(path))?;
        let extraction = Extraction {
            top,
            owner: (!user.is_empty()).then_some(owner),
            superuser: process::user_id() == 0,
            last: None,
            times: Vec::new(),
            entries: 0,
            bytes: 0,
        };
        let job = self.jobs.start(caller.link, caller.stream, move |job| extraction.run(job))?;
        Ok(Begun::Running(Work::Job(job)))
    }
}

impl Extraction {
    fn run(mut self, job: &Arc<Job>) -> Outcome<Record> {
        let result = self.extract_all(job);
        // The times are set for the existing directories even when the archive broke off.
        for (path, modified) in self.times.iter().rev() {
            if let Ok(directory) = open_inside(&self.top, path) {
                // A file system without times is no failure.
                let _ = paths::set_times(&directory, [(*modified).into(); 2]);
            }
        }
        if let Err(failure) = result {
            return Err(failure.after(&format!("{} entries were unpacked before and are there", self.entries)));
        }
        let mut record = Record::new();
        record.int(tag::tar_result::ENTRIES, self.entries).int(tag::tar_result::BYTES, self.bytes);
        Ok(record)
    }

    fn extract_all(&mut self, job: &Arc<Job>) -> Outcome<()> {
        let mut reader = Reader::new(|| job.receive());
        while let Some(header) = reader.next()? {
            job.go_on()?;
            let path = clean(&header.path)?;
            // The entry is the directory itself.
            if path.is_empty() {
                continue;
            }
            let failed = |failure: Failure| failure.about(&path);
            self.enter(split(&path).0).map_err(failed)?;
            self.extract(&header, &path, &mut reader).map_err(failed)?;
            self.entries += 1;
        }
        Ok(())
    }

    /// Makes `last` the given folder, and creates its missing parents.
    fn enter(&mut self, folder: &[u8]) -> Outcome<()> {
        if self.last.as_ref().is_some_and(|(path, _)| path == folder) {
            return Ok(());
        }
        let opened = match open_inside(&self.top, folder) {
            Err(Errno(libc::ENOENT)) => {
                let (above, name) = split(folder);
                self.enter(above)?;
                let name = CString::new(name).unwrap_or_default();
                let parent = self.parent()?;
                // A dangling link exists, and is refused below.
                match paths::make_directory_at(parent.as_raw_fd(), &name, 0o755) {
                    Ok(()) => self.give(&name, None)?,
                    Err(Errno(libc::EEXIST)) => {}
                    Err(errno) => return Err(errno.into()),
                }
                open_inside(&self.top, folder)?
            }
            result => result?,
        };
        self.last = Some((folder.to_vec(), opened));
        Ok(())
    }

    pub(super) fn parent(&self) -> Outcome<&OwnedFd> {
        self.last.as_ref().map(|last| &last.1).ok_or(Failure::invalid("no folder"))
    }

    fn extract<S>(&mut self, header: &Header, path: &[u8], reader: &mut Reader<S>) -> Outcome<()>
    where
        S: FnMut() -> Outcome<Option<Vec<u8>>>,
    {
        let name = CString::new(split(path).1).unwrap_or_default();
        match header.kind {
            kind::FILE | kind::OLD_FILE | kind::CONTIGUOUS_FILE if header.path.ends_with(b"/") => {
                // Old archives write directories this way, because they had no type for them.
                self.make_directory(&name, header, path)
            }
            kind::FILE | kind::OLD_FILE | kind::CONTIGUOUS_FILE => self.make_file(&name, header, reader),
            kind::DIRECTORY => self.make_directory(&name, header, path),
            kind::HARD_LINK => {
                let target = clean(&header.link)?;
                let (folder, target_name) = split(&target);
                let target_name = CString::new(target_name).unwrap_or_default();
                let folder = open_inside(&self.top, folder)?;
                self.make(&name, |parent| paths::make_link_at(folder.as_raw_fd(), &target_name, parent, &name))
            }
            kind::SYMLINK => {
                let target =
                    CString::new(header.link.as_slice()).map_err(|_| Failure::invalid("a link holds a NUL"))?;
                self.make(&name, |parent| paths::make_symlink_at(&target, parent, &name))?;
                self.give(&name, Some(header))?;
                self.set_link_time(&name, header.modified)
            }
            kind::CHARACTER_DEVICE | kind::BLOCK_DEVICE | kind::FIFO => {
                let bits = match header.kind {
                    kind::CHARACTER_DEVICE => libc::S_IFCHR,
                    kind::BLOCK_DEVICE => libc::S_IFBLK,
                    _ => libc::S_IFIFO,
                };
                let device = libc::makedev(header.device.0, header.device.1);
                let mode = bits | (header.mode & 0o777);
                self.make(&name, |parent| paths::make_device_at(parent, &name, mode, device))?;
                self.give(&name, Some(header))?;
                self.set_link_time(&name, header.modified)
            }
            _ => Err(Failure::invalid("an entry of a kind that is not served")),
        }
    }
}
