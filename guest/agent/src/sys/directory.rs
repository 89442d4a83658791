//! Reads directories by descriptor, so that a directory cannot be swapped for a link during a walk.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::errno::{check_size, Errno, Sys};
use super::paths::{open, open_at};

/// The size of the buffer that one call fills.
const BUFFER: usize = 32 * 1024;
/// Where the parts of `struct linux_dirent64` lie.
const LENGTH_AT: usize = 16;
const KIND_AT: usize = 18;
const NAME_AT: usize = 19;

pub struct Directory {
    fd: OwnedFd,
    /// Entries as the kernel gave them, from `at` to `end`.
    buffer: Vec<u8>,
    at: usize,
    end: usize,
}

pub struct Name {
    pub name: CString,
    /// A DT_ value; DT_UNKNOWN on file systems that do not say.
    pub kind: u8,
}

impl Directory {
    pub fn new(fd: OwnedFd) -> Self {
        Directory { fd, buffer: Vec::new(), at: 0, end: 0 }
    }

    pub fn open(path: &CStr) -> Sys<Self> {
        open(path, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NONBLOCK, 0).map(Self::new)
    }

    /// Opens a directory in this one; fails for a link.
    pub fn open_below(&self, name: &CStr) -> Sys<Self> {
        open_at(self.fd(), name, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW, 0).map(Self::new)
    }

    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Keeps the directory open without the memory that reading it took.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Gives the next entry but `.` and `..`.
    pub fn next(&mut self) -> Sys<Option<Name>> {
        loop {
            if self.at == self.end && !self.fill()? {
                return Ok(None);
            }
            let entry = &self.buffer[self.at..self.end];
            let length = entry.get(LENGTH_AT..KIND_AT).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
            let entry = length.and_then(|length| entry.get(..length.into())).filter(|entry| entry.len() > NAME_AT);
            let entry = entry.ok_or(Errno(libc::EIO))?;
            self.at += entry.len();
            let name = CStr::from_bytes_until_nul(&entry[NAME_AT..]).map_err(|_| Errno(libc::EIO))?;
            if !matches!(name.to_bytes(), b"." | b"..") {
                return Ok(Some(Name { name: name.to_owned(), kind: entry[KIND_AT] }));
            }
        }
    }

    /// Reads more entries; false at the end.
    fn fill(&mut self) -> Sys<bool> {
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER];
        }
        let (start, size) = (self.buffer.as_mut_ptr(), self.buffer.len());
        // SAFETY: The buffer is valid for its length.
        let result = unsafe { libc::syscall(libc::SYS_getdents64, self.fd.as_raw_fd(), start, size) };
        (self.at, self.end) = (0, 0);
        match check_size(result as isize) {
            // The directory has been removed meanwhile.
            Err(Errno(libc::ENOENT)) => {}
            result => self.end = result?,
        }
        Ok(self.end > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_more_than_one_call_gives() {
        let path = std::env::temp_dir().join(format!("nova-agent-directory-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let names: Vec<String> = (0..2_000).map(|number| format!("{number:0>100}")).collect();
        for name in &names {
            std::fs::write(path.join(name), b"").unwrap();
        }
        let c_path = CString::new(path.to_str().unwrap()).unwrap();
        let mut directory = Directory::open(&c_path).unwrap();
        let mut found = Vec::new();
        while let Some(entry) = directory.next().unwrap() {
            assert!(matches!(entry.kind, libc::DT_REG | libc::DT_UNKNOWN));
            found.push(entry.name.into_string().unwrap());
        }
        found.sort();
        assert_eq!(found, names);

        // A removed directory is at its end.
        let mut directory = Directory::open(&c_path).unwrap();
        std::fs::remove_dir_all(&path).unwrap();
        assert!(directory.next().unwrap().is_none());
    }
}
