//! The memory of a guest that was forked is its template's file, and over it the pages in which it differs
//! (packages/engine/src/drivers/qemu/live/pages-file.ts). Both are mapped privately, so that guests share what none of
//! them has written to. The pages are mapped when QEMU begins to read the device state: a QEMU that was started ahead
//! waits with that until both files are written.

use core::ffi::{c_int, c_void, CStr};
use core::mem::{size_of, MaybeUninit};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use libc::{iovec, off64_t, size_t, ssize_t};

/// Environment variable with the descriptor that the pages are read from.
const PAGES: &CStr = c"NOVA_MEMORY_PAGES";
/// The descriptor of the device state when QEMU is started.
const STATE: c_int = 3;
const MAGIC: [u8; 8] = *b"NOVAPAGE";

/// Numbers of the file, in the byte order of the host.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    /// Size of the guest's memory, bytes.
    memory: u64,
    /// Where the first page lies in the file, bytes.
    data: u64,
    runs: u64,
}

/// Pages that follow each other in memory and in the file, bytes.
#[derive(Clone, Copy)]
#[repr(C)]
struct Run {
    offset: u64,
    length: u64,
}

/// The mapping that is the guest's memory, once QEMU has made it: where it is, how long it is, and how it is mapped.
/// QEMU maps the memory before any other thread of it reads the state.
static ADDRESS: AtomicUsize = AtomicUsize::new(0);
static LENGTH: AtomicUsize = AtomicUsize::new(0);
static PROTECTION: AtomicUsize = AtomicUsize::new(0);
static FLAGS: AtomicUsize = AtomicUsize::new(0);
static MAPPED: AtomicBool = AtomicBool::new(false);

/// # Safety
/// The requirements are those of mmap(2).
unsafe fn map(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: off64_t,
) -> *mut c_void {
    // SAFETY: The caller answers for what is mapped where.
    unsafe { libc::syscall(libc::SYS_mmap, address, length, protection, flags, file, offset) as *mut c_void }
}

/// Replaces the C library's function, with which QEMU maps the guest's memory.
///
/// # Safety
/// The requirements are those of mmap(2).
#[no_mangle]
pub unsafe extern "C" fn mmap64(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: off64_t,
) -> *mut c_void {
    // SAFETY: The arguments are the caller's own.
    let mapped = unsafe { map(address, length, protection, flags, file, offset) };
    let is_private_memory = file >= 0 && flags & libc::MAP_PRIVATE != 0 && protection & libc::PROT_WRITE != 0;
    // The guest's memory is by far the longest of these.
    if mapped != libc::MAP_FAILED && is_private_memory && length > LENGTH.load(Ordering::Relaxed) {
        PROTECTION.store(protection as usize, Ordering::Relaxed);
        FLAGS.store(flags as usize, Ordering::Relaxed);
        LENGTH.store(length, Ordering::Relaxed);
        ADDRESS.store(mapped as usize, Ordering::Release);
    }
    mapped
}

/// # Safety
/// The requirements are those of mmap(2).
#[no_mangle]
pub unsafe extern "C" fn mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: off64_t,
) -> *mut c_void {
    // SAFETY: The arguments are the caller's own.
    unsafe { mmap64(address, length, protection, flags, file, offset) }
}

/// Replaces the C library's function, with which QEMU reads the device state.
///
/// # Safety
/// The requirements are those of readv(2).
#[no_mangle]
pub unsafe extern "C" fn readv(file: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    if !MAPPED.load(Ordering::Relaxed) && is_state(file) {
        if let Some(pages) = descriptor() {
            map_pages(pages);
        }
        MAPPED.store(true, Ordering::Relaxed);
    }
    // SAFETY: The arguments are the caller's own.
    unsafe { libc::syscall(libc::SYS_readv, file, parts, count) as ssize_t }
}

/// Device and inode of the device state. QEMU from 8.2 on reads from a copy of the descriptor and closes `STATE`, so
/// they are noted when the library is loaded.
static STATE_DEVICE: AtomicU64 = AtomicU64::new(0);
static STATE_INODE: AtomicU64 = AtomicU64::new(0);

/// The loader calls it before QEMU begins.
#[used]
#[link_section = ".init_array"]
static NOTE_STATE: extern "C" fn() = note_state;

extern "C" fn note_state() {
    if let Some((device, inode)) = identity(STATE) {
        STATE_DEVICE.store(device, Ordering::Relaxed);
        STATE_INODE.store(inode, Ordering::Relaxed);
    }
}

fn is_state(file: c_int) -> bool {
    let state = (STATE_DEVICE.load(Ordering::Relaxed), STATE_INODE.load(Ordering::Relaxed));
    identity(file) == Some(state)
}

/// Device and inode of an open file.
fn identity(file: c_int) -> Option<(u64, u64)> {
    let mut found = MaybeUninit::<libc::stat64>::uninit();
    // SAFETY: fstat(2) fills the structure in where it succeeds.
    unsafe {
        (libc::fstat64(file, found.as_mut_ptr()) == 0).then(|| {
            let found = found.assume_init();
            (found.st_dev, found.st_ino)
        })
    }
}

/// Maps the pages over the guest's memory. A guest whose memory is half another guest's must not run, so any failure
/// ends the process.
fn map_pages(pages: c_int) {
    let memory = ADDRESS.load(Ordering::Acquire) as *mut c_void;
    let header: Header = read(pages, 0);
    if header.magic != MAGIC || header.memory != LENGTH.load(Ordering::Relaxed) as u64 {
        abort();
    }
    let protection = PROTECTION.load(Ordering::Relaxed) as c_int;
    let flags = FLAGS.load(Ordering::Relaxed) as c_int | libc::MAP_FIXED;
    let mut data = header.data;
    for index in 0..header.runs {
        let run: Run = read(pages, size_of::<Header>() as u64 + index * size_of::<Run>() as u64);
        if run.offset.checked_add(run.length).is_none_or(|end| end > header.memory) {
            abort();
        }
        let address = memory.wrapping_byte_add(run.offset as usize);
        // SAFETY: The run lies within the mapping, whose contents nobody has used yet.
        let mapped = unsafe { map(address, run.length as size_t, protection, flags, pages, data as off64_t) };
        if mapped == libc::MAP_FAILED {
            abort();
        }
        data += run.length;
    }
}

fn read<T: Copy>(file: c_int, offset: u64) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: The buffer has the size that is read into it.
    let count = unsafe { libc::pread64(file, value.as_mut_ptr().cast(), size_of::<T>(), offset as off64_t) };
    if count != size_of::<T>() as isize {
        abort();
    }
    // SAFETY: All of it was read, and any bytes are such a value: it consists of numbers.
    unsafe { value.assume_init() }
}

fn descriptor() -> Option<c_int> {
    // SAFETY: The name ends with a NUL, and nothing else changes the environment of QEMU.
    unsafe {
        let text = libc::getenv(PAGES.as_ptr());
        (!text.is_null()).then(|| libc::atoi(text))
    }
}

fn abort() -> ! {
    // SAFETY: abort(3) takes nothing.
    unsafe { libc::abort() }
}
