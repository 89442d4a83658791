//! The machine as a whole: mounts, name, randomness, modules, disks, power.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use super::errno::{check, Errno, Sys};
use super::paths::open;
use super::terminal::ioctl_int;

/// `kind` and `data` are empty where the mount has none.
pub fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: libc::c_ulong, data: &CStr) -> Sys<()> {
    let data = if data.is_empty() { std::ptr::null() } else { data.as_ptr() };
    // SAFETY: All strings end in NUL.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.cast()) }).map(drop)
}

pub fn set_hostname(hostname: &[u8]) -> Sys<()> {
    // SAFETY: The name is valid for its length.
    check(unsafe { libc::sethostname(hostname.as_ptr().cast(), hostname.len()) }).map(drop)
}

/// The kernel's description of itself and the machine.
pub struct Names {
    pub kernel_release: Vec<u8>,
    pub hostname: Vec<u8>,
    pub architecture: Vec<u8>,
}

pub fn names() -> Sys<Names> {
    // SAFETY: A structure of zeroes is valid, and uname fills it.
    let names = unsafe {
        let mut names: libc::utsname = std::mem::zeroed();
        check(libc::uname(&raw mut names))?;
        names
    };
    let text = |field: &[libc::c_char]| field.iter().take_while(|&&byte| byte != 0).map(|&byte| byte as u8).collect();
    Ok(Names {
        kernel_release: text(&names.release),
        hostname: text(&names.nodename),
        architecture: text(&names.machine),
    })
}

/// The longest seed of the random number generator.
pub const MOST_ENTROPY: usize = 512;

/// `struct rand_pool_info` of linux/random.h with room for the largest seed.
#[repr(C)]
struct Pool {
    entropy_bits: libc::c_int,
    size: libc::c_int,
    bytes: [u8; MOST_ENTROPY],
}

// _IOW('R', 0x03, int[2]) and _IO('R', 0x07): the same numbers wherever the generic ioctl encoding holds.
const RNDADDENTROPY: u32 = 0x4008_5203;
const RNDRESEEDCRNG: u32 = 0x5207;

/// Seeds the random number generator. The seed is credited and in effect at once: two clones must not give the same
/// random numbers from here on.
pub fn reseed(entropy: &[u8]) -> Sys<()> {
    let mut bytes = [0; MOST_ENTROPY];
    bytes.get_mut(..entropy.len()).ok_or(Errno(libc::EINVAL))?.copy_from_slice(entropy);
    let pool = Pool { entropy_bits: entropy.len() as i32 * 8, size: entropy.len() as i32, bytes };
    let random = open(c"/dev/urandom", libc::O_RDWR, 0)?;
    // SAFETY: The kernel reads as many bytes of the pool as its length states.
    check(unsafe { libc::ioctl(random.as_raw_fd(), RNDADDENTROPY as _, &raw const pool) })?;
    ioctl_int(random.as_raw_fd(), RNDRESEEDCRNG.into(), 0).map(drop)
}

/// Loads a kernel module from an open file, without parameters.
pub fn load_module(file: &OwnedFd) -> Sys<()> {
    // SAFETY: The string of parameters is empty, and ends in NUL.
    let result = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
    check(result as libc::c_int).map(drop)
}

/// The numbers of a file system, from statvfs.
pub struct FileSystem {
    pub total_bytes: u64,
    pub used_bytes: u64,
    /// Bytes that any user may still write.
    pub free_bytes: u64,
    /// Files that there is still room for.
    pub free_inodes: u64,
    pub is_read_only: bool,
}

pub fn file_system_at(path: &CStr) -> Sys<FileSystem> {
    // SAFETY: A structure of zeroes is valid, and statvfs fills it; the path ends in NUL.
    unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        check(libc::statvfs(path.as_ptr(), &raw mut stat))?;
        Ok(FileSystem::of(&stat))
    }
}

/// The file system that an open file lies on.
pub fn file_system_of(file: &OwnedFd) -> Sys<FileSystem> {
    // SAFETY: A structure of zeroes is valid, and fstatvfs fills it.
    unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        check(libc::fstatvfs(file.as_raw_fd(), &raw mut stat))?;
        Ok(FileSystem::of(&stat))
    }
}

impl FileSystem {
    fn of(stat: &libc::statvfs) -> Self {
        let block = stat.f_frsize;
        FileSystem {
            total_bytes: stat.f_blocks * block,
            used_bytes: stat.f_blocks.saturating_sub(stat.f_bfree) * block,
            free_bytes: stat.f_bavail * block,
            free_inodes: stat.f_favail,
            is_read_only: stat.f_flag & libc::ST_RDONLY != 0,
        }
    }
}

/// Gives a number of the system from the C library: one of the _SC_ values.
pub fn system_value(name: libc::c_int) -> u64 {
    // SAFETY: The call takes no pointers.
    u64::try_from(unsafe { libc::sysconf(name) }).unwrap_or(1).max(1)
}

/// Writes everything out.
pub fn sync() {
    // SAFETY: The call takes no arguments.
    unsafe { libc::sync() };
}

/// `struct fstrim_range` of linux/fs.h.
#[repr(C)]
struct TrimRange {
    start: u64,
    length: u64,
    shortest: u64,
}

// _IOWR('X', 121, struct fstrim_range), _IOWR('X', 119, int): the same numbers wherever the generic ioctl encoding
// holds.
const FITRIM: u32 = 0xC018_5879;
const FIFREEZE: u32 = 0xC004_5877;

/// Gives free blocks back. Disks that cannot discard return an error, which is no failure.
pub fn trim(disk: &OwnedFd) {
    let mut range = TrimRange { start: 0, length: u64::MAX, shortest: 0 };
    // SAFETY: FITRIM reads and writes one range.
    unsafe { libc::ioctl(disk.as_raw_fd(), FITRIM as _, &raw mut range) };
}

/// Freezes a file system, which leaves a journal with nothing to replay, as unmounting does.
pub fn freeze(disk: &OwnedFd) {
    let _ = ioctl_int(disk.as_raw_fd(), FIFREEZE.into(), 0);
}

// _IOW('f', 16, __u64): the same number wherever the generic ioctl encoding holds.
const EXT4_IOC_RESIZE_FS: u32 = 0x4008_6610;

/// Grows a mounted ext4 to that many of its blocks.
pub fn resize_file_system(root: &OwnedFd, blocks: u64) -> Sys<()> {
    // SAFETY: The kernel reads one number.
    check(unsafe { libc::ioctl(root.as_raw_fd(), EXT4_IOC_RESIZE_FS as _, &raw const blocks) }).map(drop)
}

/// Switches the machine off and does not return. `mode` is one of the RB_ values; when that fails, the machine is
/// reset.
pub fn turn_off(mode: libc::c_int) -> ! {
    // SAFETY: The calls take no pointers.
    unsafe {
        libc::reboot(mode);
        libc::reboot(libc::RB_AUTOBOOT);
        loop {
            libc::pause();
        }
    }
}
