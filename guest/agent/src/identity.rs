//! What tells one machine from its clones: randomness, name, machine id, boot id.

use std::ffi::CStr;
use std::os::fd::AsRawFd;

use crate::agent::Agent;
use crate::error::{Failure, Outcome};
use crate::record::Record;
use crate::sys::{self, check, Errno, Sys};

const MOST_ENTROPY: usize = 512;
const BOOT_ID: &CStr = c"/proc/sys/kernel/random/boot_id";
const MACHINE_ID: &CStr = c"/etc/machine-id";
/// The file that is shown in place of the kernel's boot id.
const OWN_BOOT_ID: &CStr = c"/run/nova/boot-id";

pub fn check_entropy(value: &[u8]) -> Outcome<Vec<u8>> {
    if (32..=MOST_ENTROPY).contains(&value.len()) {
        Ok(value.to_vec())
    } else {
        Err(Failure::invalid("entropy is 32 to 512 bytes"))
    }
}

pub fn check_hostname(value: &[u8]) -> Outcome<Vec<u8>> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if (1..=64).contains(&value.len()) && value.iter().all(allowed) {
        Ok(value.to_vec())
    } else {
        Err(Failure::invalid("not a host name"))
    }
}

pub fn check_machine_id(value: &[u8]) -> Outcome<Vec<u8>> {
    if value.len() == 32 && value.iter().all(u8::is_ascii_hexdigit) {
        Ok([value, b"\n"].concat())
    } else {
        Err(Failure::invalid("a machine id is 32 hex digits"))
    }
}

pub fn check_boot_id(value: &[u8]) -> Outcome<Vec<u8>> {
    let fits = |(at, &byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    if value.len() == 36 && value.iter().enumerate().all(fits) {
        Ok([value, b"\n"].concat())
    } else {
        Err(Failure::invalid("a boot id is a UUID"))
    }
}

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

/// Credited, and in effect at once: two clones must not give the same random numbers from here on.
pub fn reseed(entropy: &[u8]) -> Sys<()> {
    let mut pool =
        Pool { entropy_bits: entropy.len() as i32 * 8, size: entropy.len() as i32, bytes: [0; MOST_ENTROPY] };
    pool.bytes[..entropy.len()].copy_from_slice(entropy);
    let random = sys::open(c"/dev/urandom", libc::O_RDWR, 0)?;
    // SAFETY: the kernel reads as many bytes of the pool as it says to hold.
    check(unsafe { libc::ioctl(random.as_raw_fd(), RNDADDENTROPY as _, &raw const pool) })?;
    sys::ioctl_int(random.as_raw_fd(), RNDRESEEDCRNG.into(), 0).map(drop)
}

pub fn set_hostname(hostname: &[u8]) -> Sys<()> {
    // SAFETY: valid for its length.
    check(unsafe { libc::sethostname(hostname.as_ptr().cast(), hostname.len()) }).map(drop)
}

pub fn set_boot_id(boot_id: &[u8]) -> Sys<()> {
    sys::write_small(OWN_BOOT_ID, libc::O_TRUNC, boot_id)
}

/// At boot, once: a boot id of our own is laid over the kernel's, which clones would have in common. The kernel's own is not read before: it is
/// made up at its first reading, by each clone for itself.
pub fn prepare() -> Sys<()> {
    make_folder(c"/run/nova", 0o755)?;
    sys::write_small(OWN_BOOT_ID, libc::O_CREAT | libc::O_TRUNC, b"00000000-0000-0000-0000-000000000000\n")?;
    // SAFETY: all strings end in NUL; a bind mount has neither type nor data.
    check(unsafe {
        libc::mount(OWN_BOOT_ID.as_ptr(), BOOT_ID.as_ptr(), std::ptr::null(), libc::MS_BIND, std::ptr::null())
    })?;
    show_whole_proc()
}

/// The kernel lets users mount a proc in namespaces of their own where the whole of one can be seen, and the one at /proc is covered in
/// one place now.
fn show_whole_proc() -> Sys<()> {
    make_folder(c"/run/nova/whole", 0o700)?;
    make_folder(c"/run/nova/whole/proc", 0o700)?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: all strings end in NUL; no data.
    check(unsafe {
        libc::mount(c"proc".as_ptr(), c"/run/nova/whole/proc".as_ptr(), c"proc".as_ptr(), flags, std::ptr::null())
    })
    .map(drop)
}

fn make_folder(path: &CStr, mode: libc::mode_t) -> Sys<()> {
    // SAFETY: the path ends in NUL.
    match check(unsafe { libc::mkdir(path.as_ptr(), mode) }) {
        Ok(_) | Err(Errno(libc::EEXIST)) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// The bytes of a C string field.
fn text_of(field: &[libc::c_char]) -> Vec<u8> {
    field.iter().take_while(|&&byte| byte != 0).map(|&byte| byte as u8).collect()
}

fn first_line(path: &CStr) -> Vec<u8> {
    let content = sys::read_small(path, 256).unwrap_or_default();
    content.split(|&byte| byte == b'\n').next().unwrap_or_default().to_vec()
}

/// Time since boot.
pub fn uptime_ms() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every kernel served.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) };
    time.tv_sec as u64 * 1_000 + time.tv_nsec as u64 / 1_000_000
}

pub fn root_is_read_only() -> bool {
    // SAFETY: statvfs fills the zeroed structure.
    unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        libc::statvfs(c"/".as_ptr(), &mut stat) == 0 && stat.f_flag & libc::ST_RDONLY != 0
    }
}

impl Agent {
    pub fn info(&mut self) -> Outcome<Record> {
        // SAFETY: uname fills the zeroed structure.
        let names = unsafe {
            let mut names: libc::utsname = std::mem::zeroed();
            check(libc::uname(&mut names))?;
            names
        };
        let mut record = Record::new();
        record
            .text(1, env!("CARGO_PKG_VERSION"))
            .bytes(2, &text_of(&names.release))
            .bytes(3, &text_of(&names.nodename))
            .bytes(4, &first_line(BOOT_ID))
            .bytes(5, &first_line(MACHINE_ID))
            .int(6, std::process::id().into())
            .int(7, uptime_ms())
            .bytes(8, &text_of(&names.machine))
            .int(9, sys::wall_clock_ns())
            .flag(10, root_is_read_only());
        Ok(record)
    }
}
