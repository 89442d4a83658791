//! Reading directories by descriptor, so that what is walked cannot be swapped for a link meanwhile.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

use crate::sys::{self, Errno, Sys};

pub struct Directory {
    stream: *mut libc::DIR,
}

pub struct Name {
    pub name: CString,
    /// A DT_ value; DT_UNKNOWN on file systems that do not say.
    pub kind: u8,
}

impl Directory {
    pub fn new(fd: OwnedFd) -> Sys<Self> {
        // SAFETY: an open descriptor, which the stream owns from here on.
        let stream = unsafe { libc::fdopendir(fd.as_raw_fd()) };
        if stream.is_null() {
            return Err(Errno::last());
        }
        let _ = fd.into_raw_fd();
        Ok(Directory { stream })
    }

    pub fn open(path: &CStr) -> Sys<Self> {
        Self::new(sys::open(path, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NONBLOCK, 0)?)
    }

    /// A directory in this one; fails for a link.
    pub fn open_below(&self, name: &CStr) -> Sys<Self> {
        Self::new(open_at(self.fd(), name, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW)?)
    }

    pub fn fd(&self) -> RawFd {
        // SAFETY: the stream is open.
        unsafe { libc::dirfd(self.stream) }
    }

    /// The next entry but `.` and `..`.
    pub fn next(&mut self) -> Sys<Option<Name>> {
        loop {
            // SAFETY: the stream is open; the entry is copied before the next call. errno tells an error from the end.
            let (name, kind) = unsafe {
                *libc::__errno_location() = 0;
                let entry = libc::readdir64(self.stream);
                if entry.is_null() {
                    return match Errno::last() {
                        Errno(0) => Ok(None),
                        errno => Err(errno),
                    };
                }
                (CStr::from_ptr((&raw const (*entry).d_name).cast()), (*entry).d_type)
            };
            if !matches!(name.to_bytes(), b"." | b"..") {
                return Ok(Some(Name { name: name.to_owned(), kind }));
            }
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // SAFETY: the stream is open and not used again.
        unsafe { libc::closedir(self.stream) };
    }
}

// SAFETY: a stream belongs to no thread in particular.
unsafe impl Send for Directory {}

pub fn open_at(directory: RawFd, name: &CStr, flags: libc::c_int) -> Sys<OwnedFd> {
    // SAFETY: the name ends in NUL; the descriptor is new.
    sys::own(unsafe { libc::openat(directory, name.as_ptr(), flags | libc::O_CLOEXEC) })
}

pub fn stat_at(directory: RawFd, name: &CStr, flags: libc::c_int) -> Sys<libc::stat64> {
    // SAFETY: stat fills the zeroed structure.
    unsafe {
        let mut stat = std::mem::zeroed();
        sys::check(libc::fstatat64(directory, name.as_ptr(), &mut stat, flags))?;
        Ok(stat)
    }
}

pub fn stat(path: &CStr) -> Sys<libc::stat64> {
    stat_at(libc::AT_FDCWD, path, 0)
}

pub fn lstat(path: &CStr) -> Sys<libc::stat64> {
    stat_at(libc::AT_FDCWD, path, libc::AT_SYMLINK_NOFOLLOW)
}

pub fn is_kind(stat: &libc::stat64, kind: libc::mode_t) -> bool {
    stat.st_mode & libc::S_IFMT == kind
}

pub fn read_link_at(directory: RawFd, name: &CStr) -> Sys<Vec<u8>> {
    let mut target = vec![0; libc::PATH_MAX as usize];
    // SAFETY: valid for its length.
    let length = unsafe { libc::readlinkat(directory, name.as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    target.truncate(usize::try_from(length).map_err(|_| Errno::last())?);
    Ok(target)
}
