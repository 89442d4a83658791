//! Paths of an archive that is not trusted: every one is resolved by the kernel with the directory as its root, links that
//! point out of it included.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::error::{Failure, Outcome};
use crate::sys::{self, Errno, Sys};

/// `struct open_how` of linux/openat2.h.
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
const RESOLVE_IN_ROOT: u64 = 0x10;

/// Opens a directory, with another one as the root of the path and of every link on the way.
pub fn open_inside(top: &OwnedFd, path: &[u8]) -> Sys<OwnedFd> {
    let path = CString::new(if path.is_empty() { b"." } else { path }).map_err(|_| Errno(libc::EINVAL))?;
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let how = OpenHow { flags: flags as u64, mode: 0, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    // SAFETY: the structure and its size are those of the system call.
    sys::own(unsafe {
        libc::syscall(libc::SYS_openat2, top.as_raw_fd(), path.as_ptr(), &raw const how, size_of::<OpenHow>())
    } as libc::c_int)
}

/// The parts of an archive's path below the directory. Slashes at the front and `.` mean nothing; `..` is refused.
pub fn clean(path: &[u8]) -> Outcome<Vec<u8>> {
    let mut parts = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(Failure::invalid("an entry leads out of the directory").about(path)),
            part if part.contains(&0) => return Err(Failure::invalid("a path holds a NUL")),
            part => parts.push(part),
        }
    }
    Ok(parts.join(&b'/'))
}

/// The folder, and the name in it.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}
