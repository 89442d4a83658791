//! tar in: an archive into a directory.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use super::format::{kind, Header, Time};
use super::inside::{clean, open_inside, split};
use super::reader::Reader;
use super::sparse::Piece;
use crate::agent::Agent;
use crate::dispatch::{Begun, Caller};
use crate::error::{Failure, Outcome};
use crate::files::{absolute, is_kind, make_directories, open_at, stat_at, Owner};
use crate::jobs::Job;
use crate::record::{Fields, Record};
use crate::stream::Work;
use crate::sys::{self, check, Errno, Sys};

/// Directories whose time is set at the end, as filling them changes it.
const MOST_TIMES: usize = 65_536;

struct Extraction {
    top: OwnedFd,
    /// Of all entries; else as the archive says, where the agent may.
    owner: Option<Owner>,
    superuser: bool,
    /// The folder of the last entry: the next one is mostly in the same.
    last: Option<(Vec<u8>, OwnedFd)>,
    times: Vec<(Vec<u8>, Time)>,
    entries: u64,
    bytes: u64,
}

impl Agent {
    pub fn tar_in(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let (mut path, mut user): (&[u8], &[u8]) = (b"", b"");
        for (tag, value) in fields {
            match tag {
                1 => path = value,
                2 => user = value,
                _ => {}
            }
        }
        let target = absolute(path)?;
        let owner = self.owner(user)?;
        make_directories(path, 0o755, owner)?;
        let top = sys::open(&target, libc::O_RDONLY | libc::O_DIRECTORY, 0)
            .map_err(|errno| Failure::from(errno).about(path))?;
        let extraction = Extraction {
            top,
            owner: (!user.is_empty()).then_some(owner),
            // SAFETY: no arguments.
            superuser: unsafe { libc::geteuid() } == 0,
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
        // Also where it has broken off: what is there is as the archive has it.
        for (path, modified) in self.times.iter().rev() {
            if let Ok(directory) = open_inside(&self.top, path) {
                set_time(&directory, *modified);
            }
        }
        if let Err(failure) = result {
            return Err(failure.after(&format!("{} entries were unpacked before and are there", self.entries)));
        }
        let mut record = Record::new();
        record.int(1, self.entries).int(2, self.bytes);
        Ok(record)
    }

    fn extract_all(&mut self, job: &Arc<Job>) -> Outcome<()> {
        let mut reader = Reader::new(|| job.receive());
        while let Some(header) = reader.next()? {
            job.go_on()?;
            let path = clean(&header.path)?;
            // The directory itself.
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

    /// Makes `last` the given folder, with all that is missing above it.
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
                // SAFETY: the name ends in NUL. A link that leads nowhere exists, and is refused below.
                match check(unsafe { libc::mkdirat(parent.as_raw_fd(), name.as_ptr(), 0o755) }) {
                    Ok(_) => self.give(&name, None)?,
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

    fn parent(&self) -> Outcome<&OwnedFd> {
        self.last.as_ref().map(|last| &last.1).ok_or(Failure::invalid("no folder"))
    }

    fn extract<S>(&mut self, header: &Header, path: &[u8], reader: &mut Reader<S>) -> Outcome<()>
    where
        S: FnMut() -> Outcome<Option<Vec<u8>>>,
    {
        let name = CString::new(split(path).1).unwrap_or_default();
        match header.kind {
            kind::FILE | kind::OLD_FILE | kind::CONTIGUOUS_FILE if header.path.ends_with(b"/") => {
                // How directories were written before there was a type for them.
                self.make_directory(&name, header, path)
            }
            kind::FILE | kind::OLD_FILE | kind::CONTIGUOUS_FILE => self.make_file(&name, header, reader),
            kind::DIRECTORY => self.make_directory(&name, header, path),
            kind::HARD_LINK => {
                let target = clean(&header.link)?;
                let (folder, target_name) = split(&target);
                let target_name = CString::new(target_name).unwrap_or_default();
                let folder = open_inside(&self.top, folder)?;
                self.make(&name, |parent| {
                    // SAFETY: both names end in NUL.
                    check(unsafe { libc::linkat(folder.as_raw_fd(), target_name.as_ptr(), parent, name.as_ptr(), 0) })
                })
                .map(drop)
            }
            kind::SYMLINK => {
                let target =
                    CString::new(header.link.as_slice()).map_err(|_| Failure::invalid("a link holds a NUL"))?;
                // SAFETY: both names end in NUL.
                self.make(&name, |parent| check(unsafe { libc::symlinkat(target.as_ptr(), parent, name.as_ptr()) }))?;
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
                // SAFETY: the name ends in NUL.
                self.make(&name, |parent| check(unsafe { libc::mknodat(parent, name.as_ptr(), mode, device) }))?;
                self.give(&name, Some(header))?;
                self.set_link_time(&name, header.modified)
            }
            _ => Err(Failure::invalid("an entry of a kind that is not served")),
        }
    }

    /// Makes something new; what is there under that name and no directory goes first, so that nothing is written through
    /// a link.
    fn make(&self, name: &CStr, create: impl Fn(libc::c_int) -> Sys<libc::c_int>) -> Outcome<libc::c_int> {
        let parent = self.parent()?.as_raw_fd();
        match create(parent) {
            Err(Errno(libc::EEXIST)) => {
                // SAFETY: the name ends in NUL.
                check(unsafe { libc::unlinkat(parent, name.as_ptr(), 0) })?;
                Ok(create(parent)?)
            }
            result => Ok(result?),
        }
    }

    fn make_directory(&mut self, name: &CStr, header: &Header, path: &[u8]) -> Outcome<()> {
        let parent = self.parent()?.as_raw_fd();
        // SAFETY: the name ends in NUL.
        match check(unsafe { libc::mkdirat(parent, name.as_ptr(), 0o755) }) {
            Ok(_) => {}
            Err(Errno(libc::EEXIST)) => {
                // A link to a directory stays what it is.
                let stat = stat_at(parent, name, libc::AT_SYMLINK_NOFOLLOW)?;
                if !is_kind(&stat, libc::S_IFDIR) {
                    open_inside(&self.top, path)?;
                    return Ok(());
                }
            }
            Err(errno) => return Err(errno.into()),
        }
        self.give(name, Some(header))?;
        let directory = open_at(parent, name, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW)?;
        set_mode(&directory, header.mode)?;
        if self.times.len() < MOST_TIMES {
            self.times.push((path.to_vec(), header.modified));
        }
        Ok(())
    }

    fn make_file<S>(&mut self, name: &CStr, header: &Header, reader: &mut Reader<S>) -> Outcome<()>
    where
        S: FnMut() -> Outcome<Option<Vec<u8>>>,
    {
        let parent = self.parent()?.as_raw_fd();
        let create = |name: &CStr| {
            let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_CLOEXEC;
            // SAFETY: the name ends in NUL.
            sys::own(unsafe { libc::openat(parent, name.as_ptr(), flags, 0o600) })
        };
        // An existing file of that name stays until the new one is complete.
        let (file, beside) = match create(name) {
            Err(Errno(libc::EEXIST)) => {
                let beside = name_beside(name);
                // SAFETY: the name ends in NUL. One that was left behind.
                unsafe { libc::unlinkat(parent, beside.as_ptr(), 0) };
                (create(&beside)?, Some(beside))
            }
            result => (result?, None),
        };
        let made = beside.as_deref().unwrap_or(name);
        let mut filled = self.fill(&file, made, header, reader);
        if let (Ok(()), Some(beside)) = (&filled, &beside) {
            // SAFETY: both names end in NUL.
            let renamed = check(unsafe { libc::renameat(parent, beside.as_ptr(), parent, name.as_ptr()) });
            filled = renamed.map(drop).map_err(Failure::from);
        }
        if filled.is_err() {
            // Half a file is worse than none.
            // SAFETY: the name ends in NUL.
            unsafe { libc::unlinkat(parent, made.as_ptr(), 0) };
        }
        filled
    }

    fn fill<S>(&mut self, file: &OwnedFd, name: &CStr, header: &Header, reader: &mut Reader<S>) -> Outcome<()>
    where
        S: FnMut() -> Outcome<Option<Vec<u8>>>,
    {
        let whole = [Piece { at: 0, length: u64::MAX }];
        for piece in header.sparse.as_ref().map_or(whole.as_slice(), |sparse| &sparse.pieces) {
            let mut left = piece.length;
            if header.sparse.is_some() {
                // SAFETY: no memory involved.
                let found = unsafe { libc::lseek64(file.as_raw_fd(), piece.at as libc::off64_t, libc::SEEK_SET) };
                if found < 0 {
                    return Err(Errno::last().into());
                }
            }
            while left > 0 {
                let content = reader.content(left)?;
                if content.is_empty() {
                    break;
                }
                left -= content.len() as u64;
                self.bytes += content.len() as u64;
                sys::write_all(file.as_raw_fd(), content)?;
            }
        }
        if let Some(sparse) = &header.sparse {
            // SAFETY: an open descriptor. A last hole is not written, it just is.
            check(unsafe { libc::ftruncate64(file.as_raw_fd(), sparse.size as libc::off64_t) })?;
        }
        for (name, value) in &header.xattrs {
            let Ok(name) = CString::new(name.as_slice()) else { continue };
            // SAFETY: the name ends in NUL, the value is valid for its length. A file system without them is no failure.
            unsafe { libc::fsetxattr(file.as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
        }
        self.give(name, Some(header))?;
        set_mode(file, header.mode)?;
        set_time(file, header.modified);
        Ok(())
    }

    /// The time of a link itself, or of what must not be opened.
    fn set_link_time(&self, name: &CStr, modified: Time) -> Outcome<()> {
        let times = [modified.into(); 2];
        let parent = self.parent()?.as_raw_fd();
        // SAFETY: the name ends in NUL, both times are valid. Not every file system has times of links.
        unsafe { libc::utimensat(parent, name.as_ptr(), times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW) };
        Ok(())
    }

    /// Sets the owner of what was made in the last folder.
    fn give(&self, name: &CStr, header: Option<&Header>) -> Outcome<()> {
        let (uid, gid) = match (self.owner, header) {
            (Some(owner), _) => (owner.uid, owner.gid),
            (None, Some(header)) if self.superuser => (header.uid, header.gid),
            (None, _) => return Ok(()),
        };
        let flags = libc::AT_SYMLINK_NOFOLLOW;
        // SAFETY: the name ends in NUL.
        check(unsafe { libc::fchownat(self.parent()?.as_raw_fd(), name.as_ptr(), uid, gid, flags) })?;
        Ok(())
    }
}

fn set_mode(file: &OwnedFd, mode: u32) -> Sys<()> {
    // SAFETY: an open descriptor.
    check(unsafe { libc::fchmod(file.as_raw_fd(), mode & 0o7777) }).map(drop)
}

fn set_time(file: &OwnedFd, modified: Time) {
    // SAFETY: an open descriptor and two valid times.
    unsafe { libc::futimens(file.as_raw_fd(), [modified.into(); 2].as_ptr()) };
}

impl From<Time> for libc::timespec {
    fn from(time: Time) -> Self {
        libc::timespec { tv_sec: time.seconds as libc::time_t, tv_nsec: time.nanoseconds as libc::c_long }
    }
}

/// A hidden name in the same folder, as long as names may be.
fn name_beside(name: &CStr) -> CString {
    let name = name.to_bytes();
    let name = [b".", &name[..name.len().min(200)], b".nova-part"].concat();
    CString::new(name).unwrap_or_default()
}
