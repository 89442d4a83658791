//! Puts the entries of an archive in their places. An existing file is removed only when the new one is complete.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::extract::Extraction;
use super::format::Header;
use super::reader::Reader;
use super::sparse::Piece;
use super::time::Time;
use crate::error::{Failure, Outcome};
use crate::sys::paths::{self, is_kind, open_at, open_inside, stat_at};
use crate::sys::{self, xattrs, Errno, Sys};

/// The most directories whose times are set at the end, because filling them changes the times.
const MOST_TIMES: usize = 65_536;

impl Extraction {
    /// Makes a new file. An existing file of that name, unless it is a directory, is removed first, so that nothing is
    /// written through a link.
    pub(super) fn make(&self, name: &CStr, create: impl Fn(RawFd) -> Sys<()>) -> Outcome<()> {
        let parent = self.parent()?.as_raw_fd();
        match create(parent) {
            Err(Errno(libc::EEXIST)) => {
                paths::unlink_at(parent, name, 0)?;
                Ok(create(parent)?)
            }
            result => Ok(result?),
        }
    }

    pub(super) fn make_directory(&mut self, name: &CStr, header: &Header, path: &[u8]) -> Outcome<()> {
        let parent = self.parent()?.as_raw_fd();
        match paths::make_directory_at(parent, name, 0o755) {
            Ok(()) => {}
            Err(Errno(libc::EEXIST)) => {
                // A link to a directory stays as it is.
                let stat = stat_at(parent, name, libc::AT_SYMLINK_NOFOLLOW)?;
                if !is_kind(&stat, libc::S_IFDIR) {
                    open_inside(&self.top, path)?;
                    return Ok(());
                }
            }
            Err(errno) => return Err(errno.into()),
        }
        self.give(name, Some(header))?;
        let directory = open_at(parent, name, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW, 0)?;
        paths::change_mode(&directory, header.mode)?;
        if self.times.len() < MOST_TIMES {
            self.times.push((path.to_vec(), header.modified));
        }
        Ok(())
    }

    pub(super) fn make_file<S>(&mut self, name: &CStr, header: &Header, reader: &mut Reader<S>) -> Outcome<()>
    where
        S: FnMut() -> Outcome<Option<Vec<u8>>>,
    {
        let parent = self.parent()?.as_raw_fd();
        let create = |name: &CStr| {
            let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
            open_at(parent, name, flags, 0o600)
        };
        // An existing file of that name stays until the new one is complete.
        let (file, beside) = match create(name) {
            Err(Errno(libc::EEXIST)) => {
                let beside = name_beside(name);
                // An earlier extraction may have left one behind.
                let _ = paths::unlink_at(parent, &beside, 0);
                (create(&beside)?, Some(beside))
            }
            result => (result?, None),
        };
        let made = beside.as_deref().unwrap_or(name);
        let mut filled = self.fill(&file, made, header, reader);
        if let (Ok(()), Some(beside)) = (&filled, &beside) {
            filled = paths::rename_at(parent, beside, parent, name).map_err(Failure::from);
        }
        if filled.is_err() {
            // Half a file is worse than none.
            let _ = paths::unlink_at(parent, made, 0);
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
                sys::seek(file, piece.at, libc::SEEK_SET)?;
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
            // A last hole is not written, but it is part of the size.
            sys::set_length(file, sparse.size)?;
        }
        for (name, value) in &header.xattrs {
            let Ok(name) = CString::new(name.as_slice()) else { continue };
            // A file system without attributes is no failure.
            let _ = xattrs::set(file, &name, value);
        }
        self.give(name, Some(header))?;
        paths::change_mode(file, header.mode)?;
        // A file system without times is no failure.
        let _ = paths::set_times(file, [header.modified.into(); 2]);
        Ok(())
    }

    /// Sets the time of a link itself, or of a file that must not be opened.
    pub(super) fn set_link_time(&self, name: &CStr, modified: Time) -> Outcome<()> {
        // Not every file system has times of links.
        let _ = paths::set_times_at(self.parent()?.as_raw_fd(), name, [modified.into(); 2]);
        Ok(())
    }

    /// Sets the owner of a new file in the last folder.
    pub(super) fn give(&self, name: &CStr, header: Option<&Header>) -> Outcome<()> {
        let (uid, gid) = match (self.owner, header) {
            (Some(owner), _) => (owner.uid, owner.gid),
            (None, Some(header)) if self.superuser => (header.uid, header.gid),
            (None, _) => return Ok(()),
        };
        paths::change_owner_at(self.parent()?.as_raw_fd(), name, uid, gid, libc::AT_SYMLINK_NOFOLLOW)?;
        Ok(())
    }
}

/// Gives a hidden name in the same folder, within the length limit of names.
fn name_beside(name: &CStr) -> CString {
    let name = name.to_bytes();
    let name = [b".", &name[..name.len().min(200)], b".nova-part"].concat();
    CString::new(name).unwrap_or_default()
}
